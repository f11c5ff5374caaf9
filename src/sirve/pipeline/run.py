"""The main job: simulate, store, window, learn, roll out, score, show."""

import copy
import time
from typing import Any

from sirve.data.gather import Data, gather
from sirve.pipeline.evaluate import give_deviation, judge
from sirve.pipeline.fit import learn
from sirve.pipeline.prepare import Job, prepare
from sirve.pipeline.summary import show
from sirve.report import write_report
from sirve.runs import resume, run_folder
from sirve.runs.metrics_log import record


def run(config: dict[str, Any], plain: str) -> float | None:
    """Do the main job; returns ``log_error`` of the validation's rollouts, what a search minimises.

    None where there is none: nothing was fitted, or this rank only helped to train.

    ``config`` is the composed configuration, references resolved; its ``names`` say which sim and
    model were chosen. ``plain`` is the same as YAML with references to the environment unresolved:
    what is written to config.yaml.
    """
    asked = resume.asked(config)
    if asked is not None and run_folder.finished(asked):
        print(f"{asked} is finished: nothing is left to do")
        return None
    job = prepare(config, plain)
    initial = copy.deepcopy(job.core) if "gradient" in job.fit.kind else None
    clock = {"start": time.perf_counter()}
    data, limits = simulate(job)
    clock["simulated"] = time.perf_counter()
    step = job.saved.step if job.saved else 0
    rows = record(job.run / "metrics.jsonl", step)
    try:
        loggers = [rows, *job.tracker.start(job.run, job.names, plain)]
        forecaster, seconds, how = learn(job, data, loggers)
        if forecaster is None:
            return None
        clock["train"] = seconds
        give_deviation(job, data, forecaster)
        metrics = judge(job, data, forecaster, clock, limits, how, initial)
        report = write_report(job.run)
        job.tracker.finish(job.run, metrics)
    except BaseException:
        job.tracker.abort()
        raise
    run_folder.leave(job.run)
    show(metrics, job.run, report, job.tracker.where())
    return how.get("valid_log_error")


def simulate(job: Job) -> tuple[Data, dict[str, Any]]:
    """What the model sees of the dataset, made where it is not there yet, and its limits."""
    data = job.config["data"]
    dataset = job.source.dataset(job.wanted)
    limits = job.source.limits(dataset) if data["limits"] else {}
    return gather(dataset, job.observe, job.wanted.counts, data["seed"], data["memory"]), limits
