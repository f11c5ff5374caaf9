"""The heat equation on a rectangle."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from simulators.base import Boundary, Channel, Simulator, along, require_positive
from simulators.laplacian import Laplacian


@dataclass(frozen=True)
class Heat(Simulator):
    """The heat equation in two dimensions, as frames of temperature.

        du/dt = diffusivity (d2u/dx2 + d2u/dy2)

    Behaviour: every bump decays, finer ones faster. With a Neumann or periodic boundary the mean is
    constant. No extreme ever exceeds the initial ones (the maximum principle).

    Solution: exact in time, with an exponential for each mode of the discrete Laplacian. Each
    initial field is scaled to unit standard deviation. Good time step of the data:
    diffusivity dt / spacing^2 = 0.5.

    Args:
        diffusivity: m^2/s.
        size: number of cells along x and y.
        spacing: width h of a cell, m.
        boundary: "neumann", "dirichlet" (0 K) or "periodic".
        laplacian: "5-point" or "spectral".
        smoothness: s of the initial spectrum exp(-s |k|^2), k in radians per cell.

    Source: W. E. Schiesser, The Numerical Method of Lines (1991), chapter 3.
    """

    diffusivity: float = 0.5
    size: tuple[int, int] = (32, 32)
    spacing: float = 1.0
    boundary: Boundary = "neumann"
    laplacian: str = "5-point"
    smoothness: float = 2.0

    channels: ClassVar = (Channel("temperature", "K"),)
    varying: ClassVar = ("diffusivity", "smoothness")

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", tuple(self.size))
        require_positive(diffusivity=self.diffusivity, smoothness=self.smoothness)
        _ = self.operator  # raises for an invalid grid

    @property
    def shape(self) -> tuple[int, ...]:
        return (1, *self.size)

    @property
    def coordinates(self) -> dict[str, np.ndarray]:
        return self.operator.coordinates

    @property
    def solver(self) -> str:
        return f"exact in time, {self.laplacian} Laplacian"

    @cached_property
    def operator(self) -> Laplacian:
        return Laplacian(self.size, self.spacing, self.boundary, self.laplacian)

    def initial(self, rng: np.random.Generator) -> np.ndarray:
        field = self.operator.inverse(self.operator.sample_modes(rng, self.smoothness))
        return (field / field.std())[None]

    def invariants(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """Return the mean temperature (K) if no heat leaves, and the excess over extremes (K)."""
        space = (-3, -2, -1)
        found = {}
        if self.boundary != "dirichlet":
            found["mean temperature"] = x.mean(space)
        if self.laplacian == "5-point":
            high, low = x.max(space), x.min(space)
            top, bottom = high[:, :1], low[:, :1]
            if self.boundary == "dirichlet":  # the boundary is at 0 K
                top, bottom = np.maximum(top, 0.0), np.minimum(bottom, 0.0)
            found["maximum principle"] = np.maximum(np.maximum(high - top, bottom - low), 0.0)
        return found

    def solve(self, x0: np.ndarray, t: np.ndarray) -> np.ndarray:
        modes = self.operator.forward(x0)
        rate = along(self.diffusivity, modes) * self.operator.eigenvalues
        x = np.empty((len(x0), len(t), *self.shape))
        for i, elapsed in enumerate(t - t[0]):  # one time after the other stays in the cache
            x[:, i] = self.operator.inverse(modes * np.exp(rate * elapsed))
        return x
