"""The base class of fields on a periodic domain."""

from dataclasses import dataclass

import numpy as np

from simulators.base import Boundary, Simulator


@dataclass(frozen=True)
class Periodic(Simulator):
    """A field of ``size`` points along each axis of a periodic domain of the length ``side``."""

    size: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", tuple(self.size))

    @property
    def side(self) -> float:
        """The length of the domain along each axis."""
        return 2 * np.pi

    @property
    def shape(self) -> tuple[int, ...]:
        return (1, *self.size)

    @property
    def boundary(self) -> Boundary:
        return "periodic"

    @property
    def coordinates(self) -> dict[str, np.ndarray]:
        return {a: self.side * np.arange(n) / n for a, n in zip("xy", self.size, strict=False)}
