"""Power spectra of fields in space and of trajectories in time; both obey Parseval's theorem."""

from collections.abc import Sequence

import numpy as np
from scipy import fft, signal

SEGMENT = 512  # states


def in_space(
    x: np.ndarray, spacing: Sequence[float], boundary: str | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return wavenumbers k (K,), radians per unit of length, and E(k) (..., K).

    ``x`` (..., *space) are fields, ``spacing`` the distances of their cells.

    E(k) dk is the mean square of the modes with a wavenumber within dk around k, in the basis that
    the boundary gives: cosines (neumann), sines (dirichlet), else waves. The mean is left out.
    """
    axes = tuple(range(x.ndim - len(spacing), x.ndim))
    sizes = [x.shape[axis] for axis in axes]
    if boundary in ("neumann", "dirichlet"):
        transform = fft.dctn if boundary == "neumann" else fft.dstn
        first = [np.pi / (n * h) for n, h in zip(sizes, spacing, strict=True)]
        numbers = [np.arange(n) + (boundary == "dirichlet") for n in sizes]
    else:
        transform = fft.fftn
        first = [2 * np.pi / (n * h) for n, h in zip(sizes, spacing, strict=True)]
        numbers = [np.abs(fft.fftfreq(n, 1 / n)) for n in sizes]
    modes = transform(x.astype(np.float64), axes=axes, norm="ortho")
    power = np.abs(modes.reshape(*x.shape[: axes[0]], -1)) ** 2 / modes[(0,) * axes[0]].size
    along = np.meshgrid(*(k * n for k, n in zip(first, numbers, strict=True)), indexing="ij")
    width = max(first)
    shell = np.rint(np.sqrt(sum(k**2 for k in along)) / width).astype(int).ravel()
    rows = power.reshape(-1, power.shape[-1])
    energy = np.stack([np.bincount(shell, row) for row in rows]) / width
    k = width * np.arange(1, energy.shape[1])
    return k, energy[:, 1:].reshape(*x.shape[: axes[0]], -1)


def in_time(x: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Return frequencies f (F,), per unit of time, and P(f) (n, F, C) of trajectories x (n, T, C).

    Welch's estimate with a Hann window; the mean of each segment is left out.
    """
    f, power = signal.welch(x, 1 / step, nperseg=min(SEGMENT, x.shape[1]), axis=1)
    return f[1:], power[:, 1:]
