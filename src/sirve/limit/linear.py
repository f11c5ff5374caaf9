"""The limit of linear systems: the exact state, and a hidden parameter by its likelihood."""

import numpy as np

from sirve.errors import UserError
from sirve.limit.dense import Dense
from sirve.limit.fit import Fit
from sirve.limit.modal import Modal
from sirve.limit.problem import Problem

GRID = 33  # least number of values of a hidden parameter that are tried
ROUNDS = 20  # of refinement, at most
NODES = 13  # over three standard deviations to each side of the best value
KEPT = 1e-3  # nodes of less weight are left out of a mean


def fit(problem: Problem, frames: int) -> Fit:
    """Fit the state at the first of the last ``frames`` states, and a hidden parameter.

    The parameter is searched on a grid, then refined by parabolas; the mean is over its posterior.
    Raises UserError for two hidden parameters.
    """
    if len(problem.hidden) > 1:
        names = ", ".join(problem.hidden)
        raise UserError(
            f"limit: {names} are hidden, and the limit of a linear system fits one parameter; give "
            "the others by observe.parameters"
        )
    model, n = estimates(problem, frames), len(problem.seen)
    if not problem.hidden:
        exact = np.stack([model.at((), row)[0] for row in range(n)])
        return Fit.of(model.prior.states(exact), 0, {})
    ((name, draw),) = problem.hidden.items()
    nodes = np.array(sorted(set(draw.values)))
    if draw.kind != "choice":
        nodes = np.linspace(nodes[0], nodes[-1], GRID + 4 * frames)
    table = np.array([model.losses((value,)) for value in nodes.tolist()])
    z: list[np.ndarray] = []
    values: list[float] = []
    weights: list[float] = []
    owner: list[int] = []
    best: list[int] = []
    for row in range(n):
        own, losses = nodes, table[:, row]
        if draw.kind != "choice":
            own, losses = _refined(model, row, nodes, losses)
        weight = np.exp((losses.min() - losses) / 2)
        if draw.kind != "choice":
            weight *= np.gradient(own)
        keep = np.flatnonzero(weight > KEPT * weight.max())
        best.append(len(owner) + int(np.argmin(losses[keep])))
        z += [model.at((float(own[i]),), row)[0] for i in keep]
        values += own[keep].tolist()
        weights += (weight[keep] / weight[keep].sum()).tolist()
        owner += [row] * len(keep)
    return Fit(
        model.prior.states(np.array(z)),
        np.array(owner),
        np.array(best),
        np.array(weights),
        {name: np.array(values)},
    )


def estimates(problem: Problem, frames: int) -> Dense:
    """Return the estimates of a window: mode by mode where that is exact, which is faster."""
    modal = Modal(problem, frames)
    return modal if modal.applies() else Dense(problem, frames)


def _refined(
    model: Dense, row: int, grid: np.ndarray, losses: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the grid and its losses, with nodes around the minimum at the width of its peak."""
    low, high, h = grid[0], grid[-1], grid[1] - grid[0]
    middle = float(grid[np.argmin(losses)])
    cache: dict[float, float] = dict(zip(grid.tolist(), losses.tolist(), strict=True))

    def loss(value: float) -> float:
        if value not in cache:
            cache[value] = model.at((value,), row)[1]
        return cache[value]

    for _ in range(ROUNDS):
        middle = float(np.clip(middle, low + h, high - h))
        below, here, above = loss(middle - h), loss(middle), loss(middle + h)
        curvature = (above - 2 * here + below) / h**2
        if curvature <= 0:
            middle = middle - h if below < above else middle + h
            continue
        shift = float(np.clip((below - above) / (2 * h * curvature), -h, h))
        width = float(np.sqrt(2 / curvature))
        middle += shift
        if h <= 2 * width and abs(shift) < width / 10:
            break
        h = float(np.clip(width, h / 10, h))
    else:
        width = h
    for offset in np.linspace(-3, 3, NODES):
        loss(float(np.clip(middle + offset * width, low, high)))
    found = np.array(sorted(cache.items()))
    return found[:, 0], found[:, 1]
