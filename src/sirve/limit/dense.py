"""Linear systems: the exact estimate of the state, by weighted least squares."""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from simulators import Simulator
from sirve.limit.prior import Prior
from sirve.limit.problem import Problem

NUMBERS = 2**24  # of states held at once
REMEMBERED = 256  # estimates


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


class Dense:
    """Estimates from the last ``frames`` states y = base + A z + noise, z of unit variance.

    With A and y in units of the noise and z standard normal, M = A^T A + 1 gives z = M^-1 A^T y,
    the result of a Kalman smoother, and -2 log p(y) = |y|^2 - (A^T y)^T z + log det M + constant.

    Source: C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning (2006),
    eqs. 2.8 and 2.30.
    """

    def __init__(self, problem: Problem, frames: int) -> None:
        self.problem, self.frames = problem, frames
        self.prior = Prior.of(problem.near(frames), problem.info.boundary)
        self.estimate = lru_cache(maxsize=REMEMBERED)(self._estimate)

    def _estimate(self, values: tuple[float, ...], row: int | None) -> Estimate:
        """Estimate all starts, or one, for these values of the hidden parameters."""
        problem, prior = self.problem, self.prior
        rows = slice(None) if row is None else slice(row, row + 1)
        y = problem.seen[rows, problem.context - self.frames :]
        time = problem.times(self.frames, 0)
        x0 = np.concatenate([prior.mean[None], prior.mean + prior.columns])
        sim = self.system(values, len(x0), row)
        gram, known = np.eye(prior.size), np.zeros((prior.size, len(y)))
        square = np.zeros(len(y))
        block = max(1, NUMBERS // x0.size)
        for first in range(0, self.frames, block):
            part = slice(first, first + block)
            states = sim.solve(x0, np.concatenate([time[:1], time[part]]))[:, 1:]
            seen = (problem.observed(states) / problem.sigma).reshape(len(x0), -1)
            a = seen[1:] - seen[0]
            rest = (y[:, part] / problem.sigma).reshape(len(y), -1) - seen[0]
            if row is not None:
                visible = np.isfinite(rest[0])
                a, rest = a[:, visible], rest[:, visible]
            gram += a @ a.T
            known += a @ rest.T
            square += (rest**2).sum(1)
        factor = cho_factor(gram)
        z = cho_solve(factor, known)
        logdet = 2 * np.log(np.diag(factor[0])).sum()
        return Estimate(z.T, square - (known * z).sum(0) + logdet)

    def system(self, values: tuple[float, ...], count: int, row: int | None) -> Simulator:
        """Return ``count`` systems with these hidden parameters, else those of a start."""
        named = zip(self.problem.hidden, values, strict=True)
        hidden = {name: np.full(count, value) for name, value in named}
        return self.problem.system(np.full(count, row or 0), hidden)

    def losses(self, values: tuple[float, ...]) -> np.ndarray:
        """Return the loss (n,) of all starts for these values of the hidden parameters."""
        if self.differ:
            return np.array([self.at(values, row)[1] for row in range(len(self.problem.seen))])
        return self.estimate(values, None).loss

    @cached_property
    def differ(self) -> bool:
        """Is true where the starts differ in their systems or in their hidden cells."""
        told = self.problem.family.draws.keys() - self.problem.hidden.keys()
        return bool(told) or not np.isfinite(self.problem.seen).all()

    def at(self, values: tuple[float, ...], row: int) -> tuple[np.ndarray, float]:
        """Return z (P,) and the loss of one start."""
        own = row if self.differ else None
        found = self.estimate(values, own)
        i = 0 if own is not None else row
        return found.z[i], float(found.loss[i])
