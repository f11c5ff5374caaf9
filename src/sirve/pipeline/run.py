"""The job from start to end: prepare, simulate, fit, evaluate, report."""

import time
from pathlib import Path
from typing import Any

from sirve.data.gather import Data, gather
from sirve.pipeline.evaluate import evaluate
from sirve.pipeline.fit import fit
from sirve.pipeline.job import Job
from sirve.pipeline.prepare import prepare
from sirve.pipeline.summary import show
from sirve.report import write_report
from sirve.runs import resume, run_folder
from sirve.runs.metrics_log import record


def run(config: dict[str, Any], config_yaml: str) -> float | None:
    """Do the job; return ``log_error`` of the validation forecasts, which a search minimises.

    Returns None where there is no such score: nothing was fitted, or this rank only helped to
    train. The arguments are those of ``run_in_folder``.
    """
    return run_in_folder(config, config_yaml)[1]


def run_in_folder(config: dict[str, Any], config_yaml: str) -> tuple[Path, float | None]:
    """Do the job; return the folder of the run and the score of ``run``.

    ``config`` is the composed configuration, references resolved; its ``names`` are the chosen sim
    and model. ``config_yaml`` is the text of config.yaml, in which references to the environment
    are not resolved.
    """
    asked = resume.asked(config)
    if asked is not None and run_folder.finished(asked):
        print(f"{asked} is finished: nothing is left to do")
        return asked, None
    job = prepare(config, config_yaml)
    start = time.perf_counter()
    data, limits = simulate(job)
    simulated = time.perf_counter() - start
    rows = record(job.run / "metrics.jsonl", job.saved.step if job.saved else 0)
    try:
        loggers = [rows, *job.tracker.start(job.run, job.names, config_yaml)]
        fitted = fit(job, data, loggers)
        if fitted is None:
            return job.run, None
        metrics = evaluate(job, data, fitted, simulated, limits)
        report = write_report(job.run)
        job.tracker.finish(job.run, metrics)
    except BaseException:
        job.tracker.abort()
        raise
    run_folder.leave(job.run)
    show(metrics, job.run, report, job.tracker.where())
    return job.run, fitted.details.get("valid_log_error")


def simulate(job: Job) -> tuple[Data, dict[str, Any]]:
    """Make the dataset where it does not exist yet; return what the model sees, and its limits."""
    dataset = job.source.dataset(job.wanted)
    limits = job.source.limits(dataset) if job.limits else {}
    counts = job.wanted.counts
    return gather(dataset, job.observe, counts, job.data_seed, job.memory), limits
