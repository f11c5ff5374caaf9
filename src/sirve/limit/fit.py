"""The result of a fit: states at the start of the window, and their forecasts."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from sirve.limit.problem import Problem, clip_to_box, trajectories

NUMBERS = 2**24  # of forecast states held at once


@dataclass(frozen=True)
class Fit:
    """States (M, *shape) at the first state of the window, each fitted to one start of the test.

    Args:
        states: the states.
        owner: the start (M,) that each was fitted to.
        best: index (n,) of the most likely state of each start.
        weight: weights (M,) in the mean forecast of a start; they sum to 1 over each start.
        hidden: values (M,) of the hidden parameters, by name.
    """

    states: np.ndarray
    owner: np.ndarray
    best: np.ndarray
    weight: np.ndarray
    hidden: Mapping[str, np.ndarray] = field(default_factory=dict)

    @staticmethod
    def of(states: np.ndarray, members: int, hidden: Mapping[str, np.ndarray]) -> "Fit":
        """Return the fit of n most likely states, followed by ``members`` others for each."""
        n = len(states) // (members + 1)
        weight = np.repeat(
            [1.0, *[0.0] * members] if not members else [0.0, *[1 / members] * members], n
        )
        return Fit(states, np.tile(np.arange(n), members + 1), np.arange(n), weight, hidden)

    def forecast(self, problem: Problem, frames: int) -> tuple[np.ndarray, np.ndarray]:
        """Solve the true equations from all states.

        Returns:
            Observed states (n, frames + steps, *observed shape) of the most likely fit, and the
            mean of the futures after them (n, steps, *observed shape).
        """
        time = problem.times(frames, problem.steps)
        shape = problem.seen.shape[2:]
        best = np.full((len(self.best), len(time), *shape), np.nan)
        mean = np.zeros((len(self.best), problem.steps, *shape))
        place = {int(i): row for row, i in enumerate(self.best)}
        block = max(1, NUMBERS // (len(time) * int(np.prod(problem.info.shape))))
        for first in range(0, len(self.states), block):
            part = np.arange(first, min(first + block, len(self.states)))
            hidden = {name: value[part] for name, value in self.hidden.items()}
            sim = problem.system(self.owner[part], hidden)
            with np.errstate(all="ignore"):
                x = trajectories(sim, clip_to_box(self.states[part], sim), time)
                seen = problem.observed(x)
            for i, path in zip(part, seen, strict=True):
                if int(i) in place:
                    best[place[int(i)]] = path
                if self.weight[i]:
                    mean[self.owner[i]] += self.weight[i] * path[frames:]
        return best, mean
