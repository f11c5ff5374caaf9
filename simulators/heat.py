"""The heat equation on a rectangle."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from scipy import fft

from simulators.base import (
    Channel,
    Simulator,
    Walls,
    along,
    require_choice,
    require_positive,
    require_size,
)

_TRANSFORMS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "neumann": (fft.dctn, fft.idctn),  # DCT-II: cell centres, mirrored at the walls
    "dirichlet": (fft.dstn, fft.idstn),  # DST-II: cell centres, zero at the walls
    "periodic": (fft.fftn, fft.ifftn),
}


@dataclass(frozen=True)
class Heat(Simulator):
    """Diffusion of temperature in two dimensions, as frames.

        du/dt = diffusivity (d2u/dx2 + d2u/dy2)

    Behaviour: every bump decays, the finer the faster; with Neumann or periodic walls the mean is
    constant, and no extreme ever exceeds the initial ones (the maximum principle).

    Solution: exact in time. ``laplacian="5-point"`` is the standard second-order stencil on cell
    centres, diagonal in the DCT-II (Neumann), DST-II (Dirichlet) or FFT (periodic) with
    eigenvalues -(4/h^2)(sin^2(kx h/2) + sin^2(ky h/2)); "spectral" takes -(kx^2 + ky^2), the
    continuum itself for the modes that the grid holds.

    Parameters: ``diffusivity`` m^2/s; ``size`` cells along x and y; ``spacing`` h in m; ``walls``;
    ``laplacian``; ``smoothness`` s of the initial spectrum exp(-s |k|^2), k in radians per cell;
    each initial field is scaled to unit standard deviation. Good value: diffusivity dt / h^2 0.5.

    Source: W. E. Schiesser, The Numerical Method of Lines (1991), chapter 3; eigenvalues G. Strang,
    The discrete cosine transform, SIAM Review 41 (1999), section 2.
    """

    diffusivity: float = 0.5
    size: tuple[int, int] = (32, 32)
    spacing: float = 1.0
    walls: Walls = "neumann"
    laplacian: str = "5-point"
    smoothness: float = 2.0

    channels: ClassVar = (Channel("temperature", "K"),)
    varying: ClassVar = ("diffusivity", "smoothness")

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", tuple(self.size))
        require_positive(
            diffusivity=self.diffusivity, spacing=self.spacing, smoothness=self.smoothness
        )
        require_size(self.size, 2)
        require_choice(tuple(_TRANSFORMS), walls=self.walls)
        require_choice(("5-point", "spectral"), laplacian=self.laplacian)

    @property
    def shape(self) -> tuple[int, ...]:
        return (1, *self.size)

    @property
    def coordinates(self) -> dict[str, np.ndarray]:
        return {
            a: (np.arange(n) + 0.5) * self.spacing for a, n in zip("xy", self.size, strict=True)
        }

    @property
    def solver(self) -> str:
        return f"exact in time, {self.laplacian} Laplacian"

    @cached_property
    def wavenumbers(self) -> tuple[np.ndarray, np.ndarray]:
        """Radians per cell of each mode along x (H, 1) and y (1, W)."""

        def axis(n: int) -> np.ndarray:
            if self.walls == "periodic":
                return 2 * np.pi * fft.fftfreq(n)
            return np.pi * (np.arange(n) + (self.walls == "dirichlet")) / n

        return axis(self.size[0])[:, None], axis(self.size[1])[None, :]

    @cached_property
    def eigenvalues(self) -> np.ndarray:
        """Of the Laplacian for each mode, (H, W), in 1/m^2, never positive."""
        kx, ky = self.wavenumbers
        if self.laplacian == "spectral":
            return -(kx**2 + ky**2) / self.spacing**2
        return -4 * (np.sin(kx / 2) ** 2 + np.sin(ky / 2) ** 2) / self.spacing**2

    def initial(self, rng: np.random.Generator) -> np.ndarray:
        kx, ky = self.wavenumbers
        forward, inverse = _TRANSFORMS[self.walls]
        noise = forward(rng.normal(size=self.size), norm="ortho")
        field = inverse(noise * np.exp(-self.smoothness * (kx**2 + ky**2)), norm="ortho").real
        return (field / field.std())[None]

    def invariants(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """Mean temperature (K) where no heat leaves, and by how much (K) extremes are exceeded."""
        space = (-3, -2, -1)
        found = {}
        if self.walls != "dirichlet":
            found["mean temperature"] = x.mean(space)
        if self.laplacian == "5-point":
            high, low = x.max(space), x.min(space)
            top, bottom = high[:, :1], low[:, :1]
            if self.walls == "dirichlet":  # the wall itself is at 0 K
                top, bottom = np.maximum(top, 0.0), np.minimum(bottom, 0.0)
            found["maximum principle"] = np.maximum(np.maximum(high - top, bottom - low), 0.0)
        return found

    def solve(self, x0: np.ndarray, t: np.ndarray) -> np.ndarray:
        forward, inverse = _TRANSFORMS[self.walls]
        axes = (-2, -1)
        modes = forward(x0, axes=axes, norm="ortho")[:, None]
        rate = along(self.diffusivity, modes) * self.eigenvalues
        decay = np.exp(rate * (t - t[0])[:, None, None, None])
        return inverse(modes * decay, axes=axes, norm="ortho").real
