"""All scores of a forecast or an ensemble in the form of metrics.json, computed from arrays.

``truth`` and ``prediction`` are (n, steps, C, *space) in physical units, and ``std`` is (C,).
docs/metrics.md defines each name. A run and the command that scores its rollouts.h5 again use the
same functions.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from sirve import metrics
from sirve.metrics import ensemble as probabilistic

THRESHOLDS = (0.3, 0.4, 0.5, 0.9)
HORIZONS = (1, 10, 50, 100, 200, 500, 1000, 2000, 5000, 10000)
LEVELS = (0.5, 0.9)  # probabilities of central intervals
CORRELATED = 0.8  # correlation level

Scores = dict[str, Any]


def at_horizons(values: np.ndarray) -> dict[str, float | None]:
    """Return the values (steps,) at each horizon that they reach."""
    return {str(h): metrics.or_null(values[h - 1]) for h in HORIZONS if h <= len(values)}


def error_scores(error: np.ndarray, dt: float, unit: float) -> Scores:
    """Return the scores that follow from e_k (n, steps) alone."""
    return {
        "nrmse": at_horizons(metrics.nrmse(error)),
        "median_error": at_horizons(np.median(error, axis=0)),
        "valid_time": {
            str(level): metrics.valid_time(error, level, dt, unit) for level in THRESHOLDS
        },
    }


def field_scores(truth: np.ndarray, prediction: np.ndarray) -> Scores:
    """Return the scores of fields that need no standard deviation; {} for vectors."""
    if truth.ndim == 3:
        return {}
    return {
        "vrmse": at_horizons(metrics.vrmse(truth, prediction).mean(0)),
        "peers": {
            "nrmse_frame": at_horizons(metrics.nrmse_frame(truth, prediction)),
            f"correlated_steps_{CORRELATED}": metrics.correlated_steps(
                truth, prediction, CORRELATED
            ),
        },
    }


def forecast_scores(
    truth: np.ndarray,
    prediction: np.ndarray,
    error: np.ndarray,
    std: np.ndarray,
    dt: float,
    unit: float,
) -> Scores:
    """Return all scores of a forecast with errors e_k (n, steps), without those of invariants."""
    fields = field_scores(truth, prediction)
    chepuri = metrics.vpt_chepuri(truth, prediction, std, dt, unit)
    return {
        **error_scores(error, dt, unit),
        **fields,
        "diverged": metrics.diverged(truth, prediction, std),
        "peers": {"vpt_chepuri_0.9": chepuri, **fields.get("peers", {})},
    }


def drift(path: np.ndarray) -> float | None:
    """Return the median over rollouts of the largest change of a quantity (n, steps + 1)."""
    with np.errstate(all="ignore"):
        return metrics.or_null(np.median(np.abs(path - path[:, :1]).max(1)))


def member_scores(
    ensemble: np.ndarray, truth: np.ndarray, prediction: np.ndarray, std: np.ndarray
) -> dict[str, np.ndarray]:
    """Return the scores of an ensemble for each rollout and step, (n, steps).

    They are in standard deviations. The arrays ``mean`` and ``spread`` (n, steps, ...) are in
    physical units.

    Args:
        ensemble: (m, n, steps, C, *space).
        truth: (n, steps, C, *space).
        prediction: of the deterministic forecast, of the same shape.
        std: (C,).
    """
    sigma, points = metrics.shaped(std, truth.ndim), tuple(range(2, truth.ndim))
    with np.errstate(all="ignore"):
        mean = ensemble.mean(0, dtype=np.float64)
        spread = probabilistic.standard_deviation(ensemble)
        found = {
            "mean": mean,
            "spread": spread,
            "error": metrics.normalised_error(truth, mean, std),
            "spread_size": probabilistic.root_mean_square(spread, std),
            "crps": (probabilistic.crps(ensemble, truth) / sigma).mean(points),
            "absolute_error": (np.abs(prediction - truth) / sigma).mean(points),
            "log_likelihood": (probabilistic.log_likelihood(ensemble, truth) + np.log(sigma)).mean(
                points
            ),
        }
    for level in LEVELS:
        if probabilistic.least_members(level) <= len(ensemble):
            found[f"coverage_{level}"] = probabilistic.covered(ensemble, truth, level).mean(points)
    return found


def ensemble_scores(
    arrays: Mapping[str, np.ndarray],
    truth: np.ndarray,
    deterministic: np.ndarray,
    members: int,
    dt: float,
    unit: float,
) -> Scores:
    """Return the entry of an ensemble in metrics.json, over all rollouts.

    Args:
        arrays: the result of ``member_scores``.
        truth: (n, steps, C, *space).
        deterministic: errors (n, steps) of the deterministic forecast.
        members: m.
        dt: time of a step.
        unit: the unit of times, in the unit of dt.
    """
    unknown = np.full(deterministic.shape[1], np.nan)

    def mean(name: str) -> dict[str, float | None]:
        return at_horizons(arrays[name].mean(0) if name in arrays else unknown)

    spread, error = arrays["spread_size"], arrays["error"]
    with np.errstate(all="ignore"):
        standardised = unknown
        if members > 3:
            standardised = probabilistic.standardised_error(
                arrays["mean"], arrays["spread"], truth, members
            )
        trusted = metrics.valid_steps(spread, metrics.THRESHOLD)
        valid = metrics.valid_steps(deterministic, metrics.THRESHOLD)
        return {
            "crps": mean("crps"),
            "absolute_error": mean("absolute_error"),
            "spread": at_horizons(metrics.nrmse(spread)),
            "error": at_horizons(metrics.nrmse(error)),
            "spread_over_error": at_horizons(
                probabilistic.spread_over_error(spread, error, members)
            ),
            "standardised_error": at_horizons(standardised),
            "coverage": {str(level): mean(f"coverage_{level}") for level in LEVELS},
            "log_likelihood": mean("log_likelihood"),
            "trusted_time": metrics.valid_time(spread, metrics.THRESHOLD, dt, unit),
            "trusted_over_valid": {
                name: float(np.quantile((trusted + 1) / (valid + 1), share))
                for name, share in (("low", 0.05), ("median", 0.5), ("high", 0.95))
            },
        }
