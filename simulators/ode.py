"""Integration of a block of trajectories as one system of ordinary differential equations."""

from collections.abc import Callable
from math import isfinite
from typing import Any

import numpy as np
from scipy.integrate import DOP853, RK45, solve_ivp

from simulators.base import SimulationError

Rhs = Callable[[float, np.ndarray], np.ndarray]

METHODS = ("RK45", "DOP853", "Radau", "BDF", "LSODA")
_SMALLEST_RTOL = 2.3e-14  # SciPy clips below 100 eps, with a warning


def other(method: str) -> str:
    """A method of another family, to check one against: multistep for Runge-Kutta and back."""
    return "DOP853" if method in ("LSODA", "BDF") else "LSODA"


class _Block:
    """A Runge-Kutta method of SciPy whose step suits the worst of ``batch`` trajectories.

    SciPy's own error norm is a mean over the whole state, the block. Here it is taken of each
    trajectory, and then the largest: each is as accurate as alone, whatever is beside it.
    """

    def __init__(self, *args: Any, batch: int, **options: Any) -> None:
        self.batch = batch
        super().__init__(*args, **options)

    def mean_squares(self, error: np.ndarray) -> np.ndarray:
        """Of each trajectory, (B,)."""
        return np.square(error).reshape(-1, self.batch).mean(0)


class _RK45(_Block, RK45):
    def _estimate_error_norm(self, K: np.ndarray, h: float, scale: np.ndarray) -> float:
        return np.sqrt(self.mean_squares(self._estimate_error(K, h) / scale).max())


class _DOP853(_Block, DOP853):
    def _estimate_error_norm(self, K: np.ndarray, h: float, scale: np.ndarray) -> float:
        fifth = self.mean_squares(np.dot(K.T, self.E5) / scale)
        third = self.mean_squares(np.dot(K.T, self.E3) / scale)
        both = np.maximum(fifth + 0.01 * third, np.finfo(float).tiny)  # zero at rest
        return np.abs(h) * (fifth / np.sqrt(both)).max()


def integrate(
    rhs: Rhs,
    x0: np.ndarray,
    t: np.ndarray,
    rtol: float,
    atol: float,
    method: str = "DOP853",
    max_evaluations: int = 1_000_000,
) -> np.ndarray:
    """Integrate dx/dt = rhs(t, x) for B states at once.

    ``rhs`` maps (t, x) with x of shape (D, B) to (D, B). ``x0`` is (B, D), the result (B, T, D).

    The step is shared by the block, and suits its worst trajectory: in RK45 and DOP853 by their
    norm (``_Block``), in LSODA by its own, a maximum. Radau and BDF take a mean over the block, in
    which one stiff trajectory among B gentle ones could err sqrt(B) times the tolerance: theirs is
    divided by sqrt(B). SciPy's ``success`` proves nothing (a NaN in the right-hand side hangs it,
    a blow-up returns fewer rows), so finiteness, length and work are checked here.

    Raises SimulationError naming the time reached.
    """
    batch, dim = x0.shape
    share = np.sqrt(batch) if method in ("Radau", "BDF") else 1.0
    block = {"RK45": _RK45, "DOP853": _DOP853}.get(method)
    evaluations = 0

    def flat(time: float, y: np.ndarray) -> np.ndarray:
        nonlocal evaluations
        evaluations += 1
        if evaluations > max_evaluations:
            raise SimulationError(f"more than {max_evaluations} evaluations at t={time:g}")
        dy = rhs(time, y.reshape(dim, batch)).ravel()
        if not isfinite(dy @ dy):  # cheap; what overflows by its square alone may pass
            finite = np.isfinite(dy).reshape(dim, batch).all(0)
            if not finite.all():
                raise SimulationError(
                    f"the right-hand side is not finite at t={time:g}", int(np.argmin(finite))
                )
        return dy

    if not np.isfinite(x0).all():
        raise SimulationError("the initial state is not finite")
    if len(t) == 1:  # nothing to integrate, for which SciPy returns no array
        return x0[:, None].copy()
    with np.errstate(all="ignore"):  # the checks above and below say it better than a warning
        solution = solve_ivp(
            flat,
            (t[0], t[-1]),
            x0.T.ravel(),
            method=block or method,
            t_eval=t,
            rtol=max(rtol / share, _SMALLEST_RTOL),
            atol=atol / share,
            **({"batch": batch} if block else {}),
        )
    if not solution.success or solution.y.shape[1] != len(t):
        reached = solution.t[-1] if len(solution.t) else t[0]
        raise SimulationError(
            f"integration stopped at t={reached:g} of {t[-1]:g}: {solution.message}"
        )
    return solution.y.reshape(dim, batch, len(t)).transpose(1, 2, 0)
