"""Forecasts that look like some and are none: that freeze, copy what was last seen, or blur."""

import numpy as np

from sirve.metrics.bands import band_energy
from sirve.metrics.error import shaped

STILL = 0.01  # share of the truth's increments below which a forecast has frozen
FLAT = 0.25  # share of the truth's energy in the high band below which it has blurred


def freezes(truth: np.ndarray, prediction: np.ndarray, std: np.ndarray) -> float:
    """Share of rollouts that stand still: whose increments are below 0.01 of the truth's.

    In deviations, root mean square over channels, points and the last half of the steps, of which
    there are at least four.
    """
    half = truth.shape[1] // 2
    with np.errstate(all="ignore"):
        a, b = (_size(np.diff(x[:, half:], axis=1), std) for x in (truth, prediction))
        return float((b < STILL * a).mean())


def copies(truth: np.ndarray, prediction: np.ndarray, last: np.ndarray, std: np.ndarray) -> float:
    """Share of rollouts that are nearer to what was last seen than to the truth.

    ``last`` (n, C, *space) is the last state of the context, distances are root mean squares over
    steps; and the truth has moved away from it by more than the forecast.
    """
    with np.errstate(all="ignore"):
        moved = _size(truth - last[:, None], std)
        copied = _size(prediction - last[:, None], std)
        wrong = _size(np.float64(1) * truth - prediction, std)
        return float(((copied < wrong) & (copied < moved)).mean())


def blurs(truth: np.ndarray, prediction: np.ndarray, std: np.ndarray) -> float:
    """Share of rollouts that have lost what is fine: below 0.25 of the truth's energy there.

    Mean over steps of the energy in the high band of ``band_energy``. Raises ValueError for
    vectors.
    """
    a, b = (band_energy(x, std)["high"].mean(1) for x in (truth, prediction))
    return float((b < FLAT * a).mean())


def _size(x: np.ndarray, std: np.ndarray) -> np.ndarray:
    """Root mean square of x / std over all but the first axis; NaN and infinite stay so."""
    scaled = np.float64(1) * x / shaped(std, x.ndim)
    return np.asarray(np.sqrt((scaled**2).mean(tuple(range(1, x.ndim)))))
