"""Lorenz, 256 trajectories of 1000 states, dt 0.02, to a given error over one Lyapunov time."""

from typing import Any

import numpy as np

TRAJECTORIES, STATES, ERROR = 256, 1000, 1e-8
TOLERANCES = [float(10.0 ** (-8 - k / 20)) for k in range(100)]


def prepare(trajectories: int, states: int) -> dict[str, np.ndarray]:
    from simulators import Lorenz

    sim = Lorenz(rtol=1e-14, atol=1e-14)
    rngs = [np.random.default_rng([0, i]) for i in range(trajectories)]
    x0, t = sim.simulate(rngs, 0.02, 1)[:, 0], 0.02 * np.arange(states)
    first = t[: 1 + int(1 / 0.9056 / 0.02)]
    return {"x0": x0, "t": t, "reference": sim.trajectories(x0, first)}


def sirve() -> Any:
    from simulators import Lorenz

    return lambda x0, t, tol: Lorenz(rtol=tol, atol=tol).trajectories(x0, t)


def one_by_one() -> Any:
    """Solve each trajectory by itself with SciPy's solve_ivp."""
    from scipy.integrate import solve_ivp

    def rhs(t: float, u: np.ndarray) -> list[float]:
        x, y, z = u
        return [10.0 * (y - x), x * (28.0 - z) - y, x * y - 8 / 3 * z]

    def one(x: np.ndarray, t: np.ndarray, tol: float) -> np.ndarray:
        return solve_ivp(rhs, (t[0], t[-1]), x, "DOP853", t_eval=t, rtol=tol, atol=tol).y.T

    return lambda x0, t, tol: np.stack([one(x, t, tol) for x in x0])


def diffrax(together: bool) -> Any:
    """Solve with separate time steps for each trajectory, or with shared ones (``together``)."""
    import diffrax
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)

    def rhs(t: Any, u: Any, _: Any) -> Any:
        x, y, z = u
        return jnp.stack([10.0 * (y - x), x * (28.0 - z) - y, x * y - 8 / 3 * z])

    def solve(u: Any, t: Any, tol: Any) -> Any:
        return diffrax.diffeqsolve(
            diffrax.ODETerm(rhs),
            diffrax.Dopri8(),
            t[0],
            t[-1],
            None,
            u,
            saveat=diffrax.SaveAt(ts=t),
            stepsize_controller=diffrax.PIDController(rtol=tol, atol=tol),
            adjoint=diffrax.ForwardMode(),
            max_steps=None,
        ).ys

    if together:
        run = jax.jit(lambda x0, t, tol: jnp.moveaxis(solve(x0.T, t, tol), -1, 0))
    else:
        run = jax.jit(jax.vmap(solve, in_axes=(0, None, None)))
    return lambda x0, t, tol: np.asarray(run(x0, t, tol))


SOLVERS: dict[str, dict[str, Any]] = {
    "sirve": {"build": sirve, "accuracies": TOLERANCES},
    "diffrax Dopri8, vmapped": {
        "build": lambda: diffrax(together=False),
        "accuracies": TOLERANCES,
        "needs": "diffrax",
    },
    "diffrax Dopri8, as one system": {
        "build": lambda: diffrax(together=True),
        "accuracies": TOLERANCES,
        "needs": "diffrax",
    },
    "SciPy DOP853, one by one": {"build": one_by_one, "accuracies": TOLERANCES, "at_most": 8},
}
