"""Errors of fields by wavenumber: which scales does a forecast lose first?"""

import numpy as np
from scipy.fft import dctn

from sirve.metrics.error import shaped

# Upper ends, in shares of the highest wavenumber of one axis; the constant is a separate band.
BANDS = {"mean": 0.0, "low": 1 / 8, "middle": 3 / 8, "high": np.inf}


def band_energy(x: np.ndarray, std: np.ndarray) -> dict[str, np.ndarray]:
    """Return the energy of each band of wavenumbers, in units of std^2.

        E_b = sum over k in b of |DCT-II(x / std)_k|^2 / (C points)

    Orthonormal cosines need no periodic boundary, and the bands add up to mean (x / std)^2
    (Parseval). A wavenumber is the length of (k_1 / N_1, k_2 / N_2). A state that is not finite has
    infinite energy in every band.

    Args:
        x: fields (n, steps, C, *space).
        std: standard deviation of each channel, (C,).

    Returns:
        Arrays (n, steps) by the name of the band: mean, low, middle, high.

    Raises:
        ValueError: the states are vectors.
    """
    if x.ndim < 4:
        raise ValueError(f"states of shape {x.shape[2:]} have no wavenumbers; give fields")
    space = tuple(range(3, x.ndim))
    scaled = np.float64(1) * x / shaped(std, x.ndim)
    bad = ~np.isfinite(scaled).all((2, *space))
    power = dctn(np.where(np.isfinite(scaled), scaled, 0.0), axes=space, norm="ortho") ** 2
    lengths = np.meshgrid(*(np.arange(n) / n for n in x.shape[3:]), indexing="ij")
    wavenumber = np.sqrt(sum(k**2 for k in lengths))
    found, below = {}, np.zeros(wavenumber.shape, bool)
    for name, top in BANDS.items():
        inside = (wavenumber <= top) & ~below
        energy = (power * inside).sum((2, *space)) / np.prod(x.shape[2:])
        found[name], below = np.where(bad, np.inf, energy), below | inside
    return found


def band_error(truth: np.ndarray, prediction: np.ndarray, std: np.ndarray) -> dict[str, np.ndarray]:
    """Return the square root of ``band_energy`` of the error; the squares add up to e_k^2.

    Source: The Well's binned spectral error (R. Ohana et al., NeurIPS 2024, appendix), which has
    three bands on a logarithmic scale and periodic transforms.
    """
    with np.errstate(all="ignore"):
        found = band_energy(np.float64(1) * truth - prediction, std)
    return {name: np.sqrt(energy) for name, energy in found.items()}
