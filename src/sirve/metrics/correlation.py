"""How long a forecast still looks like the truth, whatever its size."""

import numpy as np

from sirve.metrics.error import over_space, valid_time


def pearson(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Correlation over channels and space of each state: (n, steps), from -1 to 1.

    0 where a state does not vary, or is not finite. K. Pearson (1895); over channels too, which
    makes little sense of unlike units: fields.
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
    """Time before ``pearson`` (n, steps) first falls below ``level``, as ``valid_time`` has it.

    Sources: D. Kochkov et al., PNAS 118 (2021), with 0.95 of the vorticity; P. Lippe et al.,
    PDE-Refiner, NeurIPS 36 (2023), with 0.8, whose code is ``correlated_steps``.
    """
    return valid_time(-correlation, -level, dt, unit)
