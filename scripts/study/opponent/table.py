"""What the solver answers, in Markdown."""

from collections.abc import Iterable

import numpy as np

from sirve.report.load import Run
from sirve.report.style import digits, duration, units

from .ladder import Answer, Rung

MARKS = (1, 10, 50, 100, 200, 500, 1000)


def markdown(run: Run, answer: Answer) -> str:
    """A table of the rungs, from the cheapest on, the model among them, and the two answers."""
    unit = units(run.metrics.get("time_unit"))
    score = f"valid time, {unit}" if answer.score == "valid time" else "error over all steps"
    marks = [mark for mark in MARKS if mark <= answer.steps]
    marks = sorted({marks[0], marks[len(marks) // 2], marks[-1]})
    rows = sorted(
        zip((answer.model, *answer.rungs), answer.scores, strict=True), key=lambda row: row[0].cpu
    )
    head = ["", "CPU a step", "wall a step", score, *(f"error at {mark}" for mark in marks)]
    lines = [
        f"**{run.path.as_posix()}**: {run.model}, {run.sim}; {answer.batch} forecasts of "
        f"{answer.steps} steps at once, one thread.\n",
        _line(head),
        _line(["---", *["--:"] * (len(head) - 1)]),
    ]
    for rung, value in rows:
        name = f"**{rung.name}**" if rung is answer.model else rung.name
        errors = (digits(np.median(rung.errors[:, mark - 1])) for mark in marks)
        lines.append(_line([name, _time(rung.cpu), _time(rung.wall), digits(value), *errors]))
    return "\n".join([*lines, "", *_answers(run, answer)]) + "\n"


def _answers(run: Run, answer: Answer) -> Iterable[str]:
    own = answer.scores[0]
    beyond = own > answer.limit if answer.score == "valid time" else own < answer.limit
    if beyond:
        yield (
            f"- The model is beyond what the reference knows of itself ({answer.score} "
            f"{digits(answer.limit)}), and is held to that."
        )
    yield f"- Solver at equal cost: {_named(answer, answer.equal_cost, 'none is as cheap')}."
    equal = answer.equal_accuracy
    if equal is None or answer.ratio is None:
        yield "- Solver at equal accuracy: none is as accurate."
        return
    factor, word = (answer.ratio, "slower") if answer.ratio > 1 else (1 / answer.ratio, "faster")
    yield (
        f"- Solver at equal accuracy: {_named(answer, equal, '')}; the model is {digits(factor)} "
        f"times {word}."
    )
    spent = f"data {duration(answer.data)}, training {duration(answer.training)}"
    times = "never" if answer.break_even is None else f"{max(1, round(answer.break_even)):,} times"
    yield f"- Break-even ({spent}): {times} {answer.batch} forecasts."


def _named(answer: Answer, rung: Rung | None, missing: str) -> str:
    if rung is None:
        return missing
    value = answer.scores[1:][[r is rung for r in answer.rungs].index(True)]
    return f"{rung.name} ({answer.score} {digits(value)}, {_time(rung.cpu)} a step)"


def _time(seconds: float) -> str:
    return duration(seconds) if np.isfinite(seconds) else "failed"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
