"""The one abstraction of this package: a system whose trajectories can be computed."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal

import numpy as np

Walls = Literal["neumann", "dirichlet", "periodic"]


class SimulationError(RuntimeError):
    """A trajectory could not be computed: not finite, incomplete, or over its budget of work."""


@dataclass(frozen=True)
class Channel:
    """One component of the physical state, e.g. ``Channel("temperature", "K")``."""

    name: str
    unit: str


@dataclass(frozen=True)
class Simulator(ABC):
    """A physical system. The dataclass fields of a subclass are its parameters.

    A state ``x`` has shape ``shape``: ``(C,)`` for a vector, ``(C, H, W)`` for a frame, with one
    entry of ``channels`` per component. Everything is batched: B trajectories are one call.

    Law (tests/simulators/test_laws.py, over every member): ``trajectories(x0, t)[:, 0] == x0``;
    the flow property, ``t0 -> t1 -> t2`` equals ``t0 -> t2``; ``invariants`` stay constant.
    """

    channels: ClassVar[tuple[Channel, ...]]

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Shape of one physical state, channels first."""

    @abstractmethod
    def initial(self, rng: np.random.Generator) -> np.ndarray:
        """Draw one initial state, shape ``shape``."""

    @abstractmethod
    def solve(self, x0: np.ndarray, t: np.ndarray) -> np.ndarray:
        """What ``trajectories`` returns, computed; finiteness is checked there, once for all."""

    def trajectories(self, x0: np.ndarray, t: np.ndarray) -> np.ndarray:
        """States at the times ``t`` (T,) from ``x0`` (B, *shape) at ``t[0]``: (B, T, *shape).

        Raises SimulationError when a state is not finite or the solver does not reach ``t[-1]``.
        """
        if not np.isfinite(x0).all():
            raise SimulationError(f"{type(self).__name__}: the initial state is not finite")
        x = self.solve(x0, t)
        if not np.isfinite(x).all():
            raise SimulationError(f"{type(self).__name__}: a state is not finite")
        x[:, 0] = x0
        return x

    def invariants(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """Quantities that exact dynamics keep constant along ``x`` (B, T, *shape): (B, T) each."""
        return {}

    @property
    def lyapunov(self) -> float | None:
        """Largest Lyapunov exponent in 1/time, for a chaotic system."""
        return None

    @property
    def period(self) -> float | None:
        """A natural period, for a system that has one."""
        return None

    @property
    def transient(self) -> float:
        """Time simulated and dropped before the first stored state."""
        return 0.0

    @property
    def walls(self) -> Walls | None:
        """How a field continues beyond its boundary; None for a vector."""
        return None

    @property
    def coordinates(self) -> dict[str, np.ndarray]:
        """Cell centres along each axis of a frame; empty for a vector."""
        return {}

    @property
    def solver(self) -> str:
        """What computes the trajectories, for the record."""
        return "exact"

    @property
    def parameters(self) -> dict[str, Any]:
        """The dataclass fields by name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def simulate(self, rngs: Sequence[np.random.Generator], dt: float, states: int) -> np.ndarray:
        """Draw one initial state per generator, drop the transient, return (B, states, *shape)."""
        x0 = np.stack([self.initial(rng) for rng in rngs])
        start = self.transient
        if start > 0:
            x0 = self.trajectories(x0, np.array([0.0, start]))[:, -1]
        return self.trajectories(x0, start + dt * np.arange(states))


def require_positive(**values: float) -> None:
    """Raise ValueError for the first value that is not a finite positive number."""
    for name, value in values.items():
        if not (isinstance(value, (int, float)) and np.isfinite(value) and value > 0):
            raise ValueError(f"{name}={value} must be a positive number")
