"""Definitions of other projects, under their own names; docs/metrics.md says how ours differ."""

import numpy as np

from sirve.metrics.error import mean_state, normalised_error, over_space, shaped, valid_steps


def vpt_chepuri(
    truth: np.ndarray, prediction: np.ndarray, std: np.ndarray, dt: float, unit: float
) -> float:
    """Median time to ||x - x^|| / sqrt(mean_t ||x||^2) > 0.9, standardised about the truth's mean.

    Source: hybrid_RC_NGRC, prediction_analysis.py (Chepuri et al., Chaos 34 (2024)).
    """
    centred = (truth - mean_state(truth)) / shaped(std, truth.ndim)
    size = np.sqrt((centred**2).sum(over_space(truth)).mean(1, keepdims=True))
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
    axes = over_space(truth)
    with np.errstate(all="ignore"):
        a = truth - truth.mean(axes, keepdims=True, dtype=np.float64)
        b = prediction - prediction.mean(axes, keepdims=True, dtype=np.float64)
        pearson = (a * b).mean(axes) / np.sqrt((a**2).mean(axes) * (b**2).mean(axes))
        return float((pearson > level).sum(1).mean())
