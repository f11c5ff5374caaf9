"""The integrator: it raises early, and a batch is as accurate as its trajectories alone."""

import time
from collections.abc import Callable

import numpy as np
import pytest

from simulators import SimulationError
from simulators.ode import integrate

METHODS = ("RK45", "DOP853", "Radau", "BDF", "LSODA")
T = np.linspace(0.0, 2.0, 5)


def nan_at_the_start(t: float, x: np.ndarray) -> np.ndarray:
    return x * np.nan


def nan_later(t: float, x: np.ndarray) -> np.ndarray:
    return -x if t < 0.5 else x * np.nan


def blow_up(t: float, x: np.ndarray) -> np.ndarray:
    """x' = x^2 from 1 is infinite at t = 1."""
    return x**2


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("rhs", [nan_at_the_start, nan_later, blow_up])
@pytest.mark.parametrize("method", METHODS)
def test_failures_are_raised(method: str, rhs: Callable[..., np.ndarray], batch: int) -> None:
    """SciPy itself hangs on some of these and returns short arrays for others."""
    begin = time.perf_counter()
    x0 = np.ones((batch, 1))
    x0[-1] = 1.1  # the first to blow up
    with pytest.raises(SimulationError, match=r"t=[0-9.]+") as found:
        integrate(rhs, x0, T, 1e-8, 1e-8, method=method)
    assert found.value.trajectory == (batch - 1 if rhs is blow_up else 0)
    assert time.perf_counter() - begin < 60


@pytest.mark.parametrize("method", METHODS)
def test_budget_of_evaluations(method: str) -> None:
    """There are never more calls than allowed, and a sufficient budget is no error."""
    calls = 0

    def rhs(t: float, x: np.ndarray) -> np.ndarray:
        nonlocal calls
        calls += 1
        return np.stack([x[1], -x[0]])

    x0 = np.array([[1.0, 0.0]])
    with pytest.raises(SimulationError, match="more than 50 evaluations"):
        integrate(rhs, x0, np.array([0.0, 100.0]), 1e-8, 1e-8, method=method, max_evaluations=50)
    assert calls == 50
    calls = 0
    integrate(rhs, x0, np.array([0.0, 1.0]), 1e-6, 1e-6, method=method)
    needed, calls = calls, 0
    integrate(rhs, x0, np.array([0.0, 1.0]), 1e-6, 1e-6, method=method, max_evaluations=needed)
    assert calls == needed


@pytest.mark.parametrize("method", METHODS)
def test_a_finite_problem_is_solved(method: str) -> None:
    """x' = -k x + t with a rate per trajectory, from a time that is not zero."""
    rates = np.array([0.5, 1.0, 3.0])
    t = np.linspace(1.0, 3.0, 9)
    x0 = np.array([[1.0], [-2.0], [0.5]])
    x = integrate(lambda s, x: s - rates * x, x0, t, 1e-8, 1e-8, method=method)
    special = t[None] / rates[:, None] - 1 / rates[:, None] ** 2
    free = (x0 - special[:, :1]) * np.exp(-rates[:, None] * (t - 1.0))
    assert x.shape == (3, 9, 1)
    assert np.abs(x[..., 0] - (special + free)).max() <= 1e-6


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_non_finite_initial_state(bad: float) -> None:
    with pytest.raises(SimulationError, match="initial state is not finite"):
        integrate(lambda t, x: -x, np.array([[1.0], [bad]]), T, 1e-8, 1e-8)


def test_a_single_time_returns_the_initial_state() -> None:
    x0 = np.array([[1.0, 2.0]])
    x = integrate(lambda t, x: -x, x0, np.array([3.0]), 1e-8, 1e-8)
    np.testing.assert_array_equal(x, x0[:, None])
    x[:] = 0.0
    assert x0[0, 1] == 2.0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("others", [63, 255])
def test_a_hard_trajectory_is_as_accurate_in_a_batch(others: int, method: str) -> None:
    """One fast rotation among trajectories at rest, as accurate as alone.

    At rest they add nothing to SciPy's mean square over the whole state, which would grant the
    fast one sqrt(B), 8 or 16, times its error.
    """
    rate = 10.0

    def rhs(t: float, x: np.ndarray) -> np.ndarray:
        return rate * np.stack([-x[1], x[0]])

    def error(others: int) -> float:
        x0 = np.zeros((1 + others, 2))
        x0[0, 0] = 1.0
        x = integrate(rhs, x0, T, 1e-7, 1e-7, method=method)[0]
        exact = np.stack([np.cos(rate * T), np.sin(rate * T)], axis=1)
        return float(np.abs(x - exact).max())

    assert error(others) <= 1.1 * error(0)


@pytest.mark.parametrize("method", ["RK45", "DOP853", "LSODA"])
def test_a_batch_of_copies_takes_the_steps_of_one(method: str) -> None:
    """A higher accuracy than required would cost time."""

    def evaluations(batch: int) -> int:
        calls = 0

        def rhs(t: float, x: np.ndarray) -> np.ndarray:
            nonlocal calls
            calls += 1
            return np.stack([x[1], (1 - x[0] ** 2) * x[1] - x[0]])

        integrate(rhs, np.tile([[2.0, 0.0]], (batch, 1)), T, 1e-9, 1e-9, method=method)
        return calls

    assert evaluations(64) == pytest.approx(evaluations(1), rel=0.02)
