"""The forecaster: physical units outside, the same forecast after loading, the solver as a core."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support import VECTORS, members, model_node, on_frames
from torch import Tensor

import sirve
from simulators import Family, Heat, Lorenz, Pendulum, Simulator
from sirve import metrics
from sirve.cores import Core, Polynomial
from sirve.cores.base import Zero
from sirve.data.simulated.recipe import describe
from sirve.errors import UserError
from sirve.forecasting.checkpoint import save
from sirve.forecasting.forecaster import Forecaster
from sirve.forecasting.normaliser import Normaliser
from sirve.io import checkpoints
from sirve.io.instantiate import build
from sirve.metrics.validation import log_error

SYSTEMS: dict[str, tuple[Simulator, float]] = {
    "lorenz": (Lorenz(), 0.02),
    "pendulum": (Pendulum(), 0.1),
    "driven": (Pendulum(method="DOP853"), 0.1),
    "heat": (Heat(size=(8, 7)), 1.0),
}


@cache
def states(sim: Simulator, dt: float, n: int = 4, count: int = 60) -> np.ndarray:
    return sim.simulate([np.random.default_rng(i) for i in range(n)], dt, count)


def forecaster_of(model: str, system: str) -> Forecaster:
    sim, dt = SYSTEMS[system]
    node = model_node(model)
    info = describe(system, Family(sim), dt)
    torch.manual_seed(0)
    core = build(node, Core, place="model", shape=info.shape, boundary=info.boundary)
    small = 0.002 if isinstance(core, Polynomial) else 0.05  # larger ones run away
    for parameter in core.parameters():
        torch.nn.init.normal_(parameter, std=small)
    x = states(sim, dt)
    axes = tuple(i for i in range(x.ndim) if i != 2)
    normaliser = Normaliser(x.mean(axes), x.std(axes), len(info.shape) - 1)
    return Forecaster(core, normaliser, node, info, x.std(axes).tolist()).eval()


class SolverCore(Core):
    """Calls the simulator for one step; its state is the physical one, so no rounding comes in."""

    def __init__(self, sim: Simulator, dt: float, normaliser: Normaliser) -> None:
        super().__init__(sim.shape, residual=False)
        self.sim, self.dt, self.normaliser, self.readout = sim, dt, normaliser, Zero()

    def features(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        return x, state

    def forward(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        now = self.normaliser.back(x).flatten(0, 1).numpy()
        following = self.sim.trajectories(now, np.array([0, self.dt]))[:, 1]
        return self.normaliser(torch.as_tensor(following).reshape(x.shape)), state


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_simulator_as_a_core_scores_its_own_error(system: str) -> None:
    """Over one unit of time to 1e-9; alignment by one step would show as an error of order 1e-2."""
    sim, dt = SYSTEMS[system]
    plain = forecaster_of("persistence", system)
    steps = max(2, round(min(plain.info.unit, 3.0) / dt))
    x = states(sim, dt, count=5 + steps)
    core = SolverCore(sim, dt, plain.normaliser).double()
    forecaster = Forecaster(core, plain.normaliser, {}, plain.info, plain.std)
    future = forecaster.forecast(x[:, :5], steps)
    error = metrics.normalised_error(x[:, 5:], future, np.asarray(plain.std))
    assert error.max() < 1e-9
    shifted = metrics.normalised_error(x[:, 4:-1], future, np.asarray(plain.std))
    assert shifted.max() > 1e-3


def fitting() -> list[tuple[str, str]]:
    return [
        (model, system)
        for model in members("model")
        for system in ("lorenz", "heat")
        if not (on_frames(model) and system == "lorenz")
        and not (model in VECTORS and system == "heat")
    ]


@pytest.mark.parametrize(("model", "system"), fitting())
def test_saved_and_loaded_it_gives_the_same_forecast(
    model: str, system: str, tmp_path: Path
) -> None:
    sim, dt = SYSTEMS[system]
    before, context = forecaster_of(model, system), states(sim, dt, count=7)
    save(before, tmp_path / "checkpoints" / "best.ckpt")
    torch.load(tmp_path / "checkpoints" / "best.ckpt", weights_only=True)
    after = sirve.load(tmp_path)
    assert np.array_equal(after.forecast(context, 9), before.forecast(context, 9))
    assert after.info == before.info
    assert not after.training


@pytest.mark.parametrize("system", ["lorenz", "heat"])
def test_kinds_of_arrays(system: str) -> None:
    sim, dt = SYSTEMS[system]
    forecaster, x = forecaster_of("linear", system), states(sim, dt, count=6)
    future = forecaster.forecast(x, 5)
    assert future.shape == (4, 5, *sim.shape)
    assert future.dtype == np.float64
    assert forecaster.forecast(x.astype(np.float32), 5).dtype == np.float32
    as_tensor = forecaster.forecast(torch.as_tensor(x), 5)
    assert isinstance(as_tensor, Tensor)
    assert np.array_equal(as_tensor.numpy(), future)
    one = forecaster.forecast(x[1], 5)
    np.testing.assert_allclose(one, future[1], rtol=1e-5, atol=1e-5)
    assert forecaster.forecast(x[:, -1:], 1).shape == (4, 1, *sim.shape)


@pytest.mark.parametrize(
    ("context", "steps", "reason"),
    [
        (np.zeros(3), 5, "context has shape"),
        (np.zeros((5, 2)), 5, r"give \(c, 3\) or a batch of it, c >= 1, channels x, y, z"),
        (np.zeros((0, 3)), 5, "context has shape"),
        (np.zeros((2, 5, 3, 1)), 5, "context has shape"),
        (np.full((5, 3), np.nan), 5, "not finite"),
        (np.zeros((5, 3)), 0, "steps=0 must be at least 1"),
    ],
)
def test_wrong_contexts_are_refused(context: np.ndarray, steps: int, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        forecaster_of("gru", "lorenz").forecast(context, steps)


def test_a_constant_channel_is_its_mean() -> None:
    normaliser = Normaliser(np.array([2.0, 0.0]), np.array([0.0, 1.0]), 0)
    x = torch.tensor([[2.0, 1.0]], dtype=torch.float64)
    assert torch.equal(normaliser(x), torch.tensor([[0.0, 1.0]], dtype=torch.float64))
    assert torch.equal(normaliser.back(normaliser(x)), x)


def test_log_error_is_finite_and_bounded_for_any_forecast() -> None:
    assert log_error(np.full((2, 3), np.inf)) == 1
    assert log_error(np.zeros((2, 3))) == -12


def test_a_foreign_checkpoint_is_refused(tmp_path: Path) -> None:
    checkpoints.save({"state_dict": {}}, tmp_path / "other.ckpt")
    with pytest.raises(UserError, match="not a checkpoint of sirve"):
        sirve.load(tmp_path / "other.ckpt")


def test_a_checkpoint_from_an_untrusted_package_is_refused(tmp_path: Path) -> None:
    forecaster = forecaster_of("gru", "lorenz")
    forecaster.model_config = {**forecaster.model_config, "_target_": "evil.Core"}
    save(forecaster, tmp_path / "evil.ckpt")
    with pytest.raises(UserError, match=r"evil.Core is outside the trusted packages"):
        sirve.load(tmp_path / "evil.ckpt")


def test_info_survives_plain_types() -> None:
    info = forecaster_of("persistence", "heat").info
    assert type(info).of(info.plain()) == info
    assert replace(info, dt=2.0) != info
