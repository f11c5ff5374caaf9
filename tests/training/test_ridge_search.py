"""Closed-form fits: chosen by forecasts, bounded when perturbed, refused before any work."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support import SMALL, TWO, Command, configure, few

from simulators import Family, Lorenz
from sirve.cores import GRU, LSTM, ConvRecurrent, Linear, Recurrent
from sirve.cores.lift import images
from sirve.data.simulated.recipe import describe
from sirve.data.states import StatesInMemory
from sirve.errors import UserError
from sirve.forecasting.forecaster import Forecaster
from sirve.forecasting.normaliser import Normaliser
from sirve.io.instantiate import build
from sirve.metrics.validation import log_error
from sirve.training.fits import Fit, ReadoutSearch, Ridge, fit_for
from sirve.training.ridge_search import Search

pytestmark = pytest.mark.usefixtures("blank_reports_in_module")


@pytest.fixture(scope="module")
def lorenz() -> np.ndarray:
    sim = Lorenz()
    rng = np.random.default_rng(0)
    x0 = np.stack([sim.initial(rng) for _ in range(12)])
    start = sim.trajectories(x0, np.array([0.0, 5.0]))[:, -1]
    return sim.trajectories(start, 0.02 * np.arange(300))


def search(x: np.ndarray, plan: Ridge, core: Any = None) -> tuple[Search, dict[str, Any]]:
    core = core or Recurrent((3,), GRU(), hidden=60)
    info = describe("lorenz", Family(Lorenz()), 0.02)
    mean, std = x.mean((0, 1)), x.std((0, 1))
    core.scale.copy_(torch.as_tensor(np.diff(x, axis=1).std((0, 1)) / std))
    forecaster = Forecaster(core, Normaliser(mean, std, 0), {}, info, std.tolist())
    valid = x[8:, :20], x[8:, 20:220]
    found = Search(plan, forecaster, StatesInMemory(torch.as_tensor(x[:8])), valid, 200, seed=1)
    return found, found.run(plan.settings(core))


PLAN = Ridge(
    grid={"input_scaling": [0.1, 1.0], "spectral_radius": [0.3], "time_scale": [[1.1, 1.1]]},
    screening_size=4,
    finalists=1,
)


def test_it_forecasts_far_beyond_least_squares_on_the_state(lorenz: np.ndarray) -> None:
    found, details = search(lorenz, PLAN)
    linear, _ = search(lorenz, Ridge(), Linear((3,)))
    assert details["settings"] == 2
    assert details["stable"]
    context, truth = (torch.as_tensor(found.valid[0]), found.valid[1])
    ours = found.forecaster.errors(context, truth)
    assert log_error(ours) == pytest.approx(details["valid_log_error"], abs=1e-6)
    theirs = linear.forecaster.errors(context, truth)
    assert np.median(ours[:, 49]) < 1e-3 * np.median(theirs[:, 49])


def test_same_seed_same_bits(lorenz: np.ndarray) -> None:
    tables = [search(lorenz, PLAN)[0].forecaster.core.readout.table() for _ in range(2)]  # type: ignore[operator]
    assert torch.equal(*tables)


def test_more_ridges_and_settings_never_choose_worse(lorenz: np.ndarray) -> None:
    _, one = search(lorenz, Ridge(grid=PLAN.grid, path=(1e-8,), screening_size=8, finalists=2))
    _, more = search(
        lorenz, Ridge(grid=PLAN.grid, path=(1e-8, 1e-12, 1e-16), screening_size=8, finalists=2)
    )
    assert more["valid_log_error"] <= one["valid_log_error"] + 1e-12


def test_a_readout_that_is_unstable_gives_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """x' = A x with an eigenvalue of 1.03: the fit is exact, and no readout of it stays bounded."""
    rng = np.random.default_rng(0)
    q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    a = q @ np.diag([0.99, 0.98, 1.03]) @ q.T
    x = [rng.normal(size=(12, 3)) @ q @ np.diag([1, 1, 1e-3]) @ q.T]
    for _ in range(219):
        x.append(x[-1] @ a.T)
    _, details = search(np.stack(x, axis=1), Ridge(path=(0.0,)), Linear((3,)))
    assert not details["stable"]
    assert "stays bounded" in caplog.text


@pytest.mark.parametrize("cell", [GRU(), LSTM()])
def test_undriven_units_forget_over_the_given_time_scale(cell: Any) -> None:
    core = Recurrent((2,), cell, hidden=50).double()
    core.init_weights(3, input_scaling=0.0, spectral_radius=0.0, bias=0.0, time_scale=[2.0, 30.0])
    state = tuple(torch.ones(1, 50, dtype=torch.float64) for _ in range(cell.states))
    _, (after,) = core.features(torch.zeros(1, 2, 2, dtype=torch.float64), (state,))
    kept = after[-1][0].detach()  # of h, or of the conveyor belt
    steps = 1 / (1 - kept.sqrt())
    assert 2 <= float(steps.min()) < 4 < 15 < float(steps.max()) <= 30


def test_random_weights_have_the_given_size() -> None:
    core = Recurrent((3,), GRU(), hidden=400)
    core.init_weights(0, input_scaling=0.2, spectral_radius=0.7, bias=0.1, time_scale=[1.5, 1.5])
    (layer,) = core.layers
    assert float(layer.w.weight.detach().std()) == pytest.approx(0.2, rel=0.05)  # type: ignore[union-attr]
    for u in layer.u.weight.detach().chunk(3):  # type: ignore[union-attr, operator]
        assert float(torch.linalg.eigvals(u).abs().max()) == pytest.approx(0.7, rel=0.1)


def test_symmetric_fields_have_symmetric_features() -> None:
    core = ConvRecurrent((1, 6, 6), GRU(), "neumann", hidden=4, symmetric=True).double()
    core.init_weights(0, input_scaling=1.0, spectral_radius=0.8, bias=0.5)
    x = torch.randn(2, 3, 1, 6, 6, dtype=torch.float64)
    phi = core.features(x)[0].detach()
    for turned, expected in zip(images(x, 2), images(phi, 2), strict=True):
        torch.testing.assert_close(core.features(turned)[0].detach(), expected)


WRONG = [
    ({"grid": {"gian": [1.0]}}, "fit.grid.gian"),
    ({"grid": {"input_scaling": 1.0}}, "grid.input_scaling=1.0"),
    ({"grid": {"time_scale": [[0.5, 2.0]]}}, "time_scale=[0.5, 2.0]"),
    ({"path": [-1.0]}, "path=[-1.0]"),
    ({"noise": []}, "noise=[]"),
    ({"finalists": 0}, "finalists=0"),
    ({"screening_size": 0}, "screening_size=0"),
]


@pytest.mark.parametrize(("change", "named"), WRONG)
def test_a_wrong_setting_is_named_before_any_work(change: dict[str, Any], named: str) -> None:
    config = configure("sim=lorenz", "model=gru")["fit"] | change
    with pytest.raises(UserError) as refused:
        fit_for(Recurrent((3,), GRU(), hidden=4), build(config, Fit, place="fit"))
    assert named in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_readout_search_has_the_defaults_of_the_fits() -> None:
    names = ReadoutSearch.__dataclass_fields__
    for fit in ("ridge", "gradient_ridge", "varpro", "varpro_soap"):
        node = configure(f"fit={fit}")["fit"]
        readout = node.get("readout", node)
        given = {name: readout[name] for name in names}
        assert ReadoutSearch(**given | {"path": tuple(given["path"])}) == ReadoutSearch()


def test_gradient_ridge_keeps_the_weights_and_solves_for_the_readout(command: Command) -> None:
    """gradient_ridge forecasts better in validation than the same training alone."""
    common = ["sim=lorenz", "model=gru", "logger=none", *SMALL["lorenz"], "trainer.updates=30"]
    for fit in ("gradient", "gradient_ridge"):
        short = [option for option in few(fit) if not option.startswith("trainer.updates")]
        done = command(*common, *short, f"runs={fit}", "seed=3")
        assert done.returncode == 0, done.stderr
    files = [next(Path(f"{fit}").rglob("metrics.json")) for fit in ("gradient", "gradient_ridge")]
    alone, refitted = (json.loads(file.read_text()) for file in files)
    assert refitted["one_step"] < 0.5 * alone["one_step"]
    assert refitted["fit"]["readouts"] == 13


@pytest.mark.slow
@pytest.mark.parametrize("block", [4, 16])  # the first gives each rank one, the second one none
def test_ranks_share_the_trajectories_of_a_closed_form(
    process: Command, tmp_path: Path, block: int
) -> None:
    common = ["sim=lorenz", "model=gru", "logger=none", *SMALL["lorenz"], *few("gradient_ridge")]
    common += ["trainer.precision=64-true", "optimizer=adamw"]
    common += ["fit.path=[1e-6]", f"data.block={block}"]
    for name, more in (("one", []), ("two", TWO)):
        done = process(*common, *more, f"runs={name}")
        assert done.returncode == 0, done.stderr
    one, two = (
        json.loads(next((tmp_path / name).rglob("metrics.json")).read_text())
        for name in ("one", "two")
    )
    assert one["one_step"] == pytest.approx(two["one_step"], rel=1e-4)
