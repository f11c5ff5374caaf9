"""The tables of ANSWER.md."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sirve.report.compare.settings import training_trajectories
from sirve.report.load import Run, number
from sirve.report.style import MISSING, count, digits

from .claims import OPPONENTS, Verdict, difference, measure, score_text, sentence
from .plan import ABSENT, RECURRENT, ROLES
from .results import Outcome, Result
from .trained import comparisons


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def pairs(verdicts: Sequence[Verdict]) -> str:
    """Recurrent against each kind of opponent, and the true equations where they say something."""
    names = [
        name
        for name in dict.fromkeys(n for v in verdicts for n in v.result.equations)
        if any(isinstance(v.result.equations[name], Outcome) for v in verdicts)
    ]
    head = ["", "recurrent", "against memoryless", "against stacked", "against the best other"]
    head += [f"true equations {name}" for name in names]
    rows = []
    for found in verdicts:
        result = found.result
        cells = [
            f"{result.case.title}; {measure(result)}",
            f"{found.recurrent.name} {score_text(found.recurrent)}",
        ]
        for role in OPPONENTS:
            if role in found.beside:
                other, interval = found.beside[role]
                cells.append(f"{difference(result, interval)} ({other.name})")
            else:
                cells.append(ABSENT)
        cells += [_beside(result, found.recurrent, result.equations[name]) for name in names]
        rows.append(cells)
    words = [f"- **{found.result.case.title}.** {sentence(found)}" for found in verdicts]
    return "\n\n".join([_table(head, rows), "\n".join(words)])


def _beside(result: Result, recurrent: Outcome, entry: Outcome | str) -> str:
    if isinstance(entry, str):
        return entry
    apart = result.against(recurrent, entry)
    if not np.isfinite(apart.middle):
        return f"{score_text(entry)}; no ratio, at some starts they are exact"
    return f"{score_text(entry)}; recurrent {difference(result, apart)}"


def apart(results: Sequence[Result]) -> str:
    rows = []
    for result in results:
        both = [result.pick(role) for role in RECURRENT]
        cells = [found and f"{found.name} {score_text(found)}" for found in both]
        rows.append([f"{result.case.title}; {measure(result)}", *(c or ABSENT for c in cells)])
    return _table(["", "random weights", "trained weights"], rows)


def trained(results: Sequence[Result]) -> str:
    words = (
        "The seconds are the processor's, of fitting; the twin beside is trained with the updates "
        "of the recurrent network and, where the plan has one, with as many as take about its "
        "seconds."
    )
    head = ["", "recurrent, trained", "against its twin, equal updates", "equal seconds"]
    return f"{words}\n\n{_table(head, comparisons(results))}"


def costs(verdicts: Sequence[Verdict], found: Sequence[Mapping[str, Any]]) -> str:
    head = ["", "model", "forecasts at once", "model, s a step", "solver as accurate", "s a step"]
    head += ["model over solver", "data s", "fitting s", "forecasts to break even"]
    rows = []
    for verdict, entry in zip(verdicts, found, strict=True):
        cells = [verdict.result.case.title, verdict.recurrent.name]
        if "why" in entry:
            cells += [str(entry["why"]), *[MISSING] * 7]
        else:
            cells += [str(entry["batch"]), digits(entry["model"])]
            cells += [str(entry["solver"] or "none"), digits(entry["solver_seconds"])]
            cells += [digits(entry[k]) for k in ("ratio", "data", "training")]
            cells.append(digits(entry["break_even"], "never"))
        rows.append(cells)
    words = (
        "Seconds of one core for one step of all forecasts of the test at once, model and solver "
        "in one process (`scripts/study/solver.py`). The solver starts from the true state, and is the "
        "cheapest of a ladder of tolerances, steps and grids that is as accurate as the model, or "
        "as the data can tell. A forecast that breaks even is one of the whole batch."
    )
    return f"{words}\n\n{_table(head, rows)}"


def curves(results: Sequence[Result]) -> str:
    found = []
    for whole in results:
        few = [r for r in results if r.case.curve == whole.case.name]
        if not few:
            continue
        few.sort(key=lambda r: training_trajectories(r.first) or 0.0)
        names = [o.name for o in few[0].outcomes if o.runs]
        rows = [
            [count(training_trajectories(r.first)), *(_named(r, name) for name in names)]
            for r in [*few, whole]
        ]
        table = _table(["training trajectories", *names], rows)
        found.append(f"{whole.case.title}; {measure(whole)}\n\n{table}")
    return "\n\n".join(found)


def _named(result: Result, name: str) -> str:
    outcome = next((o for o in result.outcomes if o.name == name), None)
    return score_text(outcome) if outcome else ABSENT


def case(result: Result, root: Path) -> str:
    head = [
        "",
        "kind",
        "seeds",
        measure(result),
        "diverged",
        "parameters",
        "fitting s",
        "forecast s a step",
    ]
    rows = []
    for outcome in result.outcomes:
        cells = [outcome.name, ROLES[outcome.role], str(len(outcome.runs) or 1)]
        cells.append(score_text(outcome))
        cells += (
            _costs(outcome.runs, outcome.seconds)
            if outcome.runs
            else ["not scored apart", MISSING, MISSING, MISSING]
        )
        rows.append(cells)
    commands = [
        f"- {o.name}: `{o.runs[0].path.parent.parent.relative_to(root)}`"
        for o in result.outcomes
        if o.runs
    ]
    parts = [f"### {result.case.title}", _ceiling(result.first), _table(head, rows)]
    return "\n\n".join(filter(None, [*parts, "\n".join(commands)]))


def _costs(runs: Sequence[Run], seconds: float | None) -> list[str]:
    diverged = [number(run.score("model", "diverged")) or 0.0 for run in runs]
    step = number(runs[0].metrics["seconds"].get("forecast_per_step"))
    return [
        f"{sum(diverged) / len(diverged):.0%}",
        count(runs[0].metrics.get("parameters")),
        digits(seconds),
        digits(step),
    ]


def _ceiling(run: Run) -> str:
    if run.ceiling is None:
        return ""
    return f"The solver agrees with itself for {digits(run.ceiling)}: the data's own ceiling."
