"""Scores of rollouts, as functions of arrays. Everything in float64.

``truth`` and ``prediction`` are (n, steps, C, *space) in physical units; ``std`` (C,) is the
standard deviation of each channel over all clean training states. Step k = 1 ... steps lies at
index k - 1, k dt after the last state of the context.
"""

from typing import Any

import numpy as np
from scipy.stats import bootstrap

THRESHOLD = 0.4  # standard deviations; the error that ends a valid time where one is named


def _space(x: np.ndarray) -> tuple[int, ...]:
    return tuple(range(2, x.ndim))


def normalised_error(truth: np.ndarray, prediction: np.ndarray, std: np.ndarray) -> np.ndarray:
    """e_k = sqrt(mean over channels and points of ((x - x^) / std_c)^2): (n, steps).

    Where the prediction is not finite, infinite.
    """
    sigma = np.asarray(std, dtype=np.float64).reshape(-1, *[1] * (truth.ndim - 3))
    with np.errstate(all="ignore"):
        squares = ((np.float64(1) * truth - prediction) / sigma) ** 2
        error = np.sqrt(squares.mean(_space(truth)))
    return np.where(np.isfinite(error), error, np.inf)


def vrmse(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """sqrt(mean over space of (x - x^)^2 / var over space of x), mean over channels: (n, steps).

    Fields only: each truth frame's own spatial deviation is the unit, so the frame's mean scores
    1. A flat frame has no such unit: infinite. (The Well adds 1e-7 to the variance and divides by
    n - 1 points; ohana et al. 2024, section 4.)
    """
    axes = tuple(range(3, truth.ndim))
    with np.errstate(all="ignore"):
        squares = ((np.float64(1) * truth - prediction) ** 2).mean(axes)
        score = np.sqrt(squares / truth.var(axes, dtype=np.float64)).mean(2)
    return np.where(np.isfinite(score), score, np.inf)


def or_null(value: Any) -> float | None:
    """A number as JSON holds it: null, never an invented one, for what could not be computed."""
    return float(value) if np.isfinite(value) else None


def nrmse(error: np.ndarray) -> np.ndarray:
    """sqrt(mean over rollouts of e_k^2): (steps,)."""
    with np.errstate(all="ignore"):
        return np.sqrt((error**2).mean(0))


def valid_steps(error: np.ndarray, threshold: float) -> np.ndarray:
    """Number of leading steps with e <= threshold of each rollout: (n,) whole numbers."""
    crossed = ~(error <= threshold)
    return np.where(crossed.any(1), crossed.argmax(1), error.shape[1])


def valid_time(error: np.ndarray, threshold: float, dt: float, unit: float) -> dict[str, float]:
    """Median and mean valid time in units of ``unit``, with a 95 % interval of the median.

    A rollout that never crosses counts its whole length and adds to ``censored``.
    """
    steps = valid_steps(error, threshold)
    times = steps * dt / unit
    low, high = interval(times)
    return {
        "median": float(np.median(times)),
        "mean": float(times.mean()),
        "low": low,
        "high": high,
        "censored": int((steps == error.shape[1]).sum()),
    }


def interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Bootstrap percentile interval of the median over initial conditions (fixed seed)."""
    if len(values) < 2 or np.ptp(values) == 0:
        return float(np.median(values)), float(np.median(values))
    result = bootstrap(
        (values,),
        np.median,
        confidence_level=level,
        n_resamples=2000,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return float(result.low), float(result.high)


def diverged(truth: np.ndarray, prediction: np.ndarray, std: np.ndarray) -> float:
    """Share of rollouts not finite, or beyond 10 standard deviations of the truth's mean."""
    shape = (-1, *[1] * (truth.ndim - 3))
    sigma = np.asarray(std, dtype=np.float64).reshape(shape)
    axes = tuple(i for i in range(truth.ndim) if i != 2)
    mean = truth.mean(axes, dtype=np.float64).reshape(shape)
    axes = tuple(range(1, truth.ndim))
    with np.errstate(all="ignore"):
        inside = np.abs(prediction - mean) <= 10 * sigma
    return float((~inside.all(axes)).mean())


# Definitions of other projects, under their own names; see docs/metrics.md.


def vpt_chepuri(
    truth: np.ndarray, prediction: np.ndarray, std: np.ndarray, dt: float, unit: float
) -> float:
    """Median time to ||x - x^|| / sqrt(mean_t ||x||^2) > 0.9, standardised about the truth's mean.

    Source: hybrid_RC_NGRC, prediction_analysis.py (Chepuri et al., Chaos 34 (2024)).
    """
    axes = tuple(i for i in range(truth.ndim) if i != 2)
    shape = (-1, *[1] * (truth.ndim - 3))
    sigma = np.asarray(std, dtype=np.float64).reshape(shape)
    centred = (truth - truth.mean(axes, dtype=np.float64).reshape(shape)) / sigma
    size = np.sqrt((centred**2).sum(_space(truth)).mean(1, keepdims=True))
    points = np.prod(truth.shape[2:])
    error = normalised_error(truth, prediction, std) * np.sqrt(points) / size
    return float(np.median(valid_steps(error, 0.9)) * dt / unit)


def nrmse_frame(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """sum over channels of ||x_c - x^_c|| / ||x_c||, mean over rollouts: (steps,).

    Source: APEBench's mean_nRMSE (exponax, metrics/_spatial.py).
    """
    axes = tuple(range(3, truth.ndim))
    with np.errstate(all="ignore"):
        difference = np.float64(1) * truth - prediction
        squares = (difference**2).sum(axes) / (np.float64(1) * truth**2).sum(axes)
        return np.sqrt(squares).sum(2).mean(0)


def correlated_steps(truth: np.ndarray, prediction: np.ndarray, level: float = 0.8) -> float:
    """Number of steps whose Pearson correlation over channels and space exceeds ``level``.

    The mean over rollouts of that count (not the first crossing). Source: PDEArena,
    modules/loss.py (Gupta, Brandstetter 2022).
    """
    axes = _space(truth)
    with np.errstate(all="ignore"):
        a = truth - truth.mean(axes, keepdims=True, dtype=np.float64)
        b = prediction - prediction.mean(axes, keepdims=True, dtype=np.float64)
        pearson = (a * b).mean(axes) / np.sqrt((a**2).mean(axes) * (b**2).mean(axes))
        return float((pearson > level).sum(1).mean())
