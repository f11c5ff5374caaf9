"""Systems whose parameters are sampled anew for each trajectory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from simulators.base import Simulator

KINDS = ("uniform", "log_uniform", "choice")


@dataclass(frozen=True)
class Distribution:
    """The distribution of one parameter.

    Args:
        kind: "uniform" or "log_uniform" between two values, or "choice" among several.
        values: the two ends (low, high), or the values to choose from.
    """

    kind: str
    values: tuple[float, ...]

    @staticmethod
    def from_config(config: Any, name: str) -> "Distribution":
        """Parse a mapping such as ``{uniform: [26, 32]}``, the value of the parameter ``name``.

        Raises:
            ValueError: the mapping is not a distribution, or its numbers are not valid.
        """
        kind, values = next(iter(config.items())) if len(config) == 1 else (None, None)
        if kind not in KINDS or not isinstance(values, list | tuple):
            raise ValueError(
                f"{name}={config} is not a distribution; write {{uniform: [low, high]}}, "
                "{log_uniform: [low, high]} or {choice: [a, b, ...]}"
            )
        for value in values:
            if type(value) not in (int, float) or not np.isfinite(value):
                raise ValueError(f"{name}={config} contains {value}, which is not a finite number")
        ordered = len(values) == 2 and values[0] < values[1]
        if not values or (kind != "choice" and not ordered):
            raise ValueError(f"{name}={config} must have a low and a higher number")
        if kind == "log_uniform" and values[0] <= 0:
            raise ValueError(f"{name}={config} must be positive: its logarithm is sampled")
        return Distribution(kind, tuple(float(value) for value in values))

    def __call__(self, rng: np.random.Generator) -> float:
        """Return one sample."""
        low, high = self.values[0], self.values[-1]
        if self.kind == "uniform":
            return float(rng.uniform(low, high))
        if self.kind == "log_uniform":
            return float(np.exp(rng.uniform(np.log(low), np.log(high))))
        return float(rng.choice(self.values))

    @property
    def middle(self) -> float:
        """A representative value: the (geometric) mean of the two ends, or the middle choice."""
        low, high = self.values[0], self.values[-1]
        if self.kind == "choice":
            return sorted(self.values)[len(self.values) // 2]
        return (low + high) / 2 if self.kind == "uniform" else float(np.sqrt(low * high))


@dataclass(frozen=True)
class Family:
    """A system, some of whose parameters are sampled anew for each trajectory.

    Args:
        sim: the system, with the middle of each distribution as its parameters.
        draws: the distribution of each sampled parameter by its name; none by default.

    Raises:
        ValueError: a parameter cannot vary between trajectories, or a value is not allowed.
    """

    sim: Simulator
    draws: Mapping[str, Distribution] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, draw in self.draws.items():  # refuse a forbidden value before any work
            self.sim.each(**{name: np.array(draw.values)})

    def sample(self, rngs: Sequence[np.random.Generator]) -> dict[str, np.ndarray]:
        """Sample each varying parameter once for each of B generators: arrays (B,) by name."""
        drawn = {name: np.empty(len(rngs)) for name in sorted(self.draws)}
        for i, rng in enumerate(rngs):
            for name, values in drawn.items():
                values[i] = self.draws[name](rng)
        return drawn

    def simulate(
        self, rngs: Sequence[np.random.Generator], dt: float, states: int
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Simulate one trajectory for each generator and check its invariants.

        Args:
            rngs: one generator for each of B trajectories.
            dt: time from one state to the next.
            states: number of states of each trajectory.

        Returns:
            The states (B, states, *shape), and the sampled parameters (B,) by name.

        Raises:
            SimulationError: a trajectory could not be computed, or an invariant drifts.
        """
        drawn = self.sample(rngs)
        sim = self.sim.each(**drawn)
        x = sim.simulate(rngs, dt, states)
        sim.require_invariants(x)
        return x, drawn
