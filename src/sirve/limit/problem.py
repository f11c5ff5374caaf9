"""The problem that the limit solves: noisy contexts, the equations, and what training data tell."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from simulators import Distribution, Family, SimulationError, Simulator
from simulators.vectors.balls import Balls
from sirve.data.info import Info
from sirve.data.observe import Observe
from sirve.metrics import shaped

FLOOR = 1e-3  # least standard deviation of the noise that a fit assumes, as share of the channel's


@dataclass(frozen=True)
class Problem:
    """Test contexts with their truth, and all that may be known of the system beside them.

    Args:
        family: the test systems; parameters that are drawn and not observed are hidden.
        observe: the observation, whose noise is known.
        info: description of the physical state.
        dt: time between two seen states.
        seen: contexts (n, c, *observed shape), with noise; nan where a cell is hidden.
        truth: clean states after them, (n, steps, *observed shape).
        std: (C,), of the clean training states as observed.
        training: physical states of the training set, (N, T, *shape), ``dt`` apart.
        drawn: parameters (N,) of the training trajectories, by name.
        parameters: parameters (n,) that the model is told, by name.
    """

    family: Family
    observe: Observe
    info: Info
    dt: float
    seen: np.ndarray
    truth: np.ndarray
    std: np.ndarray
    training: np.ndarray
    drawn: Mapping[str, np.ndarray] = field(default_factory=dict)
    parameters: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def context(self) -> int:
        return self.seen.shape[1]

    @property
    def steps(self) -> int:
        return self.truth.shape[1]

    @cached_property
    def hidden(self) -> dict[str, Distribution]:
        """The distributions of the parameters that must be fitted, by name."""
        told = self.observe.parameters
        return {name: draw for name, draw in self.family.draws.items() if name not in told}

    @cached_property
    def sigma(self) -> np.ndarray:
        """The standard deviation of the noise, shaped to divide (n, k, *observed shape)."""
        return max(self.observe.noise, FLOOR) * shaped(self.std, self.seen.ndim)

    @property
    def whole(self) -> bool:
        """True if the last state of the context is the physical state itself, without noise."""
        same = self.seen.shape[2:] == self.info.shape and bool(np.isfinite(self.seen[:, -1]).all())
        return same and self.observe.noise == 0 and not self.hidden and self._sees_the_state

    @cached_property
    def _sees_the_state(self) -> bool:
        x = self.training[:1, :1]
        return np.array_equal(self.observed(x), x)

    def system(self, rows: np.ndarray, hidden: Mapping[str, np.ndarray]) -> Simulator:
        """Return the systems of the starts ``rows`` (B,), with values (B,) of hidden parameters."""
        told = {
            name: self.parameters[name][rows]
            for name in self.family.draws.keys() - self.hidden.keys()
        }
        return self.family.sim.each(**told, **hidden)

    def times(self, frames: int, steps: int) -> np.ndarray:
        """Return the times of the last ``frames`` states of the context and ``steps`` more."""
        first = self.context - frames
        return self.family.sim.transient + self.dt * (first + np.arange(frames + steps))

    def observed(self, x: np.ndarray) -> np.ndarray:
        """Return physical states x (n, T, *shape) as they are observed, without noise."""
        return np.asarray(replace(self.observe, stride=1).clean(x, self.info), np.float64)

    def near(self, frames: int, width: int = 2) -> np.ndarray:
        """Return training states (S, *shape) from about the time at which the window starts."""
        first = min(self.context - frames, self.training.shape[1] - 1)
        part = self.training[:, max(0, first - width) : first + width + 1]
        return part.reshape(-1, *part.shape[2:]).astype(np.float64)

    def part(self, rows: Any) -> "Problem":
        """Return the problem of some starts only."""
        return replace(
            self,
            seen=self.seen[rows],
            truth=self.truth[rows],
            parameters={name: value[rows] for name, value in self.parameters.items()},
        )


def trajectories(sim: Simulator, start: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Solve from each start: (n, T, *shape), infinite where the solver fails.

    If the whole batch fails, each start is solved by itself.
    """
    try:
        return sim.trajectories(start, time)
    except SimulationError:
        future = np.full((len(start), len(time), *sim.shape), np.inf)
        for i, x0 in enumerate(start):
            try:
                future[i] = sim.rows(slice(i, i + 1)).trajectories(x0[None], time)[0]
            except SimulationError:
                continue
        return future


def clip_to_box(start: np.ndarray, sim: Simulator) -> np.ndarray:
    """Move balls that noise has put outside their box back inside; leave other systems alone."""
    if not isinstance(sim, Balls):
        return start
    balls = start.reshape(len(start), -1, 4)
    radii = np.array(sim.radii)[:, None]
    balls[..., :2] = np.clip(balls[..., :2], radii, sim.side - radii)
    return balls.reshape(start.shape)
