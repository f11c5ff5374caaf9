"""The one abstraction of this package: a system whose trajectories can be computed."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from math import prod
from typing import Any, ClassVar, Literal, Self

import numpy as np

from simulators.scene import Scene

Boundary = Literal["neumann", "dirichlet", "periodic"]


class SimulationError(RuntimeError):
    """A trajectory could not be computed: not finite, incomplete, or over its budget of work.

    ``trajectory`` is its number in the batch, where it is known.
    """

    def __init__(self, message: str, trajectory: int | None = None) -> None:
        super().__init__(message)
        self.trajectory = trajectory


@dataclass(frozen=True)
class Channel:
    """One component of the physical state, e.g. ``Channel("temperature", "K")``."""

    name: str
    unit: str


@dataclass(frozen=True)
class Simulator(ABC):
    """A physical system. The dataclass fields of a subclass are its parameters.

    A state ``x`` has shape ``shape``: ``(C,)`` for a vector, ``(C, H, W)`` for a frame, with one
    entry of ``channels`` per component. Everything is batched: B trajectories are one call, and a
    parameter named in ``varying`` may differ between them, as an array (B,): see ``each``.

    Laws (tests/simulators/test_laws.py, over every member): ``trajectories(x0, t)[:, 0] == x0``;
    the flow property, ``t0 -> t1 -> t2`` equals ``t0 -> t2``; ``invariants`` stay constant to
    ``tolerance``; a batch of unlike systems equals each of them alone; ``reference_solver`` agrees.
    """

    channels: ClassVar[tuple[Channel, ...]]
    varying: ClassVar[tuple[str, ...]] = ()
    tolerance: ClassVar[float] = 1e-8  # of invariants, relative to their size or to 1

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
        self._require_finite(x0, "the initial state")
        x = self.solve(x0, t)
        self._require_finite(x, "a state")
        x[:, 0] = x0
        return x

    def _require_finite(self, x: np.ndarray, what: str) -> None:
        finite = np.isfinite(x).reshape(len(x), -1).all(1)
        if not finite.all():
            raise SimulationError(
                f"{type(self).__name__}: {what} is not finite", int(np.argmin(finite))
            )

    def each(self, **values: np.ndarray) -> Self:
        """The same system with parameters of their own for each trajectory, arrays (B,)."""
        for name in values:
            if name not in self.varying:
                raise ValueError(
                    f"{type(self).__name__}.{name} cannot vary between trajectories; "
                    f"these can: {', '.join(self.varying) or 'none'}"
                )
        return replace(self, **values)

    def rows(self, index: Any) -> Self:
        """The systems of some trajectories of the batch; of one, by its number, plain numbers."""
        own = {name: getattr(self, name) for name in self.varying}
        picked = {name: value[index] for name, value in own.items() if np.ndim(value)}
        return replace(self, **{name: v if np.ndim(v) else v.item() for name, v in picked.items()})

    def invariants(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """Quantities that exact dynamics keep constant along ``x`` (B, T, *shape): (B, T) each."""
        return {}

    def require_invariants(self, x: np.ndarray) -> None:
        """Raise SimulationError where an invariant drifts along ``x`` beyond ``tolerance``."""
        for name, value in self.invariants(x).items():
            first = value[:, :1]
            drift = (np.abs(value - first) / np.maximum(1.0, np.abs(first))).max(1)
            worst = int(np.argmax(drift))
            if not drift[worst] <= self.tolerance:
                raise SimulationError(
                    f"{type(self).__name__}: its {name} drifts by {drift[worst]:.1e}, more than "
                    f"{self.tolerance:g}",
                    worst,
                )

    def reference_solver(self) -> "Simulator | None":
        """The same equations by another method or another tolerance or step.

        How long the two agree is how far any forecast can be judged. None where the solution is
        exact.
        """
        return None

    @property
    def dimension(self) -> int:
        """Degrees of freedom of a state, less than its numbers where these are constrained."""
        return prod(self.shape)

    def scene(self, x: np.ndarray) -> Scene | None:
        """What a camera sees of states x (..., *shape); None for what has no picture."""
        return None

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
    def boundary(self) -> Boundary | None:
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
        x0 = np.stack([self.rows(i).initial(rng) for i, rng in enumerate(rngs)])
        start = self.transient
        if start > 0:
            x0 = self.trajectories(x0, np.array([0.0, start]))[:, -1]
        return self.trajectories(x0, start + dt * np.arange(states))


def along(value: Any, x: np.ndarray) -> Any:
    """A parameter as it multiplies x (B, ...): a number as it is, one a trajectory as a column."""
    return value if np.ndim(value) == 0 else np.reshape(value, (-1, *[1] * (x.ndim - 1)))


def require_positive(**values: Any) -> None:
    """Raise ValueError for the first value that is not a finite positive number, or one a batch."""
    for name, value in values.items():
        if not (_number(value) and np.all(np.isfinite(value)) and np.all(np.greater(value, 0))):
            raise ValueError(f"{name}={value} must be a positive number")


def require_not_negative(**values: Any) -> None:
    """Raise ValueError for the first value that is not zero or a finite positive number."""
    for name, value in values.items():
        if not (_number(value) and np.all(np.isfinite(value)) and np.all(np.less_equal(0, value))):
            raise ValueError(f"{name}={value} must be zero or a positive number")


def require_finite(**values: Any) -> None:
    """Raise ValueError for the first value that is not a finite number."""
    for name, value in values.items():
        if not (_number(value) and np.all(np.isfinite(value))):
            raise ValueError(f"{name}={value} must be a finite number")


def require_size(size: Any, dims: int, least: int = 2) -> None:
    """Raise ValueError where ``size`` is not ``dims`` whole numbers of at least ``least``."""
    if len(size) != dims or any(type(n) is not int or n < least for n in size):
        raise ValueError(f"size={size} must be {dims} whole number(s) of at least {least}")


def require_whole(**values: Any) -> None:
    """Raise ValueError for the first value that is not zero or a positive whole number."""
    for name, value in values.items():
        if type(value) is not int or value < 0:
            raise ValueError(f"{name}={value} must be zero or a positive whole number")


def require_choice(choices: Sequence[str], **values: Any) -> None:
    """Raise ValueError for the first value that is none of ``choices``."""
    for name, value in values.items():
        if value not in choices:
            known = ", ".join(choices)
            raise ValueError(f'{name}="{value}" is unknown: take one of {known}')


def _number(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.ndim == 1 and value.dtype.kind in "iuf"
    return isinstance(value, int | float) and not isinstance(value, bool)
