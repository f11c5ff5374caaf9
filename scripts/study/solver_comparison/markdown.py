"""The comparison of a model with its solvers, in Markdown."""

from collections.abc import Iterable

import numpy as np

from scripts.study.markdown import markdown_table
from sirve.report.load import Run
from sirve.report.style import digits, duration, units

from .compare import Comparison, Timed

MARKS = (1, 10, 50, 100, 200, 500, 1000)


def markdown(run: Run, found: Comparison) -> str:
    """Return a table of model and solvers, cheapest first, and the comparisons at equal terms."""
    unit = units(run.metrics.get("time_unit"))
    score = f"valid time, {unit}" if found.score == "valid time" else "error over all steps"
    marks = [mark for mark in MARKS if mark <= found.steps]
    marks = sorted({marks[0], marks[len(marks) // 2], marks[-1]})
    rows = []
    for timed, value in sorted(
        zip((found.model, *found.solvers), found.scores, strict=True), key=lambda row: row[0].cpu
    ):
        name = f"**{timed.name}**" if timed is found.model else timed.name
        errors = (digits(np.median(timed.errors[:, mark - 1])) for mark in marks)
        rows.append([name, _time(timed.cpu), _time(timed.wall), digits(value), *errors])
    head = ["", "CPU a step", "wall a step", score, *(f"error at {mark}" for mark in marks)]
    title = (
        f"**{run.path.as_posix()}**: {run.model}, {run.sim}; {found.batch} forecasts of "
        f"{found.steps} steps at once, one thread.\n\n"
    )
    return title + "\n".join([markdown_table(head, rows), *_conclusions(found)]) + "\n"


def _conclusions(found: Comparison) -> Iterable[str]:
    own = found.scores[0]
    beyond = own > found.limit if found.score == "valid time" else own < found.limit
    if beyond:
        yield (
            f"- The model is more accurate than the reference solution ({found.score} "
            f"{digits(found.limit)}), and is compared at that accuracy."
        )
    yield f"- Solver at equal cost: {_named(found, found.equal_cost, 'none is as cheap')}."
    equal = found.equal_accuracy
    if equal is None or found.ratio is None:
        yield "- Solver at equal accuracy: none is as accurate."
        return
    factor, word = (found.ratio, "slower") if found.ratio > 1 else (1 / found.ratio, "faster")
    yield (
        f"- Solver at equal accuracy: {_named(found, equal, '')}; the model is {digits(factor)} "
        f"times {word}."
    )
    spent = f"data {duration(found.data)}, training {duration(found.training)}"
    times = "never" if found.break_even is None else f"{max(1, round(found.break_even)):,} times"
    yield f"- Break-even ({spent}): {times} {found.batch} forecasts."


def _named(found: Comparison, timed: Timed | None, missing: str) -> str:
    if timed is None:
        return missing
    value = found.scores[1:][[s is timed for s in found.solvers].index(True)]
    return f"{timed.name} ({found.score} {digits(value)}, {_time(timed.cpu)} a step)"


def _time(seconds: float) -> str:
    return duration(seconds) if np.isfinite(seconds) else "failed"
