"""Linear systems: the estimate of the Kalman filter, and a hidden parameter by its likelihood."""

from dataclasses import replace

import numpy as np
import pytest
from problems import problem

from simulators import Advection, Conduction, Diffusion, Distribution, Heat, Lorenz, Wave
from sirve.data.observe import Channels
from sirve.errors import UserError
from sirve.limit import compute
from sirve.limit.dense import Dense, is_linear
from sirve.limit.linear import estimates, fit
from sirve.limit.modal import Modal
from sirve.limit.problem import Problem

LINE = Diffusion(size=(16,), waves=4, diffusivity=2e-3)
HIDDEN = {"diffusivity": Distribution("uniform", (1e-3, 3e-3))}


def kalman(p: Problem, frames: int) -> np.ndarray:
    """Return the filtered last states of the window, by the textbook's recursion."""
    model = Dense(p, frames)
    size = int(np.prod(p.info.shape))
    columns = model.prior.columns.reshape(-1, size)
    mean = np.tile(model.prior.mean.ravel(), (len(p.seen), 1))
    covariance, step = columns.T @ columns, p.times(2, 0)
    unit = np.eye(size).reshape(size, *p.info.shape)
    matrix = p.family.sim.solve(unit, step)[:, 1].reshape(size, size).T
    noise = np.eye(size) * p.sigma.ravel()[0] ** 2
    for k in range(frames):
        if k:
            mean, covariance = mean @ matrix.T, matrix @ covariance @ matrix.T
        gain = covariance @ np.linalg.inv(covariance + noise)
        y = p.seen[:, p.context - frames + k].reshape(len(mean), -1)
        mean = mean + (y - mean) @ gain.T
        covariance = covariance - gain @ covariance
    return mean


@pytest.mark.parametrize("sim", [LINE, Advection(size=(16,), waves=4)], ids=["decays", "travels"])
@pytest.mark.parametrize("frames", [1, 5])
def test_the_estimate_is_that_of_the_kalman_filter(sim: Diffusion, frames: int) -> None:
    p = problem(sim, 1.0)
    found = fit(p, frames)
    last = sim.solve(found.states, p.times(frames, 0))[:, -1].reshape(len(p.seen), -1)
    np.testing.assert_allclose(last, kalman(p, frames), atol=1e-9)


SYSTEMS = {
    "heat": Heat(size=(8, 8)),
    "dirichlet": Heat(size=(8, 8), boundary="dirichlet"),
    "wave": Wave(size=(8, 8)),
    "periodic": Wave(size=(8, 8), boundary="periodic"),
    "line": LINE,
}


@pytest.mark.parametrize("name", SYSTEMS)
@pytest.mark.parametrize("channels", [None, 1], ids=["all", "one"])
def test_mode_by_mode_is_the_same(name: str, channels: int | None) -> None:
    sim = SYSTEMS[name]
    names = None if channels is None else [sim.channels[0].name]
    p = problem(sim, 0.5, observe=Channels(channels=names))
    modal, dense = Modal(p, 4), Dense(p, 4)
    assert modal.applies()
    for row in range(2):
        (z, loss), (z_dense, loss_dense) = modal.at((), row), dense.at((), row)
        np.testing.assert_allclose(z, z_dense, atol=1e-7)
        np.testing.assert_allclose(loss, loss_dense, rtol=1e-9)


@pytest.mark.parametrize("sim", [Conduction(size=(8, 8)), Advection(size=(16,), waves=4)])
def test_modes_that_mix_are_estimated_together(sim: Conduction) -> None:
    p = problem(sim, 0.5)
    assert is_linear(p) and type(estimates(p, 3)) is Dense
    assert 0.7 < compute(p, [8]).chi2[0] < 1.1


def test_hidden_cells_are_left_out() -> None:
    p = problem(LINE, 1.0)
    seen = p.seen.copy()
    seen[:, 3:5, :, 4:9] = np.nan
    hidden = replace(p, seen=seen)
    wild = np.where(np.isnan(seen), 1e3, seen)
    assert np.abs(fit(hidden, 8).states - fit(p, 8).states).max() < 0.5
    assert np.abs(fit(replace(p, seen=wild), 8).states - fit(p, 8).states).max() > 1


def test_a_hidden_parameter_is_found_the_better_the_more_is_seen() -> None:
    errors = []
    for noise, context in ((0.3, 4), (0.1, 12), (1e-3, 12)):
        p = problem(LINE, 1.0, noise=noise, context=context, draws=HIDDEN)
        truth = problem(
            LINE,
            1.0,
            noise=noise,
            context=context,
            draws=HIDDEN,
            observe=Channels(parameters=["diffusivity"]),
        ).parameters["diffusivity"]
        found = fit(p, context)
        errors.append(np.sqrt(((found.hidden["diffusivity"][found.best] - truth) ** 2).mean()))
    assert errors[0] > errors[1] > 10 * errors[2]
    assert errors[2] < 2e-5


def test_a_told_parameter_is_better_than_a_hidden_one() -> None:
    told = problem(LINE, 1.0, draws=HIDDEN, observe=Channels(parameters=["diffusivity"]))
    hidden = problem(LINE, 1.0, draws=HIDDEN)
    assert compute(told, [2]).nrmse[0, -1] < compute(hidden, [2]).nrmse[0, -1]


def test_a_nonlinear_system_and_two_hidden_parameters_are_refused() -> None:
    assert not is_linear(problem(Lorenz(), 0.02))
    two = {**HIDDEN, "waves": Distribution("choice", (4.0,))}
    p = problem(LINE, 1.0)
    object.__setattr__(p.family, "draws", two)
    with pytest.raises(UserError, match="fits one parameter; give the others"):
        fit(p, 2)
