"""Integration of a block of trajectories as one system of ordinary differential equations."""

from collections.abc import Callable

import numpy as np
from scipy.integrate import solve_ivp

from simulators.base import SimulationError

Rhs = Callable[[float, np.ndarray], np.ndarray]

METHODS = ("RK45", "DOP853", "Radau", "BDF", "LSODA")
_SMALLEST_RTOL = 2.3e-14  # SciPy clips below 100 eps, with a warning


def other(method: str) -> str:
    """A method of another family, to check one against: multistep for Runge-Kutta and back."""
    return "DOP853" if method in ("LSODA", "BDF") else "LSODA"


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

    The step is shared by the block and SciPy's error norm is a mean over it, so one stiff
    trajectory among B gentle ones could err sqrt(B) times the tolerance: tolerances are divided
    by sqrt(B). SciPy's ``success`` proves nothing (a NaN in the right-hand side hangs it, a
    blow-up returns fewer rows), so finiteness, length and work are checked here.

    Raises SimulationError naming the time reached.
    """
    batch, dim = x0.shape
    share = np.sqrt(batch)
    evaluations = 0

    def flat(time: float, y: np.ndarray) -> np.ndarray:
        nonlocal evaluations
        evaluations += 1
        if evaluations > max_evaluations:
            raise SimulationError(f"more than {max_evaluations} evaluations at t={time:g}")
        dy = rhs(time, y.reshape(dim, batch))
        if not np.isfinite(dy).all():
            raise SimulationError(
                f"the right-hand side is not finite at t={time:g}",
                int(np.argmin(np.isfinite(dy).all(0))),
            )
        return dy.ravel()

    if not np.isfinite(x0).all():
        raise SimulationError("the initial state is not finite")
    if len(t) == 1:  # nothing to integrate, for which SciPy returns no array
        return x0[:, None].copy()
    with np.errstate(all="ignore"):  # the checks above and below say it better than a warning
        solution = solve_ivp(
            flat,
            (t[0], t[-1]),
            x0.T.ravel(),
            method=method,
            t_eval=t,
            rtol=max(rtol / share, _SMALLEST_RTOL),
            atol=atol / share,
        )
    if not solution.success or solution.y.shape[1] != len(t):
        reached = solution.t[-1] if len(solution.t) else t[0]
        raise SimulationError(
            f"integration stopped at t={reached:g} of {t[-1]:g}: {solution.message}"
        )
    return solution.y.reshape(dim, batch, len(t)).transpose(1, 2, 0)
