"""Scores as other projects define them; docs/metrics.md explains how ours differ."""

import numpy as np

from sirve.metrics.correlation import pearson
from sirve.metrics.error import mean_state, normalised_error, over_space, shaped, valid_steps


def vpt_chepuri(
    truth: np.ndarray, prediction: np.ndarray, std: np.ndarray, dt: float, unit: float
) -> float:
    """Return the median time to ||x - x^|| / sqrt(mean_t ||x||^2) > 0.9, of standardised states.

    States are standardised about the mean of the truth.

    Source: hybrid_RC_NGRC, prediction_analysis.py (Chepuri et al., Chaos 34 (2024)).
    """
    centred = (truth - mean_state(truth)) / shaped(std, truth.ndim)
    size = np.sqrt((centred**2).sum(over_space(truth)).mean(1, keepdims=True))
    points = np.prod(truth.shape[2:])
    with np.errstate(all="ignore"):  # the truth may be constant
        error = normalised_error(truth, prediction, std) * np.sqrt(points) / size
    return float(np.median(valid_steps(error, 0.9)) * dt / unit)


def nrmse_frame(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Return the sum over channels of ||x_c - x^_c|| / ||x_c||, averaged over rollouts: (steps,).

    Source: APEBench's mean_nRMSE (exponax, metrics/_spatial.py).
    """
    axes = tuple(range(3, truth.ndim))
    with np.errstate(all="ignore"):
        difference = np.float64(1) * truth - prediction
        squares = (difference**2).sum(axes) / (np.float64(1) * truth**2).sum(axes)
        return np.sqrt(squares).sum(2).mean(0)


def smape(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Return the symmetric error 200 mean |x - x^| / (|x| + |x^|) over the last axis, 0 to 200.

    Two zeros have no error; a value that is not finite has the largest. The score depends on the
    origin of x: an offset improves any forecast.

    Source: W. Gilpin, Chaos as an interpretable benchmark for forecasting and data-driven
    modelling, NeurIPS Datasets and Benchmarks (2021). The results stored with dysts have this form;
    the current dysts.metrics.smape gives half of it.
    """
    with np.errstate(all="ignore"):
        difference = np.abs(np.float64(1) * truth - prediction)
        size = np.abs(truth) + np.abs(prediction)
        share = np.divide(difference, size, out=np.zeros_like(difference), where=size != 0)
    return np.asarray(200 * np.where(np.isfinite(share), share, 1.0).mean(-1))


def vpt_vlachas(error: np.ndarray, dt: float, unit: float, threshold: float = 0.5) -> float:
    """Return the mean time before e_k >= ``threshold``, for ``error`` e_k (n, steps).

    ``valid_time`` gives the median as well, and a step at the threshold still counts there.

    Source: P. Vlachas et al., Neural
    Networks 126 (2020), RNN-RC-Chaos, getNumberOfAccuratePredictions.
    """
    return float(valid_steps(error, np.nextafter(threshold, 0)).mean() * dt / unit)


def vpt_magrilab(
    truth: np.ndarray, prediction: np.ndarray, dt: float, unit: float, threshold: float = 0.4
) -> float:
    """Return the median time before the error of all steps so far exceeds ``threshold``.

        sqrt(mean_{j <= k} (x - x^)^2 / s_k), s_k the standard deviation of all numbers of x up to k

    The mean is over steps and components. It is divided by a standard deviation, not by its square,
    so the result depends on the unit of x.

    Source: MagriLab's Tutorials, dynamicalsystems/metrics.py (nrmse, vpt).
    """
    flat = np.float64(1) * truth.reshape(*truth.shape[:2], -1)
    with np.errstate(all="ignore"):
        squares = ((flat - prediction.reshape(flat.shape)) ** 2).mean(2)
        steps = np.arange(1, truth.shape[1] + 1)
        centre = flat.mean((1, 2), keepdims=True)  # numbers stay small, so no digits are lost
        first, second = (((flat - centre) ** power).mean(2).cumsum(1) / steps for power in (1, 2))
        error = np.sqrt(squares.cumsum(1) / steps / np.sqrt(np.maximum(second - first**2, 0)))
    error = np.where(squares.cumsum(1) == 0, 0.0, np.where(np.isnan(error), np.inf, error))
    return float(np.median(valid_steps(error, threshold)) * dt / unit)


def correlated_steps(truth: np.ndarray, prediction: np.ndarray, level: float = 0.8) -> float:
    """Return the number of steps at which ``pearson``, averaged over rollouts, exceeds ``level``.

    All such steps count, also those after the correlation has been lower.

    Source: PDEArena, modules/loss.py and models/pderefiner.py, time_till_corr_lower.
    """
    return float((pearson(truth, prediction).mean(0) > level).sum())
