"""Forecasts of chaotic systems in a file: loading, scores and search, at small sizes."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from support import ROOT, run_command

from scripts.study.chaos.bank import Bank
from scripts.study.chaos.families import FAMILIES
from scripts.study.chaos.published import load
from scripts.study.chaos.search import Family, choose, forecast
from scripts.study.chaos.table import main, statistics
from sirve.cores import GRU, LSTM, Core, EchoState, Recurrent
from sirve.forecasting.rollout import rollout
from sirve.metrics import smape

HORIZON, TUNE, TEST = 12, 140, 170
GATED = [
    {"input_scaling": 0.1, "spectral_radius": 0.3, "bias": 0.5, "time_scale": (1.05, 10.0)},
    {"input_scaling": 1.0, "spectral_radius": 0.9, "bias": 0.2, "time_scale": (1.05, 3.0)},
]
LEAKY = [
    {"input_scaling": 0.1, "spectral_radius": 0.3, "bias": 0.5, "leak": 0.3},
    {"input_scaling": 1.0, "spectral_radius": 0.9, "bias": 0.2, "leak": 1.0},
]


def oscillation(points: int, period: float, phase: float = 0.0) -> np.ndarray:
    """The autoregressive process x_t = 2 cos(w) x_{t-1} - x_{t-2}, w = 2 pi / period."""
    x = [np.cos(phase), np.cos(phase + 2 * np.pi / period)]
    while len(x) < points:
        x.append(2 * np.cos(2 * np.pi / period) * x[-1] - x[-2])
    return np.array(x)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    test = np.stack([3 + oscillation(TEST, period, 1.0) for period in (17.3, 29.1)])
    prediction = test[:, None, -HORIZON:] + rng.normal(size=(2, 3, HORIZON))
    stored = np.empty((2, 3))
    for i, j in np.ndindex(2, 3):
        pairs = zip(prediction[i, j, :-1], test[i, -HORIZON:-1], strict=True)
        stored[i, j] = sum(200 * abs(p - y) / (abs(p) + abs(y)) for p, y in pairs) / (HORIZON - 1)
    path = tmp_path / "series.h5"
    with h5py.File(path, "w") as h5:
        h5["name"], h5["model"] = ["One", "Two"], ["NBEATSModel", "ARIMA", "Mean"]
        h5["tune"] = np.stack([3 + oscillation(TUNE, period) for period in (17.3, 29.1)])
        h5["test"], h5["prediction"], h5["smape"] = test, prediction, stored
    return path


def test_rehearsal_uses_the_tuning_series_alone(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with h5py.File(file, "r+") as h5:
        h5["tune"][:, -HORIZON:] = 1e3  # the scored part
        h5["test"][:, :-HORIZON] = np.random.default_rng(0).normal(size=(2, TEST - HORIZON))
    options = ["--seeds", "1", "--models", "esn", "--workers", "1", "--rehearse"]
    assert main([str(file), *options]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])["median_smape"]
    assert list(found) == ["esn", "esn, 3 settings"]
    assert found["esn"] > 190  # the scored part is used for neither choice nor fit


def test_stored_scores_are_reproduced(file: Path) -> None:
    published = load(file)
    np.testing.assert_allclose(published.scores(), published.smape, rtol=0, atol=1e-9)
    assert published.past.shape == (2, TEST - HORIZON)
    assert published.truth.shape == (2, HORIZON - 1)  # the last step is not scored
    assert published.names == ["One", "Two"]


def test_table_and_last_line(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved = file.with_suffix(".json")
    options = ["--seeds", "2", "--models", "esn", "--workers", "1", "--json", str(saved)]
    assert main([str(file), *options]) == 0
    out = capsys.readouterr().out
    found = json.loads(out.splitlines()[-1])
    rows = ["esn", "esn, 3 settings", "esn, 2 draws", "NBEATS", "ARIMA", "Mean"]
    assert list(found["median_smape"]) == list(found["mean_smape"]) == rows
    assert all(f"| {name} |" in out for name in rows)
    assert found["rescoring_difference"] < 1e-9
    assert found["median_smape"]["esn"] < 1.0
    assert found["systems"] == found["seeds"] == 2
    kept = json.loads(saved.read_text())
    assert np.shape(kept["prediction"]) == (2, 1, 2, 3, HORIZON - 1)
    own = smape(load(file).truth[:, None], np.array(kept["prediction"])[:, 0, :, 0])
    assert found["median_smape"]["esn"] == np.median(np.median(own, axis=0))
    assert [choice["system"] for choice in kept["chosen"]] == ["One"] * 6 + ["Two"] * 6


@pytest.mark.parametrize(("cell", "settings"), [(GRU(), GATED), (LSTM(), GATED), (None, LEAKY)])
def test_bank_equals_its_cores(cell: GRU | LSTM | None, settings: list[dict]) -> None:
    core: Core = Recurrent((1,), cell, 11) if cell else EchoState((1,), 11, connectivity=None)
    core = core.double()
    bank = Bank(core, 7, settings)
    x = torch.randn(20, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    phi, states = bank.features(x)
    weights = 0.1 * torch.ones(2, 1, 13, dtype=torch.float64)
    now, last = states[:, :, -1, None], x[-1].expand(2, 1)
    rolled = bank.rollout(last, now, weights, 9)
    for i, setting in enumerate(settings):
        core.init_weights(7, **setting)
        expected, _ = core.features(x[None, :, None])
        torch.testing.assert_close(phi[i, :, :-1], expected[0], rtol=1e-12, atol=1e-12)
        core.readout.assign(weights[i])
        free, _ = rollout(core, x[None, :, None], 9)
        torch.testing.assert_close(rolled[:, i, 0], free[0, -9:, 0], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", FAMILIES)
def test_autoregressive_process_is_forecast(name: str) -> None:
    """Settings are chosen on one series; the fit is to another of the process, in other units."""
    shape = EchoState((1,), 20, connectivity=None) if name == "esn" else None
    cell = GRU() if name == "gru" else LSTM()
    family = Family((shape or Recurrent((1,), cell, 20)).double(), FAMILIES[name].setting)
    tune = oscillation(200, 23.7)
    choices = choose(family, tune, 40, np.random.default_rng(0), count=8)
    past, future = np.split(5 + 2 * oscillation(260, 23.7, phase=2.0), [220])
    found = forecast(family, choices, past, 40)
    np.testing.assert_allclose(found[0], future, atol=1e-2)
    assert [choice.error for choice in choices] == sorted(choice.error for choice in choices)
    one = forecast(family, choices[1:2], past, 40)
    np.testing.assert_allclose(one[0], found[1], rtol=1e-9)  # networks are independent


def test_statistics_by_hand() -> None:
    seeds = np.array([[1.0, 2.0, 9.0, np.nan], [3.0, 4.0, 5.0, 6.0], [0.0, 7.0, 8.0, 9.0]])
    found = statistics(seeds)
    assert found["seeds"] == [2.0, 4.0, 7.0]
    assert (found["median"], found["mean"], found["systems"]) == (4.0, 4.0, 3)
    low, high = found["interval"]
    assert 1.0 <= low <= 4.0 <= high <= 8.0


def _replace(path: Path, name: str, value: object) -> None:
    with h5py.File(path, "r+") as h5:
        del h5[name]
        if value is not None:
            h5[name] = value


BAD = np.full((2, TUNE), np.nan)
REFUSED = {
    "no dataset": ("smape", None, "no dataset 'smape'"),
    "other axes": ("tune", np.zeros((2, TUNE, 1)), "is not (systems, tune points)"),
    "no text": ("name", [1, 2], "'name' does not hold text"),
    "no numbers": ("tune", [["a"]], "'tune' does not hold plain numbers"),
    "another count": ("test", np.ones((3, TEST)), "'test' has 3 systems and 'name' 2"),
    "too short": ("tune", np.ones((2, 90)), "too few to forecast 12 steps; give 124 or more"),
    "not a number": ("tune", BAD, "'tune' of 'One' is nan at point 0"),
    "constant": ("test", np.ones((2, TEST)), "'test' of 'One' is constant"),
    "one step": ("prediction", np.ones((2, 3, 1)), "leaves no step to score"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_unusable_file_is_refused_in_one_line(
    case: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, value, message = REFUSED[case]
    _replace(file, name, value)
    assert main([str(file)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_benchmark_command_refuses_a_missing_file(tmp_path: Path) -> None:
    done = run_command([str(ROOT / "scripts" / "benchmark.py"), "dysts", "none.h5"], tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("none.h5 is not readable")
    assert done.stderr.count("\n") == 1


def test_series_too_short_for_a_rehearsal_is_refused(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _replace(file, "tune", np.random.default_rng(0).normal(size=(2, TUNE - 10)))
    assert main([str(file), "--rehearse"]) == 2
    assert "'tune' has 118 points a system, too few" in capsys.readouterr().err


@pytest.mark.parametrize("content", [None, b"text"])
def test_missing_or_other_file_is_refused(
    content: bytes | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "none.h5"
    if content:
        path.write_bytes(content)
    assert main([str(path)]) == 2
    error = capsys.readouterr().err
    assert str(path) in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--models", "gru,grus", "did you mean 'gru'?"),
        ("--models", "gru,gru", "names a model twice"),
        ("--seeds", "0", "is not a whole number; give 1 or more"),
        ("--workers", "two", "is not a whole number; give 1 or more"),
        ("--json", "nowhere/all.json", "make its folder first"),
    ],
)
def test_wrong_options_are_refused(
    option: str, value: str, message: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main([str(file), option, value])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err
