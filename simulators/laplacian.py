"""The Laplacian on a rectangle of cells, diagonal in cosines, sines or complex exponentials."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import fft

from simulators.base import Boundary, require_choice, require_positive, require_size

_TRANSFORMS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "neumann": (fft.dctn, fft.idctn),  # DCT-II: cell centres, mirrored at the boundary
    "dirichlet": (fft.dstn, fft.idstn),  # DST-II: cell centres, zero on the boundary
    "periodic": (fft.fftn, fft.ifftn),
}


@dataclass(frozen=True)
class Laplacian:
    """The Laplacian d2/dx2 + d2/dy2 on a grid of cells, by its orthonormal modes.

    Args:
        size: number of cells along x and y.
        spacing: width h of a cell, m.
        boundary: "neumann", "dirichlet" or "periodic".
        scheme: "5-point", the standard second-order stencil on cell centres, of eigenvalues
            -(4/h^2)(sin^2(kx h/2) + sin^2(ky h/2)); or "spectral", -(kx^2 + ky^2), which is exact
            for the modes that the grid holds.

    Source: G. Strang, The discrete cosine transform, SIAM Review 41 (1999), section 2.
    """

    size: tuple[int, int]
    spacing: float
    boundary: Boundary
    scheme: str = "5-point"

    def __post_init__(self) -> None:
        require_size(self.size, 2)
        require_positive(spacing=self.spacing)
        require_choice(tuple(_TRANSFORMS), boundary=self.boundary)
        require_choice(("5-point", "spectral"), laplacian=self.scheme)

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Return the amplitudes of the modes of x (..., H, W), complex for a periodic boundary."""
        return _TRANSFORMS[self.boundary][0](x, axes=(-2, -1), norm="ortho")

    def inverse(self, modes: np.ndarray) -> np.ndarray:
        """Return the real field (..., H, W) of these amplitudes."""
        return _TRANSFORMS[self.boundary][1](modes, axes=(-2, -1), norm="ortho").real

    @cached_property
    def wavenumbers(self) -> tuple[np.ndarray, np.ndarray]:
        """The wavenumbers of the modes along x (H, 1) and y (1, W), in radians per cell."""

        def axis(n: int) -> np.ndarray:
            if self.boundary == "periodic":
                return 2 * np.pi * fft.fftfreq(n)
            return np.pi * (np.arange(n) + (self.boundary == "dirichlet")) / n

        return axis(self.size[0])[:, None], axis(self.size[1])[None, :]

    @cached_property
    def eigenvalues(self) -> np.ndarray:
        """The eigenvalue of each mode, (H, W), in 1/m^2; never positive."""
        kx, ky = self.wavenumbers
        if self.scheme == "spectral":
            return -(kx**2 + ky**2) / self.spacing**2
        return -4 * (np.sin(kx / 2) ** 2 + np.sin(ky / 2) ** 2) / self.spacing**2

    def sample_modes(self, rng: np.random.Generator, smoothness: float) -> np.ndarray:
        """Sample a Gaussian random field: amplitudes of modes, damped by exp(-smoothness |k|^2).

        k is in radians per cell.
        """
        kx, ky = self.wavenumbers
        white = self.forward(rng.normal(size=self.size))
        return white * np.exp(-smoothness * (kx**2 + ky**2))

    @property
    def coordinates(self) -> dict[str, np.ndarray]:
        """The cell centres along each axis, in m."""
        return {
            a: (np.arange(n) + 0.5) * self.spacing for a, n in zip("xy", self.size, strict=True)
        }
