"""The solver as an opponent: at equal cost, at equal accuracy, and when a model pays."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import perf_counter, process_time
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch

import sirve
from simulators import SimulationError
from sirve import metrics
from sirve.report.load import MODEL, Run, number

from .cheaper import Solver, solvers
from .system import System

Result = TypeVar("Result")

CAP = 5.0  # seconds for the repeats of one rung
REPEATS = 5
TINY = 1e-300  # an error of zero has no logarithm


@dataclass(frozen=True)
class Rung:
    """One solver, or the model: seconds for one step of the whole batch, on one thread."""

    name: str
    cpu: float
    wall: float
    errors: np.ndarray  # (n, steps), metrics.normalised_error; inf where it failed


@dataclass(frozen=True)
class Answer:
    """A model beside its solver, from the same starts, in one process."""

    model: Rung
    rungs: list[Rung]  # the reference first, then its twin if it has one
    batch: int
    steps: int
    score: str  # "valid time" or "error"
    scores: list[float]  # of the model, then of each rung
    limit: float  # score beyond which the reference does not know itself
    equal_cost: Rung | None  # the most accurate no slower than the model
    equal_accuracy: Rung | None  # the cheapest no less accurate than the model
    ratio: float | None  # seconds of the model over those of the solver at equal accuracy
    data: float  # CPU seconds to simulate the dataset
    training: float  # seconds
    break_even: float | None  # forecasts of the batch that repay data and training; None: never


class Judgement(NamedTuple):
    """Indices of rungs."""

    equal_cost: int | None
    equal_accuracy: int | None


def ladder(run: Run, cap: float = CAP) -> list[Rung]:
    """The run's system from the true last states of its test contexts, by ever cheaper solvers.

    Each trajectory has its own true parameters. Errors are of what the run observes, against its
    truth; drawing a film is not counted in the seconds. Raises UserError.
    """
    system = System.of(run)
    sim, x0 = system.start
    dt = system.recipe.dt * system.observe.stride
    return [_rung(system, solver, x0, cap) for solver in solvers(sim, dt)]


def model_rung(run: Run, cap: float = CAP) -> Rung:
    """The run's model, loaded and timed again on the run's own test contexts."""
    system = System.of(run)
    forecaster = sirve.load(run.path)
    context = system.rollouts["context"]
    covariates = {
        name: system.rollouts[f"parameters/{name}"] for name in forecaster.info.covariates
    }
    _, cpu, wall = timed(lambda: forecaster.forecast(context, run.steps, covariates), cap)
    return Rung(run.model, cpu / run.steps, wall / run.steps, run.errors[MODEL])


def _rung(system: System, solver: Solver, x0: np.ndarray, cap: float) -> Rung:
    truth, std, steps = system.rollouts["truth"], system.rollouts["std"], system.run.steps
    try:
        with np.errstate(all="ignore"):
            x, cpu, wall = timed(lambda: solver.solve(x0, system.time), cap)
    except SimulationError:
        return Rung(solver.name, np.inf, np.inf, np.full(truth.shape[:2], np.inf))
    with np.errstate(all="ignore"):
        errors = metrics.normalised_error(truth, system.seen(x[:, 1:]), std)
    return Rung(solver.name, cpu / steps, wall / steps, errors)


def timed(work: Callable[[], Result], cap: float) -> tuple[Result, float, float]:
    """What ``work`` gives, and the medians of its CPU and wall seconds, on one thread.

    The first call warms up; at most REPEATS follow, none begun after ``cap`` seconds. Where the
    first takes as long as that, it is the measurement.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        result, *first = _clocked(work)
        taken: list[list[float]] = []
        while len(taken) < REPEATS and first[1] + sum(wall for _, wall in taken) < cap:
            result, *seconds = _clocked(work)
            taken.append(seconds)
    finally:
        torch.set_num_threads(threads)
    cpu, wall = (median(column) for column in zip(*(taken or [first]), strict=True))
    return result, cpu, wall


def _clocked(work: Callable[[], Any]) -> tuple[Any, float, float]:
    cpu, wall = process_time(), perf_counter()
    result = work()
    return result, process_time() - cpu, perf_counter() - wall


def compare(run: Run, cap: float = CAP) -> Answer:
    """Model and ladder, measured in this process, and what follows. Raises UserError."""
    system, model, rungs = System.of(run), model_rung(run, cap), ladder(run, cap)
    score = "valid time" if run.metrics.get("time_unit") == "lyapunov time" else "error"
    scores = [scored(rung.errors, score, run.step) for rung in (model, *rungs)]
    references = scores[1 : 2 + rungs[1].name.startswith("twin")] if rungs[1:] else scores[1:2]
    limit = min(references) if score == "valid time" else max(references)
    found = judge(score, scores, limit, [rung.cpu for rung in (model, *rungs)])
    equal = None if found.equal_accuracy is None else rungs[found.equal_accuracy]
    training = number((run.metrics.get("fit") or {}).get("seconds"))
    if training is None:
        training = number(run.metrics["seconds"]["train"]) or 0.0
    spent = system.seconds + training
    return Answer(
        model=model,
        rungs=rungs,
        batch=run.n,
        steps=run.steps,
        score=score,
        scores=scores,
        limit=limit,
        equal_cost=None if found.equal_cost is None else rungs[found.equal_cost],
        equal_accuracy=equal,
        ratio=None if equal is None else model.cpu / equal.cpu,
        data=system.seconds,
        training=training,
        break_even=None
        if equal is None
        else break_even(spent, equal.cpu * run.steps, model.cpu * run.steps),
    )


def scored(errors: np.ndarray, score: str, step: float) -> float:
    """One number for errors (n, steps): the median valid time, in the run's unit of time;

    or the geometric mean over steps of the median error over starts, infinite where that is.
    """
    if score == "valid time":
        return float(np.median(metrics.valid_steps(errors, metrics.THRESHOLD)) * step)
    middle = np.maximum(np.median(errors, axis=0), TINY)
    return float(np.exp(np.log(middle).mean()))


def judge(score: str, scores: list[float], limit: float, seconds: list[float]) -> Judgement:
    """The rungs at equal cost and at equal accuracy; the model's score and seconds come first.

    A model beyond ``limit`` is held to the limit: there the reference does not know the truth.
    """
    sign = -1.0 if score == "valid time" else 1.0
    errors = [sign * value for value in scores]
    level = max(errors[0], sign * limit)
    rungs = range(len(scores) - 1)
    cheap = [i for i in rungs if seconds[i + 1] <= seconds[0] and np.isfinite(seconds[i + 1])]
    good = [i for i in rungs if errors[i + 1] <= level and np.isfinite(seconds[i + 1])]
    return Judgement(
        min(cheap, key=lambda i: (errors[i + 1], seconds[i + 1]), default=None),
        min(good, key=lambda i: seconds[i + 1], default=None),
    )


def break_even(spent: float, solver: float, model: float) -> float | None:
    """N of spent = N (solver - model), seconds a forecast each; None where the model is slower."""
    return spent / (solver - model) if solver > model else None
