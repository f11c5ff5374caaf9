"""Linear systems whose modes evolve independently and are all seen: estimates mode by mode."""

import numpy as np

from sirve.limit.dense import Dense, Estimate
from sirve.limit.prior import transform
from sirve.limit.problem import Problem

CLOSE = 1e-6  # share by which modes may mix through rounding


class Modal(Dense):
    """The estimates of ``Dense`` for independent modes, of C channels each, seen on the whole grid.

    The gain of every mode is read from one solution of each channel that excites all modes.
    """

    def __init__(self, problem: Problem, frames: int) -> None:
        super().__init__(problem, frames)
        self._y = self._modes(problem.seen[:, problem.context - frames :] / problem.sigma)

    def applies(self) -> bool:
        """Return whether the modes of a training state evolve independently, as they must."""
        problem = self.problem
        if self.differ or problem.seen.shape[3:] != problem.info.shape[1:]:
            return False
        middle = tuple(draw.middle for draw in problem.hidden.values())
        base, gain = self._gains(middle)
        x = problem.near(self.frames)[:1]
        departure = transform(x - self.prior.mean, problem.info.boundary)
        departure = departure.reshape(len(self.prior.mean), -1)
        found = self._solved(middle, x)[0] - base
        expected = np.einsum("kojm,jm->kom", gain, departure)
        return bool(np.abs(found - expected).max() <= CLOSE * np.abs(found).max())

    def _modes(self, seen: np.ndarray) -> np.ndarray:
        """Return the modes (n, k, C, M) of observed states (n, k, C, *space)."""
        flat = seen.reshape(-1, *seen.shape[2:])
        return transform(flat, self.problem.info.boundary).reshape(*seen.shape[:3], -1)

    def _solved(self, values: tuple[float, ...], x0: np.ndarray) -> np.ndarray:
        """Return the modes (B, k, C, M) that are seen from states x0, in units of the noise."""
        sim = self.system(values, len(x0), None)
        states = sim.solve(x0, self.problem.times(self.frames, 0))
        return self._modes(self.problem.observed(states) / self.problem.sigma)

    def _gains(self, values: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Return the modes (k, C, M) seen from the mean, and the gains (k, C seen, C, M)."""
        mean = self.prior.mean
        unit = np.zeros((len(mean), *mean.shape))
        unit[np.arange(len(mean)), np.arange(len(mean))] = 1.0
        excited = transform(unit, self.problem.info.boundary, back=True)
        found = self._solved(values, np.concatenate([mean[None], mean + excited]))
        return found[0], np.moveaxis(found[1:] - found[0], 0, 2)

    def _estimate(self, values: tuple[float, ...], row: int | None) -> Estimate:
        base, gain = self._gains(values)
        h = np.einsum("kojm,mjc->komc", gain, self.prior.factor)
        gram = np.einsum("komc,komd->mcd", h, h) + np.eye(h.shape[-1])
        d = (self._y if row is None else self._y[row : row + 1]) - base
        known = np.einsum("komc,nkom->nmc", h, d, optimize=True)
        z = np.linalg.solve(gram, known[..., None])[..., 0]
        loss = (d**2).sum((1, 2, 3)) - (known * z).sum((1, 2)) + np.linalg.slogdet(gram)[1].sum()
        return Estimate(z[:, self.prior.used], loss)

    def at(self, values: tuple[float, ...], row: int) -> tuple[np.ndarray, float]:
        found = self.estimate(values, row)
        return found.z[0], float(found.loss[0])
