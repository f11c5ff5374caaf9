"""The heat equation on a rectangle."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from simulators.base import Boundary, Channel, Simulator, along, require_positive
from simulators.laplacian import Laplacian


@dataclass(frozen=True)
class Heat(Simulator):
    """Diffusion of temperature in two dimensions, as frames.

        du/dt = diffusivity (d2u/dx2 + d2u/dy2)

    Behaviour: every bump decays, the finer the faster; with Neumann or periodic walls the mean is
    constant, and no extreme ever exceeds the initial ones (the maximum principle).

    Solution: exact in time, each mode of the discrete Laplacian by its own exponential.

    Parameters: ``diffusivity`` m^2/s; ``size`` cells along x and y; ``spacing`` h in m; ``walls``;
    ``laplacian`` "5-point" or "spectral"; ``smoothness`` s of the initial spectrum exp(-s |k|^2),
    k in radians per cell; each initial field is scaled to unit standard deviation. Good value:
    diffusivity dt / h^2 0.5.

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
        _ = self.operator  # which refuses a bad grid

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
        field = self.operator.inverse(self.operator.noise(rng, self.smoothness))
        return (field / field.std())[None]

    def invariants(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """Mean temperature (K) where no heat leaves, and by how much (K) extremes are exceeded."""
        space = (-3, -2, -1)
        found = {}
        if self.boundary != "dirichlet":
            found["mean temperature"] = x.mean(space)
        if self.laplacian == "5-point":
            high, low = x.max(space), x.min(space)
            top, bottom = high[:, :1], low[:, :1]
            if self.boundary == "dirichlet":  # the wall itself is at 0 K
                top, bottom = np.maximum(top, 0.0), np.minimum(bottom, 0.0)
            found["maximum principle"] = np.maximum(np.maximum(high - top, bottom - low), 0.0)
        return found

    def solve(self, x0: np.ndarray, t: np.ndarray) -> np.ndarray:
        modes = self.operator.forward(x0)
        rate = along(self.diffusivity, modes) * self.operator.eigenvalues
        x = np.empty((len(x0), len(t), *self.shape))
        for i, elapsed in enumerate(t - t[0]):  # one time after another stays in the cache
            x[:, i] = self.operator.inverse(modes * np.exp(rate * elapsed))
        return x
