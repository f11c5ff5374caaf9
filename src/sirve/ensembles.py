"""Scoring an ensemble over the test set: a few starts at a time, so that memory is bounded."""

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from sirve import metrics, probabilistic
from sirve.cores.spread import spread_of
from sirve.evaluate import HORIZONS, Result, Test
from sirve.forecaster import Forecaster
from sirve.likelihood import negative_log_density
from sirve.progress import track
from sirve.rollout import forced

LEVELS = (0.5, 0.9)  # of central intervals
FAN = (0.05, 0.25, 0.5, 0.75, 0.95)  # quantiles of the first channel of a vector, for the report
ROOM = 2**25  # numbers of the members held at once


@dataclass
class Judged:
    """``entry`` is metrics.json's; ``arrays`` are rollouts.h5's, by their names there."""

    entry: dict[str, Any]
    arrays: dict[str, np.ndarray] = field(default_factory=dict)


def judge(forecaster: Forecaster, test: Test, result: Result, members: int, seed: int) -> Judged:
    """Sample ``members`` futures of each test context and score them against the clean truth.

    ``result`` is that of the deterministic forecast, beside which they are scored. Definitions:
    docs/metrics.md.
    """
    start = time.perf_counter()
    parts: list[dict[str, np.ndarray]] = []
    shares = _shares(test, members)
    for at in track(shares, "ensemble", len(shares)):
        known = {name: values[at] for name, values in test.known.items()}
        draw = int(np.random.SeedSequence(seed, spawn_key=(at.start,)).generate_state(1)[0])
        ensemble = forecaster.ensemble(
            test.seen[at, : test.context], test.steps, members, draw, known
        )
        parts.append(_scores(ensemble, test.truth[at], result.prediction[at], test.std))
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    mean, spread = arrays["mean"], arrays["spread"]
    standardised = probabilistic.standardised_error(mean, spread, test.truth, members)
    seconds = (time.perf_counter() - start) / test.steps
    entry = {
        "members": members,
        "spread_kind": spread_of(forecaster.core),
        **_entry(arrays, test, members, result.error, standardised),
        "one_step_log_likelihood": one_step_log_likelihood(forecaster, test),
        "seconds_per_step": seconds,
    }
    kept = ("mean", "spread", "spread_size", "error", "crps", "fan")
    kind = test.clean.dtype
    return Judged(entry, {f"ensemble/{k}": arrays[k].astype(kind) for k in kept if k in arrays})


def _shares(test: Test, members: int) -> list[slice]:
    n, size = len(test.truth), members * test.truth[0].size
    some = max(1, ROOM // size)
    return [slice(first, min(first + some, n)) for first in range(0, n, some)]


def _scores(
    ensemble: np.ndarray, truth: np.ndarray, prediction: np.ndarray, std: np.ndarray
) -> dict[str, np.ndarray]:
    """Per rollout and step, in standard deviations; ``mean`` and ``spread`` in physical units."""
    shape = (-1, *[1] * (truth.ndim - 3))
    sigma = np.asarray(std, np.float64).reshape(shape)
    points = tuple(range(2, truth.ndim))
    with np.errstate(all="ignore"):
        mean = ensemble.mean(0, dtype=np.float64)
        spread = probabilistic.deviation(ensemble)
        found = {
            "mean": mean,
            "spread": spread,
            "error": metrics.normalised_error(truth, mean, std),
            "spread_size": probabilistic.size(spread, std),
            "crps": (probabilistic.crps(ensemble, truth) / sigma).mean(points),
            "absolute_error": (np.abs(prediction - truth) / sigma).mean(points),
            "log_likelihood": (probabilistic.log_likelihood(ensemble, truth) + np.log(sigma)).mean(
                points
            ),
        }
    for level in LEVELS:
        if probabilistic.least_members(level) <= len(ensemble):
            found[f"coverage_{level}"] = probabilistic.covered(ensemble, truth, level).mean(points)
    if truth.ndim == 3:
        found["fan"] = np.moveaxis(np.quantile(ensemble[..., 0], FAN, axis=0), 0, -1)
    return found


def _entry(
    arrays: dict[str, np.ndarray],
    test: Test,
    members: int,
    deterministic: np.ndarray,
    standardised: np.ndarray,
) -> dict[str, Any]:
    horizons = [h for h in HORIZONS if h <= test.steps]

    def at(values: np.ndarray) -> dict[str, float | None]:
        return {str(h): metrics.or_null(values[h - 1]) for h in horizons}

    unknown = np.full(test.steps, np.nan)

    def mean(name: str) -> dict[str, float | None]:
        return at(arrays[name].mean(0) if name in arrays else unknown)

    spread, error = arrays["spread_size"], arrays["error"]
    with np.errstate(all="ignore"):
        trusted = metrics.valid_steps(spread, metrics.THRESHOLD)
        held = metrics.valid_steps(deterministic, metrics.THRESHOLD)
        return {
            "crps": mean("crps"),
            "absolute_error": mean("absolute_error"),
            "spread": at(metrics.nrmse(spread)),
            "error": at(metrics.nrmse(error)),
            "spread_over_error": at(probabilistic.spread_over_error(spread, error, members)),
            "standardised_error": at(standardised if members > 3 else unknown),
            "coverage": {str(level): mean(f"coverage_{level}") for level in LEVELS},
            "log_likelihood": mean("log_likelihood"),
            "trusted_time": metrics.valid_time(
                spread, metrics.THRESHOLD, test.info.dt, test.info.unit
            ),
            "trusted_over_valid": {
                name: float(np.quantile((trusted + 1) / (held + 1), share))
                for name, share in (("low", 0.05), ("median", 0.5), ("high", 0.95))
            },
        }


@torch.inference_mode()
def one_step_log_likelihood(forecaster: Forecaster, test: Test) -> float | None:
    """Mean of log p(x_t | past) of each component over the test states after the context.

    By the chain rule, that is log p of the trajectory for each of its numbers; normalised units.
    """
    core, state, total, count = forecaster.core, None, 0.0, 0
    for times, early in forced(test.seen.shape[1] - 1, test.context):
        x = forecaster.states(test.seen[:, times.start : times.stop + 1], test.known)
        y, log_deviation, state = core.distribution(x[:, :-1], state)
        terms = negative_log_density(core, x[:, 1:], y, log_deviation)[:, early:]
        total, count = total - float(terms.double().sum()), count + terms.numel()
    return metrics.or_null(total / count)
