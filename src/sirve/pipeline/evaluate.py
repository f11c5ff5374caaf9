"""Evaluate a fitted forecaster: roll it out, score it beside the baselines, look inside."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from sirve.data.gather import Data
from sirve.evaluation import ensembles, inside, rollouts
from sirve.metrics import THRESHOLD, valid_steps
from sirve.pipeline.job import Fitted, Job


def evaluate(
    job: Job, data: Data, fitted: Fitted, simulated: float, limits: dict[str, Any]
) -> dict[str, Any]:
    """Score the forecasts of the test set; write rollouts.h5, inside.h5 and metrics.json.

    Args:
        job: the job.
        data: what the model sees of the dataset, and the truth.
        fitted: the forecaster and the baselines.
        simulated: seconds spent simulating.
        limits: how far the system can be predicted at all.

    Returns:
        The content of metrics.json.
    """
    forecaster, test = fitted.forecaster, test_of(job, data)
    results = rollouts.evaluate({"model": forecaster, **fitted.baselines}, test)
    ensemble = None
    if job.members:
        ensemble = ensembles.judge(forecaster, test, results["model"], job.members, job.seed)
    arrays = ensemble.arrays if ensemble else {}
    attributes = {**job.names, "members": job.members} if ensemble else job.names
    rollouts.write_rollouts(job.run, attributes, test, results, arrays)
    head = {
        **job.names,
        "seed": job.seed,
        "data_seed": job.data_seed,
        "parameters": sum(p.numel() for p in forecaster.core.parameters()),
        "dt": job.info.dt,
        "context": test.context,
        "steps": test.steps,
        "time_unit": test.info.time_unit,
        "unit": test.info.unit,
        "channels": [
            {"name": n, "unit": u} for n, u in zip(job.info.channels, job.info.units, strict=True)
        ],
        "seconds": {
            "simulate": simulated,
            "train": fitted.seconds,
            "forecast_per_step": results["model"].seconds_per_step,
        },
        "one_step": rollouts.one_step(forecaster, test),
        "fit": fitted.details,
        "limits": limits,
    }
    if ensemble:
        head["ensemble"] = ensemble.entry
    if job.inside:
        head["inside"] = _inside(job, fitted, test, results["model"], limits)
    return rollouts.write_metrics(job.run, head, results)


def test_of(job: Job, data: Data) -> rollouts.Test:
    """Return the contexts of the test set as observed, and the truth after them."""
    physical = job.source.infos["test"]
    info = job.observe.info(physical)
    whole_state = (info.channels, info.shape) == (physical.channels, physical.shape)
    return rollouts.Test(
        data.seen["test"][:, :, : info.shape[0]],
        data.clean["test"],
        job.context,
        data.std,
        info,
        job.source.invariants(data.parameters) if whole_state else None,
        data.parameters,
    )


def _inside(
    job: Job,
    fitted: Fitted,
    test: rollouts.Test,
    result: rollouts.Result,
    limits: Mapping[str, Any],
) -> dict[str, Any]:
    """Measure what happens inside the model, write inside.h5, and return the summary."""
    valid = valid_steps(result.error, THRESHOLD)
    exponents = limits.get("exponents", {}).get("value", ())
    material = inside.Material(
        test.seen,
        test.clean,
        test.context,
        test.covariates,
        median=int(np.argsort(valid)[(len(valid) - 1) // 2]),
        initial=fitted.initial,
        count=len(exponents) or 1,
    )
    found = inside.measure(fitted.forecaster, material)
    found.write(job.run)
    return found.summary
