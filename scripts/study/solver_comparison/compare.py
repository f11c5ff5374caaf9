"""A model compared with solvers at equal cost and at equal accuracy, and its break-even."""

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

from .cheaper_solvers import SECOND, Solver, solvers
from .system import System

Result = TypeVar("Result")

CAP = 5.0  # seconds for the repeats of one solver
REPEATS = 5
TINY = 1e-300  # in place of an error of zero, which has no logarithm


@dataclass(frozen=True)
class Timed:
    """A solver or a model with its cost and its errors.

    ``cpu`` and ``wall`` are seconds for one step of the whole batch on one thread, ``errors``
    (n, steps) as of metrics.normalised_error, infinite where it failed.
    """

    name: str
    cpu: float
    wall: float
    errors: np.ndarray


@dataclass(frozen=True)
class Comparison:
    """A model and the solvers of its system, from the same starts, timed in one process."""

    model: Timed
    solvers: list[Timed]  # the reference first, then the second solver if there is one
    batch: int
    steps: int
    score: str  # "valid time" or "error"
    scores: list[float]  # of the model, then of each solver
    limit: float  # score of the reference solution itself
    equal_cost: Timed | None  # the most accurate solver that is no slower than the model
    equal_accuracy: Timed | None  # the cheapest solver that is no less accurate than the model
    ratio: float | None  # seconds of the model over those of the solver at equal accuracy
    data: float  # CPU seconds to simulate the dataset
    training: float  # seconds
    break_even: float | None  # forecasts of the batch that repay data and training; None: never


class Choice(NamedTuple):
    """Indices of solvers."""

    equal_cost: int | None
    equal_accuracy: int | None


def measure_solvers(run: Run, cap: float = CAP) -> list[Timed]:
    """Solve the system of a run from the true ends of its test contexts with every solver.

    Each trajectory has its own true parameters. Errors are those of the observed channels. The
    time to draw a film is not counted. Raises UserError for a run that cannot be simulated again.
    """
    system = System.of(run)
    sim, x0 = system.start
    dt = system.recipe.dt * system.observe.stride
    return [_measure(system, solver, x0, cap) for solver in solvers(sim, dt)]


def measure_model(run: Run, cap: float = CAP) -> Timed:
    """Load the model of a run and time it again on the run's test contexts."""
    system = System.of(run)
    forecaster = sirve.load(run.path)
    context = system.rollouts["context"]
    covariates = {
        name: system.rollouts[f"parameters/{name}"] for name in forecaster.info.covariates
    }
    _, cpu, wall = timed(lambda: forecaster.forecast(context, run.steps, covariates), cap)
    return Timed(run.model, cpu / run.steps, wall / run.steps, run.errors[MODEL])


def _measure(system: System, solver: Solver, x0: np.ndarray, cap: float) -> Timed:
    truth, std, steps = system.rollouts["truth"], system.rollouts["std"], system.run.steps
    try:
        with np.errstate(all="ignore"):
            x, cpu, wall = timed(lambda: solver.solve(x0, system.time), cap)
    except SimulationError:
        return Timed(solver.name, np.inf, np.inf, np.full(truth.shape[:2], np.inf))
    with np.errstate(all="ignore"):
        errors = metrics.normalised_error(truth, system.observed(x[:, 1:]), std)
    return Timed(solver.name, cpu / steps, wall / steps, errors)


def timed(work: Callable[[], Result], cap: float) -> tuple[Result, float, float]:
    """Return the result of ``work`` and the medians of its CPU and wall seconds, on one thread.

    The first call warms up. At most REPEATS calls follow, none started after ``cap`` seconds; if
    the first call alone takes longer, its own time is returned.
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


def compare(run: Run, cap: float = CAP) -> Comparison:
    """Measure the model and the solvers of a run, and compare them. Raises UserError."""
    system, model, found = System.of(run), measure_model(run, cap), measure_solvers(run, cap)
    score = "valid time" if run.metrics.get("time_unit") == "lyapunov time" else "error"
    scores = [scored(each.errors, score, run.step) for each in (model, *found)]
    references = scores[1 : 2 + any(each.name.startswith(SECOND) for each in found[1:2])]
    limit = min(references) if score == "valid time" else max(references)
    choice = choose(score, scores, limit, [each.cpu for each in (model, *found)])
    equal = None if choice.equal_accuracy is None else found[choice.equal_accuracy]
    training = number((run.metrics.get("fit") or {}).get("seconds"))
    if training is None:
        training = number(run.metrics["seconds"]["train"]) or 0.0
    spent = system.seconds + training
    return Comparison(
        model=model,
        solvers=found,
        batch=run.n,
        steps=run.steps,
        score=score,
        scores=scores,
        limit=limit,
        equal_cost=None if choice.equal_cost is None else found[choice.equal_cost],
        equal_accuracy=equal,
        ratio=None if equal is None else model.cpu / equal.cpu,
        data=system.seconds,
        training=training,
        break_even=None
        if equal is None
        else break_even(spent, equal.cpu * run.steps, model.cpu * run.steps),
    )


def scored(errors: np.ndarray, score: str, step: float) -> float:
    """Reduce errors (n, steps) to one number.

    For "valid time" it is the median valid time, in the run's unit of time; else the geometric
    mean over steps of the median error over starts, infinite where that is.
    """
    if score == "valid time":
        return float(np.median(metrics.valid_steps(errors, metrics.THRESHOLD)) * step)
    middle = np.maximum(np.median(errors, axis=0), TINY)
    return float(np.exp(np.log(middle).mean()))


def choose(score: str, scores: list[float], limit: float, seconds: list[float]) -> Choice:
    """Choose the solvers at equal cost and at equal accuracy.

    ``scores`` and ``seconds`` start with those of the model. A model that scores better than
    ``limit`` is compared at the limit, because the reference solution is no better than that.
    """
    sign = -1.0 if score == "valid time" else 1.0
    errors = [sign * value for value in scores]
    level = max(errors[0], sign * limit)
    indices = range(len(scores) - 1)
    cheap = [i for i in indices if seconds[i + 1] <= seconds[0] and np.isfinite(seconds[i + 1])]
    good = [i for i in indices if errors[i + 1] <= level and np.isfinite(seconds[i + 1])]
    return Choice(
        min(cheap, key=lambda i: (errors[i + 1], seconds[i + 1]), default=None),
        min(good, key=lambda i: seconds[i + 1], default=None),
    )


def break_even(spent: float, solver: float, model: float) -> float | None:
    """Return N of spent = N (solver - model), seconds a forecast; None if the model is slower."""
    return spent / (solver - model) if solver > model else None
