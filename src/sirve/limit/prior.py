"""The prior of a fit: mean and covariance of the training states, by independent coordinates."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import fft

from simulators.base import Boundary

LEAST = 1e-10  # variance of a coordinate that is left out, as share of the largest


@dataclass(frozen=True)
class Prior:
    """A normal distribution of states x = mean + factor z, with z of independent unit variance.

    A field is homogeneous but for its mean: its Fourier modes (periodic), cosines (Neumann) or
    sines (Dirichlet) are independent, and the channels of one mode are correlated. The channels of
    a vector are correlated.

    Args:
        mean: (C, *space).
        factor: (M, C, C), a root of the covariance of the channels of each of M modes; M is 1 for
            a vector.
        boundary: of a field, None for a vector.
    """

    mean: np.ndarray
    factor: np.ndarray
    boundary: Boundary | None

    @staticmethod
    def of(x: np.ndarray, boundary: Boundary | None) -> "Prior":
        """Return the prior estimated from training states x (S, C, *space)."""
        mean = _mean(x) if x.ndim > 2 else x.mean(0)
        modes = transform(x - mean, boundary).reshape(*x.shape[:2], -1)
        covariance = np.einsum("scm,sdm->mcd", modes, modes) / len(x)
        scale = np.sqrt(np.einsum("mcc->c", covariance) / len(covariance))
        scale[scale == 0] = 1.0
        values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
        values[values < LEAST * values.max()] = 0.0
        factor = scale[:, None] * vectors * np.sqrt(values)[:, None, :]
        return Prior(mean, factor, boundary)

    @cached_property
    def used(self) -> np.ndarray:
        """Mask (M, C) of the coordinates (mode, j) that change the state."""
        return np.asarray((self.factor != 0).any(1))

    @property
    def size(self) -> int:
        """The number P of coordinates that change the state."""
        return int(self.used.sum())

    @cached_property
    def columns(self) -> np.ndarray:
        """The change of the state by each coordinate: (P, C, *space)."""
        mode, j = np.nonzero(self.used)
        modes = np.zeros((len(mode), len(self.mean), len(self.factor)))
        modes[np.arange(len(mode)), :, mode] = self.factor[mode, :, j]
        return transform(modes.reshape(-1, *self.mean.shape), self.boundary, back=True)

    def states(self, z: np.ndarray) -> np.ndarray:
        """Return the states (B, C, *space) of coordinates z (B, P)."""
        return self.mean + np.tensordot(z, self.columns, 1)


def _mean(x: np.ndarray) -> np.ndarray:
    """Return the mean field, drawn towards the mean of each channel as far as it is noise.

    Source: W. James, C. Stein, Proc. 4th Berkeley Symp. 1 (1961), the positive part.
    """
    space = tuple(range(2, x.ndim))
    field, level = x.mean(0), x.mean((0, *space))[(...,) + (None,) * len(space)]
    noise = x.var(0).mean() / len(x)
    spread = ((field - level) ** 2).mean()
    share = max(0.0, 1 - 5 * noise / spread) if spread > 0 else 0.0  # states near are correlated
    return np.asarray(level + share * (field - level))


def transform(x: np.ndarray, boundary: Boundary | None, back: bool = False) -> np.ndarray:
    """Return the orthonormal real modes of fields x (..., C, *space), or the fields of modes.

    The modes of a periodic field are those of Hartley, Re F - Im F of its Fourier transform F, an
    inverse of itself.
    """
    axes: Any = tuple(range(2, x.ndim))
    if boundary is None:
        return x
    if boundary == "periodic":
        modes = fft.fftn(x, axes=axes, norm="ortho")
        return modes.real - modes.imag
    forward, inverse = {
        "neumann": (fft.dctn, fft.idctn),
        "dirichlet": (fft.dstn, fft.idstn),
    }[boundary]
    return np.asarray((inverse if back else forward)(x, axes=axes, norm="ortho"))
