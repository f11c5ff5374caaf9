"""Heat with insulated boundary by the 5-point stencil, to a given error over 59 default steps."""

from itertools import pairwise
from typing import Any

import numpy as np

TRAJECTORIES, STATES, ERROR = 64, 60, 1e-8


def prepare(trajectories: int, states: int) -> dict[str, np.ndarray]:
    """Return initial states and the reference, a matrix exponential along each axis."""
    from scipy.linalg import expm

    from simulators import Heat

    sim = Heat()
    n, t = sim.size[0], np.arange(states, dtype=float)
    x0 = np.stack([sim.initial(np.random.default_rng([0, i])) for i in range(trajectories)])
    line = np.eye(n, k=1) + np.eye(n, k=-1) - 2 * np.eye(n)
    line[0, 0] = line[-1, -1] = -1
    flow = np.stack([expm(sim.diffusivity * time * line) for time in t])
    return {"x0": x0, "t": t, "reference": np.einsum("tij,bcjk,tlk->btcil", flow, x0, flow)}


def sirve() -> Any:
    from simulators import Heat

    return lambda x0, t, _: Heat().trajectories(x0, t)


def pypde() -> Any:
    """Solve by SciPy with numba, the fastest way of py-pde here; compiled for each tolerance."""
    import pde

    grid = pde.CartesianGrid([[0, 32], [0, 32]], [32, 32])
    steppers: dict[float, Any] = {}

    def one(x: np.ndarray, t: np.ndarray, tol: float) -> np.ndarray:
        state = pde.ScalarField(grid, x[0])
        if tol not in steppers:
            equation = pde.DiffusionPDE(0.5, bc={"derivative": 0})
            solver = pde.ScipySolver(equation, backend="numba", method="DOP853", rtol=tol, atol=tol)
            steppers[tol] = solver.make_stepper(state, dt=0.1)
        found = [x.copy()]
        for start, stop in pairwise(t):
            steppers[tol](state, start, stop)  # in place
            found.append(state.data[None].copy())
        return np.stack(found)

    return lambda x0, t, tol: np.stack([one(x, t, tol) for x in x0])


SOLVERS: dict[str, dict[str, Any]] = {
    "sirve": {"build": sirve},
    "py-pde DiffusionPDE, one by one": {
        "build": pypde,
        "accuracies": [3e-7, 1e-7, 1e-8],
        "needs": "pde",
        "at_most": 8,
    },
}
