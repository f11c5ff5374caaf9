"""Roll out, score beside the baselines, look inside, and write it down."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from sirve.cores import Climatology, Core, Linear, Persistence
from sirve.data.gather import Data
from sirve.evaluation import ensembles, inside, rollouts
from sirve.forecasting.forecaster import Forecaster
from sirve.io.checkpoints import BEST
from sirve.metrics import THRESHOLD, valid_steps
from sirve.pipeline.fit import make_forecaster, solve
from sirve.pipeline.prepare import Job
from sirve.training.calibration import calibrate


def judge(
    job: Job,
    data: Data,
    forecaster: Forecaster,
    clock: Mapping[str, float],
    limits: dict[str, Any],
    how: dict[str, Any],
    initial: Core | None = None,
) -> dict[str, Any]:
    """Roll out, score beside the baselines, and write rollouts.h5 and metrics.json.

    ``initial`` is the core before it was trained by gradient.
    """
    test = material(job, data)
    results = rollouts.evaluate({"model": forecaster, **baselines(job, data)}, test)
    members, ensemble = job.config["ensemble"]["members"], None
    if members:
        ensemble = ensembles.judge(forecaster, test, results["model"], members, job.training.seed)
    more = ensemble.arrays if ensemble else {}
    attributes = {**job.names, "members": members} if ensemble else job.names
    rollouts.write_rollouts(job.run, attributes, test, results, more)
    head = {
        **job.names,
        "seed": job.config["seed"],
        "data_seed": job.config["data"]["seed"],
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
            "simulate": clock["simulated"] - clock["start"],
            "train": clock["train"],
            "forecast_per_step": results["model"].seconds_per_step,
        },
        "one_step": rollouts.one_step(forecaster, test),
        "fit": how,
        "limits": limits,
    }
    if ensemble:
        head["ensemble"] = ensemble.entry
    if job.config["inside"]:
        head["inside"] = look_inside(job, forecaster, test, results["model"], limits, initial)
    return rollouts.write_metrics(job.run, head, results)


def material(job: Job, data: Data) -> rollouts.Test:
    """What the forecasts of the test set begin from, and the truth that scores them."""
    physical = job.source.infos["test"]
    info = job.observe.info(physical)
    whole_state = info.channels == physical.channels
    return rollouts.Test(
        data.seen["test"][:, :, : info.shape[0]],
        data.clean["test"],
        job.config["sim"]["context"],
        data.std,
        info,
        job.source.invariants(data.parameters) if whole_state else None,
        data.parameters,
    )


def baselines(job: Job, data: Data) -> dict[str, Forecaster]:
    """Those that every model stands beside."""
    shape, covariates = job.info.shape, len(job.info.covariates)
    cores: dict[str, Core] = {
        "persistence": Persistence(shape, covariates),
        "climatology": Climatology(shape, covariates),
        "linear": Linear(shape, job.info.boundary, covariates=covariates),
    }
    found = {name: make_forecaster(job, data, core, {}) for name, core in cores.items()}
    for forecaster in found.values():
        if forecaster.core.closed_form:
            solve(forecaster, data)
    return found


def give_deviation(job: Job, data: Data, forecaster: Forecaster) -> None:
    """Where an ensemble is asked of a model that was not trained to have one: found, and saved."""
    if job.config["ensemble"]["members"] and not job.training.objective.spread:
        seen, clean, context = data.seen["valid"], data.clean["valid"], job.config["sim"]["context"]
        calibrate(forecaster, seen, clean, context, job.training.seed)
        forecaster.save(job.run / "checkpoints" / BEST)


def look_inside(
    job: Job,
    forecaster: Forecaster,
    test: rollouts.Test,
    result: rollouts.Result,
    limits: Mapping[str, Any],
    initial: Core | None,
) -> dict[str, Any]:
    """Measure what happens inside the model, write inside.h5, and return its summary."""
    held = valid_steps(result.error, THRESHOLD)
    exponents = limits.get("exponents", {}).get("value", ())
    found = inside.measure(
        forecaster,
        inside.Material(
            test.seen,
            test.clean,
            test.context,
            test.covariates,
            median=int(np.argsort(held)[(len(held) - 1) // 2]),
            initial=initial,
            count=len(exponents) or 1,
        ),
    )
    found.write(job.run)
    return found.summary
