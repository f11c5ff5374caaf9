"""The limit of linear systems: the exact estimate of the state, by weighted least squares."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from sirve.errors import UserError
from sirve.limit.fit import Fit
from sirve.limit.prior import Prior
from sirve.limit.problem import Problem

NUMBERS = 2**24  # of states held at once
GRID = 33  # least number of values of a hidden parameter that are tried
ROUNDS = 20  # of refinement, at most
NODES = 13  # over three standard deviations to each side of the best value
KEPT = 1e-3  # nodes of less weight are left out of a mean


def is_linear(problem: Problem) -> bool:
    """Return whether fields superpose: the future of a + b - c is that of a, plus b, minus c."""
    if len(problem.info.shape) == 1 or len(problem.training) < 3:
        return False
    sim, x = problem.family.sim, problem.training[:3, 0].astype(np.float64)
    time = problem.times(problem.context, 1)[[0, -1]]
    a, b, c, together = sim.trajectories(np.concatenate([x, (x[0] + x[1] - x[2])[None]]), time)
    scale = np.abs(np.stack([a, b, c])).max()
    return bool(np.abs(together - (a + b - c)).max() <= 1e-6 * scale)


@dataclass(frozen=True)
class Estimate:
    """The estimate given the parameters: coordinates z (n, P) and -2 log p(y | parameters) (n,)."""

    z: np.ndarray
    loss: np.ndarray


class Linear:
    """Estimates from the last ``frames`` states y = base + A z + noise, z of unit variance.

    With A and y in units of the noise and z standard normal, M = A^T A + 1 gives z = M^-1 A^T y,
    the result of a Kalman smoother, and -2 log p(y) = |y|^2 - (A^T y)^T z + log det M + constant.

    Source: C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning (2006),
    eqs. 2.8 and 2.30.
    """

    def __init__(self, problem: Problem, frames: int) -> None:
        self.problem, self.frames = problem, frames
        self.prior = Prior.of(problem.near(frames), problem.info.boundary)
        self.estimate = lru_cache(maxsize=4)(self._estimate)

    def _estimate(self, values: tuple[float, ...], row: int | None) -> Estimate:
        """Estimate all starts, or one, for these values of the hidden parameters."""
        problem, prior = self.problem, self.prior
        rows = slice(None) if row is None else slice(row, row + 1)
        y = problem.seen[rows, problem.context - self.frames :]
        time = problem.times(self.frames, 0)
        x0 = np.concatenate([prior.mean[None], prior.mean + prior.columns])
        one = np.zeros(len(x0), int) + (row or 0)
        sim = problem.system(one, {n: np.full(len(x0), v) for n, v in self._named(values).items()})
        gram, known = np.eye(prior.size), np.zeros((prior.size, len(y)))
        square = np.zeros(len(y))
        block = max(1, NUMBERS // x0.size)
        for first in range(0, self.frames, block):
            part = slice(first, first + block)
            states = sim.solve(x0, np.concatenate([time[:1], time[part]]))[:, 1:]
            seen = (problem.observed(states) / problem.sigma).reshape(len(x0), -1)
            a, rest = seen[1:] - seen[0], (y[:, part] / problem.sigma).reshape(len(y), -1) - seen[0]
            gram += a @ a.T
            known += a @ rest.T
            square += (rest**2).sum(1)
        factor = cho_factor(gram)
        z = cho_solve(factor, known)
        logdet = 2 * np.log(np.diag(factor[0])).sum()
        return Estimate(z.T, square - (known * z).sum(0) + logdet)

    def _named(self, values: tuple[float, ...]) -> Mapping[str, float]:
        return dict(zip(self.problem.hidden, values, strict=True))

    @cached_property
    def _differ(self) -> bool:
        """Whether each start has a system or hidden cells of its own."""
        told = self.problem.family.draws.keys() - self.problem.hidden.keys()
        return bool(told) or not np.isfinite(self.problem.seen).all()

    def at(self, values: tuple[float, ...], row: int) -> tuple[np.ndarray, float]:
        """Return z (P,) and the loss of one start."""
        own = row if self._differ else None
        found = self.estimate(values, own)
        i = 0 if own is not None else row
        return found.z[i], float(found.loss[i])


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
    model, n = Linear(problem, frames), len(problem.seen)
    if not problem.hidden:
        exact = np.stack([model.at((), row)[0] for row in range(n)])
        return Fit.of(model.prior.states(exact), 0, {})
    ((name, draw),) = problem.hidden.items()
    nodes = np.array(sorted(set(draw.values)))
    if draw.kind != "choice":
        nodes = np.linspace(nodes[0], nodes[-1], GRID + 4 * frames)
    table = np.array([[model.at((value,), row)[1] for row in range(n)] for value in nodes])
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


def _refined(
    model: Linear, row: int, grid: np.ndarray, losses: np.ndarray
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
