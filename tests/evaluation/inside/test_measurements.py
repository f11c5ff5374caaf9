"""All measurements of a forecaster, and how they are stored."""

from pathlib import Path

import numpy as np
import pytest
import torch
from support import quick
from torch import nn

from sirve.cores import (
    GRU,
    LSTM,
    ConvRecurrent,
    Core,
    FilmRecurrent,
    Linear,
    Persistence,
    Recurrent,
)
from sirve.cores.residual import ResidualRecurrent
from sirve.data.shards import Info
from sirve.errors import UserError
from sirve.evaluation.inside import (
    Inside,
    Material,
    load_material,
    long_exponents,
    measure,
    measurements,
)
from sirve.forecasting.forecaster import Forecaster
from sirve.forecasting.normaliser import Normaliser
from sirve.io.hdf5 import create
from sirve.metrics import normalised_error
from sirve.report.inside.load import load_inside, measured
from sirve.report.load import RunError

CONTEXT, LENGTH = 6, 40
SHAPES = {
    "gru": (3,),
    "lstm": (3,),
    "convgru": (2, 6, 5),
    "resgru": (2, 6, 5),
    "film_gru": (2, 6, 5),
    "linear": (3,),
    "persistence": (3,),
}


def forecaster_of(name: str, covariates: bool = False) -> Forecaster:
    torch.manual_seed(0)
    shape, extra = SHAPES[name], int(covariates)
    core: Core
    if name == "convgru":
        core = ConvRecurrent(shape, GRU(), "neumann", hidden=3, residual=False, covariates=extra)
    elif name == "resgru":
        core = ResidualRecurrent(
            shape, GRU(), "neumann", hidden=3, width=4, depth=2, innovation=True, covariates=extra
        )
    elif name == "film_gru":
        core = FilmRecurrent(shape, GRU(), "neumann", 3, 2, 4, covariates=extra)
    elif name == "persistence":
        core = Persistence(shape, covariates=extra)
    elif name == "linear":
        core = Linear(shape, covariates=extra)
    else:
        cell = {"gru": GRU(), "lstm": LSTM()}[name]
        core = Recurrent(shape, cell, hidden=5, residual=False, covariates=extra)
    for parameter in core.parameters():
        nn.init.normal_(parameter, std=0.2)
    core.scale.fill_(0.01 if name == "resgru" else 0.1)
    info = Info(name, shape, tuple("xyz")[: shape[0]], ("1",) * shape[0], "neumann", 0.1, "step",
                0.2, "", {}, ("rho",) * extra)  # fmt: skip
    total = shape[0] + extra
    normaliser = Normaliser(np.full(total, 0.5), np.full(total, 2.0), len(shape) - 1)
    return Forecaster(core, normaliser, {}, info, [2.0] * shape[0])


def material(name: str, covariates: bool = False, **changes: object) -> Material:
    rng = np.random.default_rng(0)
    states = rng.normal(size=(5, LENGTH, *SHAPES[name]))
    given = {"rho": np.linspace(1, 2, 5)} if covariates else {}
    return Material(states, states, CONTEXT, given, **changes)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure exponents over a hundred steps, and gates over ten."""
    monkeypatch.setattr(measurements, "LONGEST", 100)
    monkeypatch.setattr(measurements, "FREE", 10)


MEASURED = [("gru", True), ("lstm", False), ("convgru", True), ("resgru", False)]
MEASURED += [("film_gru", True)]


@pytest.mark.parametrize(("name", "covariates"), quick(MEASURED, *MEASURED[:3]))
def test_everything_is_measured_and_read_back(name: str, covariates: bool, tmp_path: Path) -> None:
    forecaster = forecaster_of(name, covariates)
    initial = forecaster_of(name, covariates).core
    found = measure(forecaster, material(name, covariates, initial=initial, median=2, count=2))
    assert set(found.summary) == {"reach", "gates", "drift", "exponents"}
    assert not [part for part in found.summary.values() if "skipped" in part]
    assert found.summary["reach"]["windows"] == 5
    assert found.summary["reach"]["initial"]["h"] == found.summary["reach"]["h"]
    assert len(found.summary["exponents"]["value"]) == 2
    found.write(tmp_path)
    read = load_inside(tmp_path)
    assert read
    assert set(read.reach) == ({"h", "C"} if name == "lstm" else {"h"})
    assert (read.reach["h"][:, 0] == 1).all()
    np.testing.assert_array_equal(read.initial["h"], read.reach["h"])
    np.testing.assert_array_equal(read.along, np.arange(1 - CONTEXT, measurements.FREE))
    assert read.exponents is not None
    np.testing.assert_allclose(read.exponents.value[-1], found.summary["exponents"]["value"])


def test_drift_is_scored_like_any_forecast() -> None:
    forecaster, given = forecaster_of("gru"), material("gru")
    found = measure(forecaster, given)
    forecast = forecaster.forecast(given.seen[:, :CONTEXT], LENGTH - CONTEXT)
    error = normalised_error(given.clean[:, CONTEXT:], forecast, np.array([2.0] * 3))
    expected = np.quantile(error, (0.25, 0.5, 0.75), axis=0)
    np.testing.assert_allclose(found.arrays["drift/carried"], expected, rtol=1e-5)
    first = slice(found.summary["drift"]["every"])
    np.testing.assert_allclose(
        found.arrays["drift/reread"][:, first], expected[:, first], rtol=1e-5
    )
    at_ten = found.summary["drift"]["carried"]["median_error"]["10"]
    assert at_ten == pytest.approx(expected[1, 9], rel=1e-5)


@pytest.mark.parametrize("name", ["linear", "persistence"])
def test_a_core_without_memory_gives_the_reason(name: str) -> None:
    found = measure(forecaster_of(name), material(name))
    for part in ("reach", "gates"):
        assert found.summary[part] == {"skipped": "this core has no recurrent cells"}
    assert found.summary["drift"] == {"skipped": "this core has no memory"}
    assert len(found.summary["exponents"]["value"]) == 3
    if name == "persistence":
        np.testing.assert_allclose(found.summary["exponents"]["value"], 0, atol=1e-12)


def test_a_failed_measurement_is_skipped_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise NotImplementedError("no forward mode\nfor this")

    monkeypatch.setattr(measurements, "exponents", refuse)
    found = measure(forecaster_of("gru"), material("gru"))
    assert found.summary["exponents"] == {"skipped": "no forward mode for this"}
    assert "skipped" not in found.summary["gates"]


def test_a_network_that_leaves_the_data_has_no_exponents() -> None:
    forecaster = forecaster_of("linear")
    with torch.no_grad():
        forecaster.core.readout.weight.copy_(100 * torch.eye(3))
    found = measure(forecaster, material("linear"))
    assert found.summary["exponents"] == {"skipped": "the orbits leave the range of the data"}
    assert found.arrays == {}


def test_work_is_bounded_whatever_the_size(monkeypatch: pytest.MonkeyPatch) -> None:
    forecaster, given = forecaster_of("convgru"), material("convgru")
    # 30 cells; W and U of 3 gates of 3 channels, the readout of 2
    weights = 9 * (9 * 2 + 9 * 3 + 2 * 5)
    assert measurements.multiplications(forecaster.core) == 30 * weights
    work = 30 * weights * 4 * 3 * 10  # four windows of ten lags
    monkeypatch.setattr(measurements, "WORK", {"reach": work, "drift": work, "exponents": work})
    found = measure(forecaster, given)
    assert (found.summary["reach"]["windows"], found.summary["reach"]["lags"]) == (4, 10)
    assert found.summary["drift"]["starts"] == 4
    assert found.summary["drift"]["steps"] < 10
    assert "too few" in found.summary["exponents"]["skipped"]


def test_a_finished_run_is_measured_again_for_longer(tmp_path: Path) -> None:
    forecaster, given = forecaster_of("gru", covariates=True), material("gru", covariates=True)
    with create(tmp_path / "rollouts.h5") as file:
        file["context"], file["truth"] = given.seen[:, :CONTEXT], given.seen[:, CONTEXT:]
        file["parameters/rho"] = given.covariates["rho"]
    loaded = load_material(tmp_path, forecaster)
    np.testing.assert_array_equal(loaded.seen, given.seen)
    np.testing.assert_array_equal(loaded.covariates["rho"], given.covariates["rho"])
    longer = long_exponents(forecaster, loaded, count=4, orbits=7, time=5.0)
    assert longer.summary["exponents"]["orbits"] == 7
    assert longer.summary["exponents"]["time"] == pytest.approx(5.0)
    assert len(longer.summary["exponents"]["value"]) == 4


BROKEN = {
    "another length": ({"along": np.arange(3.0), "gates/z": np.ones((3, 4))}, "another length"),
    "two rows": ({"reach/h": np.ones((2, 4))}, "of the shape"),
    "many": ({f"reach/{i}": np.ones((3, 4)) for i in range(25)}, "at most 24"),
    "a vector": ({"drift/carried": np.ones(4)}, "2 dimensions"),
    "a dataset for a group": ({"reach": np.ones(4)}, "no group"),
    "other times": (
        {"exponents/time": np.ones(3), "exponents/value": np.ones((4, 2)),
         "exponents/error": np.ones((4, 2))}, "other shapes"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused(name: str, tmp_path: Path) -> None:
    arrays, reason = BROKEN[name]
    Inside(arrays, {}).write(tmp_path)
    with pytest.raises(RunError, match=reason) as error:
        load_inside(tmp_path)
    assert isinstance(error.value, UserError)
    assert str(tmp_path) in str(error.value)


def test_numbers_have_their_significant_digits() -> None:
    assert measured(0.92957, 0.0331) == "0.930 ± 0.033"
    assert measured(-14.5951, 0.17) == "\u221214.60 ± 0.17"
    assert measured(0.0, 0.0) == "0.000 ± 0.000"
    assert measured(123.4, 20.0) == "123 ± 20"
