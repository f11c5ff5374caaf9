"""The limit of systems of few numbers: nonlinear least squares from the best matches in training.

Steps of Levenberg and Marquardt, all starts at once: the simulator solves a batch at little more
than the cost of one trajectory, which scipy.optimize.least_squares cannot use.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sirve.limit.fit import Fit
from sirve.limit.prior import Prior
from sirve.limit.problem import Problem, clip_to_box, trajectories

MOST = 64  # coordinates of a state and of hidden parameters, at most
TRIES = 3  # matches that a fit starts from
WINDOWS = 2048  # of training states that are compared, at most
NUMBERS = 2**23  # of a matrix of derivatives, or of the windows, at most
DIFFERENCE = 1e-4  # of finite differences, in standard deviations of the prior
GROWING, LAST, MEMBER = 6, 30, 10  # steps in a window that grows, in the whole, and of a member
FIRST = 4  # states of the first window

Residuals = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Unknowns:
    """The coordinates (B, D) of a fit: those of the state, then one for each hidden parameter."""

    problem: Problem
    prior: Prior
    frames: int

    def hidden(self, w: np.ndarray) -> dict[str, np.ndarray]:
        """Return the hidden parameters, within the range that training data have."""
        found = {}
        for j, (name, draw) in enumerate(self.problem.hidden.items(), start=self.prior.size):
            low, high = min(draw.values), max(draw.values)
            middle, std = (low + high) / 2, (high - low) / np.sqrt(12)
            found[name] = np.clip(middle + std * w[:, j], low, high)
        return found

    def of(self, x: np.ndarray, drawn: dict[str, np.ndarray]) -> np.ndarray:
        """Return the coordinates of states x (B, *shape) with these hidden parameters."""
        columns = self.prior.columns.reshape(self.prior.size, -1)
        z = (x - self.prior.mean).reshape(len(x), -1) @ np.linalg.pinv(columns)
        more = []
        for name, draw in self.problem.hidden.items():
            low, high = min(draw.values), max(draw.values)
            more.append((drawn[name] - (low + high) / 2) / ((high - low) / np.sqrt(12)))
        return np.column_stack([z, *more])

    def start(self, w: np.ndarray, rows: np.ndarray, first: float) -> np.ndarray:
        """Return possible states (B, *shape): angles on the circle, balls inside their box."""
        sim = self.problem.system(rows, self.hidden(w))
        x = clip_to_box(self.prior.states(w[:, : self.prior.size]), sim)
        return sim.solve(x, np.array([first]))[:, 0]

    def residuals(self, w: np.ndarray, rows: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return (G(w) - y) in units of the noise, (B, k m), from y (B, k, *observed shape)."""
        time = self.problem.times(self.frames, 0)[: y.shape[1]]
        sim = self.problem.system(rows, self.hidden(w))
        x0 = self.start(w, rows, float(time[0]))
        with np.errstate(all="ignore"):
            seen = self.problem.observed(trajectories(sim, x0, time))
            apart = np.where(np.isnan(y), 0.0, (seen - y) / self.problem.sigma)
            return apart.reshape(len(w), -1)


def fit(problem: Problem, frames: int, members: int, seed: int) -> Fit:
    """Fit the state at the first of the last ``frames`` states, and hidden parameters."""
    sample = problem.training.reshape(-1, *problem.training.shape[2:]).astype(np.float64)
    unknowns = Unknowns(problem, Prior.of(sample, problem.info.boundary), frames)
    matches = _matches(unknowns, frames)
    rng = np.random.default_rng([seed, frames])
    d, n = matches.shape[2], len(problem.seen)
    numbers = int(np.prod(problem.seen.shape[2:])) * frames * d * TRIES
    size = max(1, NUMBERS // numbers)
    found = [
        _fit_rows(unknowns, frames, np.arange(first, min(first + size, n)), matches, members, rng)
        for first in range(0, n, size)
    ]
    w = np.concatenate(found, axis=1).reshape(-1, d)
    rows, first = np.tile(np.arange(n), 1 + members), float(problem.times(frames, 0)[0])
    return Fit.of(unknowns.start(w, rows, first), members, unknowns.hidden(w))


def _fit_rows(
    unknowns: Unknowns,
    frames: int,
    rows: np.ndarray,
    matches: np.ndarray,
    members: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return coordinates (1 + members, B, D): the most likely ones, and those of the members."""
    problem = unknowns.problem
    y = problem.seen[rows][:, problem.context - frames :]
    many, own = np.tile(rows, TRIES), np.tile(y, (TRIES, *[1] * (y.ndim - 1)))
    w = matches[:, rows].reshape(TRIES * len(rows), -1)
    window = min(FIRST, frames)
    while True:
        steps = LAST if window == frames else GROWING
        w, cost = minimise(unknowns, many, own[:, :window], w, 0 * w, steps)
        if window == frames:
            break
        window = min(2 * window, frames)
    least = cost.reshape(TRIES, -1).argmin(0)
    best = w.reshape(TRIES, len(rows), -1)[least, np.arange(len(rows))]
    found = [best]
    for _ in range(members):
        noisy = y + problem.sigma * rng.normal(size=y.shape)
        found.append(minimise(unknowns, rows, noisy, best, rng.normal(size=best.shape), MEMBER)[0])
    return np.stack(found)


def _matches(unknowns: Unknowns, frames: int) -> np.ndarray:
    """Return the coordinates (TRIES, n, D) of the training windows nearest to each context."""
    problem = unknowns.problem
    y = problem.seen[:, problem.context - frames :]
    size = int(np.prod(y.shape[2:]))
    length = min(frames, problem.training.shape[1])
    room = max(TRIES, min(WINDOWS, NUMBERS // (size * length)))
    starts = problem.training.shape[1] - length + 1
    each = max(1, -(-room // len(problem.training)))
    trajectories_used = problem.training[: -(-room // each)]
    at = np.unique(np.linspace(0, starts - 1, min(each, starts)).astype(int))
    seen = problem.observed(trajectories_used)
    bank = np.concatenate([seen[:, i : i + length] for i in at]).astype(np.float64)
    states = np.concatenate([trajectories_used[:, i] for i in at]).astype(np.float64)
    drawn = {
        name: np.tile(problem.drawn[name][: len(trajectories_used)], len(at))
        for name in problem.hidden
    }
    flat, own = bank / problem.sigma, y[:, :length] / problem.sigma
    flat, own = flat.reshape(len(bank), -1), own.reshape(len(y), -1)
    visible = np.isfinite(own)
    distance = visible @ (flat**2).T - 2 * np.where(visible, own, 0.0) @ flat.T
    nearest = np.argsort(distance, axis=1)[:, :TRIES].T
    nearest = nearest[np.arange(TRIES) % len(nearest)]
    return unknowns.of(states, drawn)[nearest]


def minimise(
    unknowns: Unknowns,
    rows: np.ndarray,
    y: np.ndarray,
    w: np.ndarray,
    centre: np.ndarray,
    steps: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Minimise |residuals(w)|^2 + |w - centre|^2 of each row; returns w (B, D) and the cost (B,).

    Source: D. W. Marquardt, J. Soc. Ind. Appl. Math. 11 (1963) 431.
    """

    def squares(r: np.ndarray, w: np.ndarray, at: np.ndarray) -> np.ndarray:
        cost = (r**2).sum(1) + ((w - centre[at]) ** 2).sum(1)
        return np.where(np.isfinite(cost), cost, np.inf)

    w, damping = w.copy(), np.full(len(w), 1e-2)
    r = unknowns.residuals(w, rows, y)
    cost = squares(r, w, np.arange(len(w)))
    active = np.flatnonzero(np.isfinite(cost))
    for _ in range(steps):
        if not len(active):
            break
        jacobian = _jacobian(unknowns, rows[active], y[active], w[active], r[active])
        gram = jacobian @ jacobian.swapaxes(1, 2) + np.eye(w.shape[1])
        slope = (jacobian @ r[active][..., None])[..., 0] + w[active] - centre[active]
        scale = np.einsum("bii->bi", gram)[:, :, None] * np.eye(w.shape[1])
        step = np.linalg.solve(gram + damping[active, None, None] * scale, -slope[..., None])
        new = w[active] + step[..., 0]
        r_new = unknowns.residuals(new, rows[active], y[active])
        cost_new = squares(r_new, new, active)
        better = cost_new < cost[active]
        gain = (cost[active] - cost_new) / np.maximum(cost[active], 1e-300)
        at = active[better]
        w[at], r[at], cost[at] = new[better], r_new[better], cost_new[better]
        damping[active] *= np.where(better, 0.2, 8.0)
        going = np.where(better, gain > 1e-7, damping[active] < 1e6)
        active = active[going]
    return w, cost


def _jacobian(
    unknowns: Unknowns, rows: np.ndarray, y: np.ndarray, w: np.ndarray, r: np.ndarray
) -> np.ndarray:
    """Return the derivatives (B, D, k m) of the residuals, by finite differences."""
    b, d = w.shape
    moved = np.repeat(w, d, axis=0) + DIFFERENCE * np.tile(np.eye(d), (b, 1))
    found = unknowns.residuals(moved, np.repeat(rows, d), np.repeat(y, d, axis=0))
    with np.errstate(all="ignore"):
        slopes = (found.reshape(b, d, -1) - r[:, None]) / DIFFERENCE
    return np.where(np.isfinite(slopes), slopes, 0.0)
