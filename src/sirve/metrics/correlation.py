"""Correlation of a forecast with the truth, and for how long it stays high."""

import numpy as np

from sirve.metrics.error import over_space, valid_time


def pearson(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Return Pearson's correlation over channels and space of each state: (n, steps), -1 to 1.

    It is 0 where a state does not vary or is not finite. It is meant for fields: a correlation over
    channels of different units has little meaning. K. Pearson (1895).
    """
    axes = over_space(truth)
    with np.errstate(all="ignore"):
        a = truth - truth.mean(axes, keepdims=True, dtype=np.float64)
        b = prediction - prediction.mean(axes, keepdims=True, dtype=np.float64)
        found = (a * b).mean(axes) / np.sqrt((a**2).mean(axes) * (b**2).mean(axes))
    return np.where(np.isfinite(found), found, 0.0)


def correlation_time(
    correlation: np.ndarray, level: float, dt: float, unit: float
) -> dict[str, float]:
    """Return the time before ``pearson`` (n, steps) first falls below ``level``.

    The keys and the time unit are those of ``valid_time``.

    Sources: D. Kochkov et al., PNAS 118 (2021), with 0.95 of the vorticity; P. Lippe et al.,
    PDE-Refiner, NeurIPS 36 (2023), with 0.8, whose code is ``correlated_steps``.
    """
    return valid_time(-correlation, -level, dt, unit)
