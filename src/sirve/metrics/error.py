"""Errors of rollouts, and valid times."""

from typing import Any

import numpy as np

from sirve.metrics.paired import interval

THRESHOLD = 0.4  # the default error that ends a valid time, in standard deviations


def over_space(x: np.ndarray) -> tuple[int, ...]:
    """Return the axes of channels and points of x."""
    return tuple(range(2, x.ndim))


def shaped(std: np.ndarray, ndim: int) -> np.ndarray:
    """Reshape a number per channel, (C,), to broadcast with (n, steps, C, *space)."""
    return np.asarray(std, dtype=np.float64).reshape(-1, *[1] * (ndim - 3))


def mean_state(x: np.ndarray) -> np.ndarray:
    """Return the mean of each channel over rollouts, steps and points, as ``shaped``."""
    return shaped(x.mean(tuple(i for i in range(x.ndim) if i != 2), dtype=np.float64), x.ndim)


def normalised_error(truth: np.ndarray, prediction: np.ndarray, std: np.ndarray) -> np.ndarray:
    """Return e_k = sqrt(mean over channels and points of ((x - x^) / std_c)^2): (n, steps).

    It is infinite where the prediction is not finite.
    """
    sigma = shaped(std, truth.ndim)
    with np.errstate(all="ignore"):
        squares = ((np.float64(1) * truth - prediction) / sigma) ** 2
        error = np.sqrt(squares.mean(over_space(truth)))
    return np.where(np.isfinite(error), error, np.inf)


def vrmse(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Return sqrt(mean (x - x^)^2 / var x) over space, averaged over channels: (n, steps).

    For fields. The unit is the spatial standard deviation of each frame of the truth, so the mean
    of a frame scores 1. It is infinite for a constant frame. (The Well adds 1e-7 to the variance
    and divides by n - 1 points: R. Ohana et al., NeurIPS 2024, section 4.)
    """
    axes = tuple(range(3, truth.ndim))
    with np.errstate(all="ignore"):
        squares = ((np.float64(1) * truth - prediction) ** 2).mean(axes)
        score = np.sqrt(squares / truth.var(axes, dtype=np.float64)).mean(2)
    return np.where(np.isfinite(score), score, np.inf)


def or_null(value: Any) -> float | None:
    """Return a number for JSON: null if it could not be computed."""
    return float(value) if np.isfinite(value) else None


def nrmse(error: np.ndarray) -> np.ndarray:
    """Return sqrt(mean over rollouts of e_k^2): (steps,)."""
    with np.errstate(all="ignore"):
        return np.sqrt((error**2).mean(0))


def valid_steps(error: np.ndarray, threshold: float) -> np.ndarray:
    """Return the number of leading steps of each rollout with e <= threshold: (n,)."""
    crossed = ~(error <= threshold)
    return np.where(crossed.any(1), crossed.argmax(1), error.shape[1])


def valid_time(error: np.ndarray, threshold: float, dt: float, unit: float) -> dict[str, float]:
    """Return the valid time of rollouts: median, mean, 95 % interval of the median, censored.

    A rollout is valid for its leading steps with an error up to ``threshold``. One that never
    exceeds it counts with its whole length and adds to ``censored``.

    Args:
        error: e_k, (n, steps).
        threshold: in standard deviations.
        dt: time of a step.
        unit: the unit of the returned times, in the unit of dt.
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
    """Return the share of rollouts not finite or over 10 standard deviations from the mean."""
    sigma, mean = shaped(std, truth.ndim), mean_state(truth)
    axes = tuple(range(1, truth.ndim))
    with np.errstate(all="ignore"):
        inside = np.abs(prediction - mean) <= 10 * sigma
    return float((~inside.all(axes)).mean())
