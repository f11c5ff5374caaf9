"""Errors of rollouts, and how long they stay small."""

from typing import Any

import numpy as np

from sirve.metrics.paired import interval

THRESHOLD = 0.4  # standard deviations; the error that ends a valid time where one is named


def over_space(x: np.ndarray) -> tuple[int, ...]:
    """The axes of channels and points."""
    return tuple(range(2, x.ndim))


def shaped(std: np.ndarray, ndim: int) -> np.ndarray:
    """A number a channel, beside states (n, steps, C, *space) of so many axes."""
    return np.asarray(std, dtype=np.float64).reshape(-1, *[1] * (ndim - 3))


def mean_state(x: np.ndarray) -> np.ndarray:
    """Mean of each channel over rollouts, steps and points, ``shaped``."""
    return shaped(x.mean(tuple(i for i in range(x.ndim) if i != 2), dtype=np.float64), x.ndim)


def normalised_error(truth: np.ndarray, prediction: np.ndarray, std: np.ndarray) -> np.ndarray:
    """e_k = sqrt(mean over channels and points of ((x - x^) / std_c)^2): (n, steps).

    Where the prediction is not finite, infinite.
    """
    sigma = shaped(std, truth.ndim)
    with np.errstate(all="ignore"):
        squares = ((np.float64(1) * truth - prediction) / sigma) ** 2
        error = np.sqrt(squares.mean(over_space(truth)))
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


def diverged(truth: np.ndarray, prediction: np.ndarray, std: np.ndarray) -> float:
    """Share of rollouts not finite, or beyond 10 standard deviations of the truth's mean."""
    sigma, mean = shaped(std, truth.ndim), mean_state(truth)
    axes = tuple(range(1, truth.ndim))
    with np.errstate(all="ignore"):
        inside = np.abs(prediction - mean) <= 10 * sigma
    return float((~inside.all(axes)).mean())
