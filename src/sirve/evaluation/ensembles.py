"""Score an ensemble over the test set, a few rollouts at a time so that memory is bounded."""

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from sirve import metrics
from sirve.cores.spread import spread_kind
from sirve.evaluation.rollouts import Result, Test
from sirve.forecasting.forecaster import Forecaster
from sirve.forecasting.likelihood import negative_log_density
from sirve.forecasting.rollout import forced
from sirve.io.progress import track
from sirve.metrics import scores

FAN = (0.05, 0.25, 0.5, 0.75, 0.95)  # quantiles of the first channel of a vector, for the report
NUMBERS = 2**25  # of all members that are held at once


@dataclass
class EnsembleResult:
    """The scores of an ensemble: ``entry`` for metrics.json, ``arrays`` by name for rollouts.h5."""

    entry: dict[str, Any]
    arrays: dict[str, np.ndarray] = field(default_factory=dict)


def judge(
    forecaster: Forecaster, test: Test, result: Result, members: int, seed: int
) -> EnsembleResult:
    """Sample ``members`` futures of each test context and score them against the clean truth.

    ``result`` is that of the deterministic forecast, with which they are compared. Definitions:
    docs/metrics.md.
    """
    start = time.perf_counter()
    parts: list[dict[str, np.ndarray]] = []
    slices = _slices(test, members)
    for at in track(slices, "ensemble", len(slices)):
        covariates = {name: values[at] for name, values in test.covariates.items()}
        own_seed = int(np.random.SeedSequence(seed, spawn_key=(at.start,)).generate_state(1)[0])
        ensemble = forecaster.ensemble(
            test.seen[at, : test.context], test.steps, members, own_seed, covariates
        )
        found = scores.member_scores(ensemble, test.truth[at], result.prediction[at], test.std)
        if ensemble.ndim == 4:
            found["fan"] = np.moveaxis(np.quantile(ensemble[..., 0], FAN, axis=0), 0, -1)
        parts.append(found)
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    info, truth = test.info, test.truth
    entry = scores.ensemble_scores(arrays, truth, result.error, members, info.dt, info.unit)
    seconds = (time.perf_counter() - start) / test.steps
    entry = {
        "members": members,
        "spread_kind": spread_kind(forecaster.core),
        **entry,
        "one_step_log_likelihood": one_step_log_likelihood(forecaster, test),
        "seconds_per_step": seconds,
    }
    states = ("mean", "spread", "fan")  # as large as the data, so stored in their precision
    kept = {k: x.astype(test.clean.dtype) if k in states else x for k, x in arrays.items()}
    return EnsembleResult(entry, {f"ensemble/{name}": x for name, x in kept.items()})


def _slices(test: Test, members: int) -> list[slice]:
    n, size = len(test.truth), members * test.truth[0].size
    rows = max(1, NUMBERS // size)
    return [slice(first, min(first + rows, n)) for first in range(0, n, rows)]


@torch.inference_mode()
def one_step_log_likelihood(forecaster: Forecaster, test: Test) -> float | None:
    """Return the mean of log p(x_t | past) per component, over the test states after the context.

    By the chain rule, this is log p of the trajectory divided by its count of numbers. In
    normalised units.
    """
    core, state, total, count = forecaster.core, None, 0.0, 0
    for times, early in forced(test.seen.shape[1] - 1, test.context):
        x = forecaster.states(test.seen[:, times.start : times.stop + 1], test.covariates)
        y, log_std, state = core.distribution(x[:, :-1], state)
        terms = negative_log_density(core, x[:, 1:], y, log_std)[:, early:]
        total, count = total - float(terms.double().sum()), count + terms.numel()
    return metrics.or_null(total / count)
