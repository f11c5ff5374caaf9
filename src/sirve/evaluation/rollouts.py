"""Roll a forecaster and the baselines out over the test set, score and store the rollouts."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sirve import metrics
from sirve.data.shards import Info
from sirve.forecasting.forecaster import Forecaster
from sirve.forecasting.rollout import forced
from sirve.io.files import write_text
from sirve.io.hdf5 import create
from sirve.io.progress import track
from sirve.metrics import scores

Invariants = Callable[[np.ndarray], dict[str, np.ndarray]]


@dataclass(frozen=True)
class Test:
    """Test trajectories, ``seen`` with noise and ``clean`` without: (n, context + steps, *shape).

    ``std`` (C,) of the training states; ``parameters`` (n,) by name, the system's own numbers.
    """

    seen: np.ndarray
    clean: np.ndarray
    context: int
    std: np.ndarray
    info: Info
    invariants: Invariants | None  # None where the model does not see the whole state
    parameters: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def covariates(self) -> dict[str, np.ndarray]:
        """Return the parameters that the model reads as covariates, (n,) by name."""
        return {name: self.parameters[name] for name in self.info.covariates}

    @property
    def truth(self) -> np.ndarray:
        """Return the clean states after the context, (n, steps, *shape)."""
        return self.clean[:, self.context :]

    @property
    def steps(self) -> int:
        """Return the number of forecast states."""
        return self.clean.shape[1] - self.context


@dataclass
class Result:
    """The predictions of one forecaster, their errors e_k, invariants and scores."""

    prediction: np.ndarray  # empty for a baseline, of which only the errors are kept
    error: np.ndarray
    invariants: dict[str, np.ndarray]
    scores: dict[str, Any]
    seconds_per_step: float


def evaluate(forecasters: Mapping[str, Forecaster], test: Test) -> dict[str, Result]:
    """Roll every forecaster out from the test contexts and score it against the clean truth."""
    items = track(forecasters.items(), "forecast", len(forecasters))
    results = {}
    for name, forecaster in items:
        results[name] = score(forecaster, test)
        if name != "model":
            results[name].prediction = np.empty((len(test.seen), 0, *test.info.shape))
    return results


def score(forecaster: Forecaster, test: Test) -> Result:
    """Roll one forecaster out from the test contexts and score it."""
    start = time.perf_counter()
    prediction = forecaster.forecast(test.seen[:, : test.context], test.steps, test.covariates)
    seconds = (time.perf_counter() - start) / test.steps
    error = metrics.normalised_error(test.truth, prediction, test.std)
    paths = invariant_paths(test, prediction)
    dt, unit = test.info.dt, test.info.unit
    found = scores.forecast_scores(test.truth, prediction, error, test.std, dt, unit)
    found["invariants"] = {name: scores.drift(path) for name, path in paths.items()}
    return Result(prediction, error, paths, found, seconds)


def invariant_paths(test: Test, states: np.ndarray) -> dict[str, np.ndarray]:
    """Return each invariant along the context's last state and ``states``, (n, steps + 1)."""
    if test.invariants is None:
        return {}
    last = test.clean[:, test.context - 1 : test.context]
    with np.errstate(all="ignore"):
        return test.invariants(np.concatenate([last, states], axis=1).astype(np.float64))


@torch.inference_mode()
def one_step(forecaster: Forecaster, test: Test) -> float | None:
    """Return the teacher-forced nRMSE over all test states after the context."""
    state, total, count = None, 0.0, 0
    for times, early in forced(test.seen.shape[1] - 1, test.context):
        x = forecaster.states(test.seen[:, times], test.covariates)
        y, state = forecaster.core(x, state)
        physical = forecaster.core.predicted(forecaster.normaliser.back(y[:, early:]))
        prediction = physical.cpu().numpy()
        truth = test.clean[:, times.start + 1 + early : times.stop + 1]
        squares = metrics.normalised_error(truth, prediction, test.std) ** 2
        total, count = total + squares.sum(), count + squares.size
    return metrics.or_null(np.sqrt(total / count))


def write_metrics(run: Path, head: dict[str, Any], results: Mapping[str, Result]) -> dict[str, Any]:
    """Write metrics.json: ``head`` and the scores of the model and of each baseline."""
    content = {**head, "scores": {name: result.scores for name, result in results.items()}}
    write_text(run / "metrics.json", json.dumps(content, indent=1, allow_nan=False) + "\n")
    return content


def write_rollouts(
    run: Path,
    attributes: Mapping[str, Any],
    test: Test,
    results: Mapping[str, Result],
    more: Mapping[str, np.ndarray],
) -> None:
    """Write rollouts.h5: the model's test rollouts in physical units, for others to score.

    Arrays: ``time`` (steps,); ``context`` (n, c, *shape); ``truth`` and ``prediction`` (n, steps,
    *shape); ``parameters/<name>`` (n,) of the system; ``error/<name>`` (n, steps) of the model and
    of each baseline; ``invariants/<quantity>/{truth,prediction}`` (n, steps + 1) from the last
    state of the context; and ``more``, by its names. Attributes: ``attributes``, ``dt``, ``unit``,
    ``time_unit``, ``std``, ``channels``, ``units``, and the boundary as ``walls`` ("none" for
    vectors).
    """
    info, model = test.info, results["model"]
    with (
        create(run / "rollouts.h5") as file,
        np.errstate(over="ignore"),  # diverged states are infinite in float32
    ):
        file.attrs.update(
            **attributes,
            dt=info.dt,
            unit=info.unit,
            time_unit=info.time_unit,
            std=test.std,
            channels=list(info.channels),
            units=list(info.units),
            walls=info.boundary or "none",
        )
        file["time"] = info.dt * np.arange(1, test.steps + 1)
        for name, x in (
            ("context", test.seen[:, : test.context]),
            ("truth", test.truth),
            ("prediction", model.prediction.astype(test.clean.dtype)),
            *more.items(),
        ):
            file.create_dataset(name, data=x, fletcher32=True, chunks=(1, *x.shape[1:]))
        for name, values in test.parameters.items():
            file[f"parameters/{name}"] = values
        for name, result in results.items():
            file[f"error/{name}"] = result.error.astype(np.float32)
        for name, path in invariant_paths(test, test.truth).items():
            file[f"invariants/{name}/truth"] = path
            file[f"invariants/{name}/prediction"] = model.invariants[name]
