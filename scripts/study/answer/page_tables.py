"""The tables of ANSWER.md."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scripts.study.markdown import markdown_table
from sirve.report.compare.settings import training_trajectories
from sirve.report.load import Run, number
from sirve.report.style import MISSING, count, digits

from .comparison import OTHERS, Comparison, difference_text, measure, score_text
from .equal_training import equal_training
from .plan import RECURRENT, ROLES
from .results import Outcome, Result

ABSENT = "not in this plan"


def comparison_table(comparisons: Sequence[Comparison]) -> str:
    """Compare the recurrent network with each other kind, and with the true equations."""
    names = [
        name
        for name in dict.fromkeys(n for c in comparisons for n in c.result.equations)
        if any(isinstance(c.result.equations[name], Outcome) for c in comparisons)
    ]
    head = ["", "recurrent", "against memoryless", "against stacked", "against the best other"]
    head += [f"true equations {name}" for name in names]
    rows = []
    for found in comparisons:
        result = found.result
        cells = [_title(result), _named_score(found.recurrent)]
        for role in OTHERS:
            if role in found.others:
                other, interval = found.others[role]
                cells.append(f"{difference_text(result, interval)} ({other.name})")
            else:
                cells.append(ABSENT)
        cells += [_equations(result, found.recurrent, result.equations[name]) for name in names]
        rows.append(cells)
    return markdown_table(head, rows)


def _equations(result: Result, recurrent: Outcome, entry: Outcome | str) -> str:
    if isinstance(entry, str):
        return entry
    found = result.compare(recurrent, entry)
    if not np.isfinite(found.middle):
        return f"{score_text(entry)}; no ratio: they are exact at some starts"
    return f"{score_text(entry)}; recurrent {difference_text(result, found)}"


def weights_table(results: Sequence[Result]) -> str:
    """Show the best network of random weights and the best of trained weights."""
    rows = []
    for result in results:
        both = [result.pick(role) for role in RECURRENT]
        rows.append([_title(result), *(_named_score(o) if o else ABSENT for o in both)])
    return markdown_table(["", "random weights", "trained weights"], rows)


def training_table(results: Sequence[Result]) -> str:
    words = (
        "CPU seconds of fitting. Each ablation is trained with the updates of the recurrent "
        "network and, where the plan has such a run, for about as many seconds."
    )
    head = ["", "recurrent, trained", "against its ablation, equal updates", "equal seconds"]
    return f"{words}\n\n{markdown_table(head, equal_training(results))}"


def cost_table(comparisons: Sequence[Comparison], costs: Sequence[Mapping[str, Any]]) -> str:
    head = ["", "model", "forecasts at once", "model, s a step", "solver as accurate", "s a step"]
    head += ["model over solver", "data s", "fitting s", "forecasts to break even"]
    rows = []
    for found, entry in zip(comparisons, costs, strict=True):
        cells = [found.result.case.title, found.recurrent.name]
        if "why" in entry:
            cells += [str(entry["why"]), *[MISSING] * 7]
        else:
            cells += [str(entry["batch"]), digits(entry["model"])]
            cells += [str(entry["solver"] or "none"), digits(entry["solver_seconds"])]
            cells += [digits(entry[k]) for k in ("ratio", "data", "training")]
            cells.append(digits(entry["break_even"], "never"))
        rows.append(cells)
    words = (
        "Seconds of one core for one step of all test forecasts at once; model and solver run in "
        "one process (`scripts/study/solver.py`). The solver starts from the true state. It is the "
        "cheapest combination of method, tolerance, step and grid that is as accurate as the "
        "model, or as the reference solution. Break-even counts forecasts of the whole batch."
    )
    return f"{words}\n\n{markdown_table(head, rows)}"


def data_tables(results: Sequence[Result]) -> str:
    """Show the scores for fewer training trajectories, one table for each case with a curve."""
    tables = []
    for whole in results:
        fewer = [r for r in results if r.case.curve == whole.case.name]
        if not fewer:
            continue
        fewer.sort(key=lambda r: training_trajectories(r.first) or 0.0)
        names = [o.name for o in fewer[0].outcomes if o.runs]
        rows = []
        for result in [*fewer, whole]:
            scores = {o.name: score_text(o) for o in reversed(result.outcomes)}
            cells = [scores.get(name, ABSENT) for name in names]
            rows.append([count(training_trajectories(result.first)), *cells])
        table = markdown_table(["training trajectories", *names], rows)
        tables.append(f"{_title(whole)}\n\n{table}")
    return "\n".join(tables)


def case_table(result: Result) -> str:
    """Show every model of a case."""
    head = ["", "kind", "seeds", measure(result), "diverged", "parameters", "fitting s"]
    head.append("forecast s a step")
    rows = []
    for outcome in result.outcomes:
        cells = [outcome.name, ROLES[outcome.role], str(len(outcome.runs) or 1)]
        cells.append(score_text(outcome))
        cells += _costs(outcome.runs, outcome.seconds) if outcome.runs else [MISSING] * 4
        rows.append(cells)
    parts = [f"### {result.case.title}", _ceiling(result.first), markdown_table(head, rows)]
    return "\n\n".join(filter(None, parts))


def _title(result: Result) -> str:
    return f"{result.case.title}; {measure(result)}"


def _named_score(outcome: Outcome) -> str:
    return f"{outcome.name} {score_text(outcome)}"


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
    return f"The reference solution is reliable up to {digits(run.ceiling)}."
