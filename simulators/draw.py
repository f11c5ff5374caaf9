"""Parameters drawn anew for each trajectory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from simulators.base import Simulator

KINDS = ("uniform", "log_uniform", "choice")


@dataclass(frozen=True)
class Draw:
    """A distribution: uniform or log_uniform between two ``values``, or a choice among several."""

    kind: str
    values: tuple[float, ...]

    @staticmethod
    def of(plain: Any, name: str) -> "Draw":
        """From ``{uniform: [26, 32]}``; ValueError for anything else."""
        kind, values = next(iter(plain.items())) if len(plain) == 1 else (None, None)
        if kind not in KINDS or not isinstance(values, list | tuple):
            raise ValueError(
                f"{name}={plain} is no distribution; write {{uniform: [low, high]}}, "
                "{log_uniform: [low, high]} or {choice: [a, b, ...]}"
            )
        for value in values:
            if type(value) not in (int, float) or not np.isfinite(value):
                raise ValueError(f"{name}={plain} holds {value}, not a finite number")
        ordered = len(values) == 2 and values[0] < values[1]
        if not values or (kind != "choice" and not ordered):
            raise ValueError(f"{name}={plain} must have a low and a higher number")
        if kind == "log_uniform" and values[0] <= 0:
            raise ValueError(f"{name}={plain} must be positive to be drawn by its logarithm")
        return Draw(kind, tuple(float(value) for value in values))

    def __call__(self, rng: np.random.Generator) -> float:
        low, high = self.values[0], self.values[-1]
        if self.kind == "uniform":
            return float(rng.uniform(low, high))
        if self.kind == "log_uniform":
            return float(np.exp(rng.uniform(np.log(low), np.log(high))))
        return float(rng.choice(self.values))

    @property
    def middle(self) -> float:
        """The one that stands for all: the (geometric) mean of the two, or the middle choice."""
        low, high = self.values[0], self.values[-1]
        if self.kind == "choice":
            return sorted(self.values)[len(self.values) // 2]
        return (low + high) / 2 if self.kind == "uniform" else float(np.sqrt(low * high))


@dataclass(frozen=True)
class Family:
    """A system, and how some of its parameters are drawn for each trajectory, none by default.

    ``sim`` has the middle of each distribution.
    """

    sim: Simulator
    draws: Mapping[str, Draw] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, draw in self.draws.items():  # what can be drawn must be allowed, before any work
            self.sim.each(**{name: np.array(draw.values)})

    def draw(self, rngs: Sequence[np.random.Generator]) -> dict[str, np.ndarray]:
        """One value a generator (B,) of each drawn parameter, in the order of their names."""
        drawn = {name: np.empty(len(rngs)) for name in sorted(self.draws)}
        for i, rng in enumerate(rngs):
            for name, values in drawn.items():
                values[i] = self.draws[name](rng)
        return drawn

    def simulate(
        self, rngs: Sequence[np.random.Generator], dt: float, states: int
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Trajectories (B, states, *shape), their invariants proven, and what was drawn for each.

        Raises SimulationError.
        """
        drawn = self.draw(rngs)
        sim = self.sim.each(**drawn)
        x = sim.simulate(rngs, dt, states)
        sim.require_invariants(x)
        return x, drawn
