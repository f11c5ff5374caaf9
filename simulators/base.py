"""The interface of every system: ``Simulator``, with the checks of its parameters."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from math import prod
from typing import Any, ClassVar, Literal, Self

import numpy as np

from simulators.scene import Scene

Boundary = Literal["neumann", "dirichlet", "periodic"]


class SimulationError(RuntimeError):
    """A trajectory could not be computed: it is not finite, incomplete, or takes too much work.

    Args:
        message: what went wrong.
        trajectory: the number of the trajectory in the batch, if it is known.
    """

    def __init__(self, message: str, trajectory: int | None = None) -> None:
        super().__init__(message)
        self.trajectory = trajectory


@dataclass(frozen=True)
class Channel:
    """Name and unit of one component of the state, such as ``Channel("temperature", "K")``."""

    name: str
    unit: str


@dataclass(frozen=True)
class Simulator(ABC):
    """A physical system whose trajectories can be computed.

    A subclass is a frozen dataclass, and its fields are the physical parameters. It must define
    ``channels``, ``shape``, ``initial`` and ``solve``:

        sim = Lorenz(rho=28.0)
        x0 = sim.initial(np.random.default_rng(0))[None]     # (B, C) with B = 1
        x = sim.trajectories(x0, np.linspace(0.0, 1.0, 51))  # (B, T, C)

    A state has the shape ``(C,)`` for a vector, ``(C, N)`` on a line and ``(C, H, W)`` for a frame,
    with one entry of ``channels`` for each component. All methods work on a batch of B
    trajectories. A parameter named in ``varying`` may differ between them: see ``each``.

    Laws, tested for every system (tests/simulators/test_laws.py): ``trajectories(x0, t)[:, 0]``
    is x0; going from t0 to t1 and then to t2 is the same as going from t0 to t2; ``invariants`` are
    constant to within ``tolerance``; a batch of different systems gives the same as each system
    alone; ``reference_solver`` agrees with the system.
    """

    channels: ClassVar[tuple[Channel, ...]]
    varying: ClassVar[tuple[str, ...]] = ()
    tolerance: ClassVar[float] = 1e-8  # drift of an invariant, relative to its size or to 1

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """The shape of one state, channels first."""

    @abstractmethod
    def initial(self, rng: np.random.Generator) -> np.ndarray:
        """Sample one initial state, of shape ``shape``."""

    @abstractmethod
    def solve(self, x0: np.ndarray, t: np.ndarray) -> np.ndarray:
        """Compute the states for ``trajectories``, which checks that they are finite."""

    def trajectories(self, x0: np.ndarray, t: np.ndarray) -> np.ndarray:
        """Compute the states at given times.

        Args:
            x0: initial states (B, *shape), at the time ``t[0]``.
            t: increasing times (T,).

        Returns:
            The states (B, T, *shape).

        Raises:
            SimulationError: a state is not finite, or the solver does not reach ``t[-1]``.
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
        """Return this system with another value of some parameters for each trajectory.

        Args:
            values: arrays (B,) by the name of the parameter.

        Raises:
            ValueError: a parameter is not in ``varying``.
        """
        for name in values:
            if name not in self.varying:
                raise ValueError(
                    f"{type(self).__name__}.{name} cannot vary between trajectories; "
                    f"these can: {', '.join(self.varying) or 'none'}"
                )
        return replace(self, **values)

    def rows(self, index: Any) -> Self:
        """Return the systems of some trajectories; for one, parameters become plain numbers."""
        own = {name: getattr(self, name) for name in self.varying}
        picked = {name: value[index] for name, value in own.items() if np.ndim(value)}
        return replace(self, **{name: v if np.ndim(v) else v.item() for name, v in picked.items()})

    def invariants(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """Return quantities that exact dynamics keep constant, by name.

        Args:
            x: trajectories (B, T, *shape).

        Returns:
            Arrays (B, T). A quantity that may not grow is given as its growth: zero or more.
        """
        return {}

    def require_invariants(self, x: np.ndarray) -> None:
        """Raise SimulationError if an invariant of ``x`` drifts by more than ``tolerance``."""
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
        """Return the same equations with another method, tolerance or step.

        A forecast can only be judged for as long as the two solvers agree. None if the solution is
        exact.
        """
        return None

    @property
    def dimension(self) -> int:
        """Degrees of freedom of a state: fewer than its numbers if they obey constraints."""
        return prod(self.shape)

    def scene(self, x: np.ndarray) -> Scene | None:
        """Return a drawing of the states x (..., *shape), or None for a system without one."""
        return None

    @property
    def lyapunov(self) -> float | None:
        """The largest Lyapunov exponent in 1/time; None for a system that is not chaotic."""
        return None

    @property
    def period(self) -> float | None:
        """A natural period; None for a system without one."""
        return None

    @property
    def transient(self) -> float:
        """The time that is simulated and dropped before the first stored state."""
        return 0.0

    @property
    def boundary(self) -> Boundary | None:
        """The way a field continues beyond its edges; None for a vector."""
        return None

    @property
    def coordinates(self) -> dict[str, np.ndarray]:
        """The cell centres along each axis of a field, by name; empty for a vector."""
        return {}

    @property
    def solver(self) -> str:
        """The name of the method that computes the trajectories."""
        return "exact"

    @property
    def parameters(self) -> dict[str, Any]:
        """The dataclass fields by name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def simulate(self, rngs: Sequence[np.random.Generator], dt: float, states: int) -> np.ndarray:
        """Simulate from random initial states.

        Args:
            rngs: one generator for the initial state of each of B trajectories.
            dt: time from one state to the next.
            states: number of states of each trajectory, after the transient.

        Returns:
            The states (B, states, *shape).
        """
        x0 = np.stack([self.rows(i).initial(rng) for i, rng in enumerate(rngs)])
        start = self.transient
        if start > 0:
            x0 = self.trajectories(x0, np.array([0.0, start]))[:, -1]
        return self.trajectories(x0, start + dt * np.arange(states))


def along(value: Any, x: np.ndarray) -> Any:
    """Reshape a parameter, a number or an array (B,), so that it multiplies x (B, ...)."""
    return value if np.ndim(value) == 0 else np.reshape(value, (-1, *[1] * (x.ndim - 1)))


def require_positive(**values: Any) -> None:
    """Raise ValueError for the first value that is not a positive number, or (B,) such numbers."""
    for name, value in values.items():
        if not (_is_number(value) and np.all(np.isfinite(value)) and np.all(np.greater(value, 0))):
            raise ValueError(f"{name}={value} must be a positive number")


def require_not_negative(**values: Any) -> None:
    """Raise ValueError for the first value that is not zero or a finite positive number."""
    for name, value in values.items():
        if not (
            _is_number(value) and np.all(np.isfinite(value)) and np.all(np.less_equal(0, value))
        ):
            raise ValueError(f"{name}={value} must be zero or a positive number")


def require_finite(**values: Any) -> None:
    """Raise ValueError for the first value that is not a finite number."""
    for name, value in values.items():
        if not (_is_number(value) and np.all(np.isfinite(value))):
            raise ValueError(f"{name}={value} must be a finite number")


def require_size(size: Any, dims: int, least: int = 2) -> None:
    """Raise ValueError if ``size`` is not ``dims`` whole numbers of at least ``least``."""
    if len(size) != dims or any(type(n) is not int or n < least for n in size):
        raise ValueError(f"size={size} must be {dims} whole number(s) of at least {least}")


def require_whole(**values: Any) -> None:
    """Raise ValueError for the first value that is not zero or a positive whole number."""
    for name, value in values.items():
        if type(value) is not int or value < 0:
            raise ValueError(f"{name}={value} must be zero or a positive whole number")


def require_choice(choices: Sequence[str], **values: Any) -> None:
    """Raise ValueError for the first value that is not one of ``choices``."""
    for name, value in values.items():
        if value not in choices:
            known = ", ".join(choices)
            raise ValueError(f'{name}="{value}" is unknown: take one of {known}')


def _is_number(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.ndim == 1 and value.dtype.kind in "iuf"
    return isinstance(value, int | float) and not isinstance(value, bool)
