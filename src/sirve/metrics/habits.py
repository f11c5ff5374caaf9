"""Trivial forecasts: those that freeze, copy the last observed state, or blur."""

import numpy as np

from sirve.metrics.bands import band_energy
from sirve.metrics.error import shaped

STILL = 0.01  # share of the truth's increments below which a forecast has frozen
FLAT = 0.25  # share of the truth's energy in the high band below which it has blurred


def freezes(truth: np.ndarray, prediction: np.ndarray, std: np.ndarray) -> float:
    """Return the share of rollouts that freeze: their increments are below 0.01 of the truth's.

    Increments are in standard deviations, as a root mean square over channels, points and the last
    half of the steps. There must be at least four steps.
    """
    half = truth.shape[1] // 2
    with np.errstate(all="ignore"):
        a, b = (_size(np.diff(x[:, half:], axis=1), std) for x in (truth, prediction))
        return float((b < STILL * a).mean())


def copies(truth: np.ndarray, prediction: np.ndarray, last: np.ndarray, std: np.ndarray) -> float:
    """Return the share of rollouts that copy the last state of the context.

    They are nearer to it than to the truth, and the truth has moved away from it by more than the
    forecast. Distances are root mean squares over steps. ``last`` is (n, C, *space).
    """
    with np.errstate(all="ignore"):
        moved = _size(truth - last[:, None], std)
        copied = _size(prediction - last[:, None], std)
        wrong = _size(np.float64(1) * truth - prediction, std)
        return float(((copied < wrong) & (copied < moved)).mean())


def blurs(truth: np.ndarray, prediction: np.ndarray, std: np.ndarray) -> float:
    """Return the share of rollouts that blur: their fine scales have under 0.25 of the energy.

    The energy is that of the high band of ``band_energy``, as a mean over steps, compared with the
    truth. Raises ValueError for vectors.
    """
    a, b = (band_energy(x, std)["high"].mean(1) for x in (truth, prediction))
    return float((b < FLAT * a).mean())


def _size(x: np.ndarray, std: np.ndarray) -> np.ndarray:
    """Return the root mean square of x / std over all but the first axis."""
    scaled = np.float64(1) * x / shaped(std, x.ndim)
    return np.asarray(np.sqrt((scaled**2).mean(tuple(range(1, x.ndim)))))
