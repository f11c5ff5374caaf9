"""Integration of a batch of trajectories as one system of ordinary differential equations."""

from collections.abc import Callable
from functools import partial
from math import isfinite
from typing import Any

import numpy as np
from scipy.integrate import BDF, DOP853, LSODA, RK45, OdeSolver, Radau
from scipy.sparse import identity, kron

from simulators.base import SimulationError

Rhs = Callable[[float, np.ndarray], np.ndarray]

METHODS = ("RK45", "DOP853", "Radau", "BDF", "LSODA")
_SMALLEST_RTOL = 2.3e-14  # SciPy clips below 100 eps, with a warning
_TINY = np.finfo(float).tiny


def reference_method(method: str) -> str:
    """Return a method of another family: multistep for one-step methods, Runge-Kutta for others."""
    return "DOP853" if method in ("LSODA", "BDF") else "LSODA"


class _Block:
    """A Runge-Kutta method of SciPy whose step suits the worst of ``batch`` trajectories.

    SciPy's error norm is a mean over the whole state, here the batch. This class takes the norm of
    each trajectory and then the largest, so each trajectory is as accurate as if it were alone.
    """

    def __init__(self, *args: Any, batch: int, **options: Any) -> None:
        self.batch = batch
        super().__init__(*args, **options)

    def mean_square(self, error: np.ndarray) -> np.ndarray:
        """Return the mean square of each trajectory, (..., B), from (..., D B)."""
        each = error.reshape(*error.shape[:-1], -1, self.batch)
        return np.einsum("...db,...db->...b", each, each) / each.shape[-2]


class _RK45(_Block, RK45):
    def _estimate_error_norm(self, K: np.ndarray, h: float, scale: np.ndarray) -> float:
        return np.sqrt(self.mean_square(self._estimate_error(K, h) / scale).max())


class _DOP853(_Block, DOP853):
    E = np.stack([DOP853.E5, DOP853.E3])

    def _estimate_error_norm(self, K: np.ndarray, h: float, scale: np.ndarray) -> float:
        fifth, third = self.mean_square(np.dot(self.E, K) / scale)
        both = np.maximum(fifth + 0.01 * third, _TINY)  # zero at rest
        return np.abs(h) * (fifth / np.sqrt(both)).max()


def _solver(method: str, dim: int, batch: int) -> Callable[..., OdeSolver]:
    """Return the constructor of SciPy's solver for a batch."""
    if method == "RK45":
        return partial(_RK45, batch=batch)
    if method == "DOP853":
        return partial(_DOP853, batch=batch)
    if method == "LSODA":
        return LSODA
    # Trajectories are independent of each other.
    pattern = kron(np.ones((dim, dim)), identity(batch), format="csc")
    return partial({"Radau": Radau, "BDF": BDF}[method], jac_sparsity=pattern)


def _flat(rhs: Rhs, dim: int, batch: int, max_evaluations: int) -> Rhs:
    """Return ``rhs`` for the batch as one long state; it raises where SciPy would hang."""
    evaluations, dy = 0, np.zeros(dim * batch)

    def flat(time: float, y: np.ndarray) -> np.ndarray:
        nonlocal evaluations, dy
        evaluations += 1
        if evaluations > max_evaluations:
            raise SimulationError(
                f"more than {max_evaluations} evaluations at t={time:g}", _fastest(dy, batch)
            )
        dy = rhs(time, y.reshape(dim, batch)).ravel()
        if not isfinite(dy.dot(dy)):  # a cheap test first: only the square may overflow
            finite = np.isfinite(dy).reshape(dim, batch).all(0)
            if not finite.all():
                raise SimulationError(
                    f"the right-hand side is not finite at t={time:g}", int(np.argmin(finite))
                )
        return dy

    return flat


def _fastest(dy: np.ndarray, batch: int) -> int:
    """Return the trajectory whose state changes fastest: the likely cause of a failure."""
    return int(np.argmax(np.abs(dy).reshape(-1, batch).max(0)))


def integrate(
    rhs: Rhs,
    x0: np.ndarray,
    t: np.ndarray,
    rtol: float,
    atol: float,
    method: str = "DOP853",
    max_evaluations: int = 1_000_000,
) -> np.ndarray:
    """Integrate dx/dt = rhs(t, x) for a batch of B states.

    All trajectories share one step, which suits the worst of them: RK45 and DOP853 take the largest
    error norm of a trajectory (``_Block``), LSODA the largest error. Radau and BDF take a mean over
    the batch, in which one stiff trajectory could err by sqrt(B) times the tolerance: their
    tolerances are divided by sqrt(B). SciPy hangs at a NaN of the right-hand side and has no limit
    on its work, so both are checked at each evaluation (``_flat``).

    Args:
        rhs: function of the time and of x (D, B) that returns dx/dt (D, B).
        x0: states (B, D) at the time t[0].
        t: increasing times (T,).
        rtol: relative tolerance.
        atol: absolute tolerance, in the unit of x.
        method: one of ``METHODS``.
        max_evaluations: limit of evaluations of ``rhs``.

    Returns:
        The states (B, T, D).

    Raises:
        SimulationError: with the time at which the integration stopped.
    """
    batch, dim = x0.shape
    share = np.sqrt(batch) if method in ("Radau", "BDF") else 1.0
    if not np.isfinite(x0).all():
        raise SimulationError("the initial state is not finite")
    if len(t) == 1:  # SciPy returns no array if there is nothing to integrate
        return x0[:, None].copy()
    y = np.empty((len(t), dim * batch))
    y[0] = x0.T.ravel()
    done = 1
    with np.errstate(all="ignore"):  # the checks here report it instead
        solver = _solver(method, dim, batch)(
            _flat(rhs, dim, batch, max_evaluations),
            t[0],
            y[0].copy(),
            t[-1],
            rtol=max(rtol / share, _SMALLEST_RTOL),
            atol=atol / share,
        )
        while done < len(t):
            message = solver.step()
            if solver.status == "failed":
                slope = rhs(solver.t, solver.y.reshape(dim, batch)).ravel()
                raise SimulationError(
                    f"integration stopped at t={solver.t:g} of {t[-1]:g}: {message}",
                    _fastest(slope, batch),
                )
            reached = t.searchsorted(solver.t, side="right")
            if reached > done:
                y[done:reached] = solver.dense_output()(t[done:reached]).T
                done = reached
    return y.reshape(len(t), dim, batch).transpose(2, 0, 1)
