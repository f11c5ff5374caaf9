"""Writes what a study found: ANSWER.md and its figure, one flat table, and the page of its runs."""

import os
import platform
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from sirve.errors import UserError
from sirve.files import write_text
from sirve.report.compare_page import write_comparison
from sirve.report.load import Run, number
from sirve.report.style import MISSING, count, digits

from .claims import (
    OPPONENTS,
    Verdict,
    difference,
    measure,
    paragraph,
    score_text,
    sentence,
    verdict,
)
from .cost import cost
from .figure import draw
from .flat import flat
from .plan import RECURRENT, ROLES, Plan
from .results import Outcome, Result, gather
from .trained import comparisons

STATES = 1_500_000  # characters of states in answer.html, so that it can stand in a repository


def answer(plan: Plan, root: Path) -> Path:
    """Write scores.csv, answer.png, answer.html and ANSWER.md into ``root``; the last is returned.

    Raises UserError where nothing has been run.
    """
    results = gather(plan, root)
    if not results:
        raise UserError(f"{root} holds no finished run of {plan.budget}; leave out --show")
    write_text(root / "scores.csv", flat(results, root))
    verdicts = [v for r in results if r.case.curve is None and (v := verdict(r)) is not None]
    draw(verdicts, root / "answer.png")
    page = root / "answer.html"
    write_comparison([o.runs[0] for r in results for o in r.outcomes if o.runs], page, STATES)
    write_text(root / "ANSWER.md", markdown(plan, results, verdicts, root))
    return root / "ANSWER.md"


def markdown(plan: Plan, results: Sequence[Result], verdicts: Sequence[Verdict], root: Path) -> str:
    runs = sum(len(outcome.runs) for result in results for outcome in result.outcomes)
    english, spanish = paragraph(verdicts, runs)
    parts = [
        "# Does a recurrent network serve for physical simulation?",
        f"    python scripts/study.py budget={plan.budget}",
        f"{date.today()}, {runs} runs, {os.cpu_count()} cores ({platform.machine()}), one thread a "
        "run. Made by the command above; every number is of the runs in "
        "`study/runs/<case>/<model>`, and `study/scores.csv` has them all.",
        english,
        f"*{spanish}*",
        "![How far the recurrent network is ahead of its opponents](answer.png)",
        _explanation(),
        "## Where memory should be the reason",
        _pairs([v for v in verdicts if v.result.case.memory]),
        "## Where one state says it all",
        _pairs([v for v in verdicts if not v.result.case.memory]),
        "## Random and trained weights apart",
        _apart([r for r in results if r.case.curve is None]),
        "## Trained at equal updates, and for equal seconds",
        _trained(results),
        "## What it costs beside the solver",
        _cost(verdicts, root),
        "## How much data it takes",
        _curves(results),
        "## Every case",
        *(_case(result, root) for result in results if result.case.curve is None),
        "## What is missing",
        _missing(plan, results),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _explanation() -> str:
    return (
        "Numbers are medians over seeds and starts [95 % interval by bootstrap over both]. Of the "
        "recurrent networks, and of each kind of opponent, the one with the best forecasts of the "
        "validation set is taken. Differences are paired, from the same starts: of valid times the "
        "mean difference (positive: the recurrent network is ahead), of errors the geometric mean "
        "of the ratio (below 1 times: the recurrent network is ahead). The intervals are of one "
        "comparison each, not corrected for their number. An echo state network is itself "
        "recurrent, of random weights; it stands among the others since the question is of RNN, "
        "LSTM and GRU. The true equations know the system, and "
        "start from the last state, or the last two, as they were seen: noise and all, what is not "
        "seen at its mean, a parameter that is not told at the middle of its range."
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _pairs(verdicts: Sequence[Verdict]) -> str:
    head = ["", "recurrent", "against memoryless", "against stacked", "against the best other"]
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
                cells.append("none was run")
        cells += [_beside(result, found.recurrent, entry) for entry in result.equations.values()]
        rows.append(cells)
    head += ["true equations from the last state", "... from the last two"]
    words = [f"- **{found.result.case.title}.** {sentence(found)}" for found in verdicts]
    return "\n\n".join([_table(head, rows), "\n".join(words)])


def _beside(result: Result, recurrent: Outcome, entry: Outcome | str) -> str:
    if isinstance(entry, str):
        return entry
    apart = difference(result, result.against(recurrent, entry))
    return f"{score_text(entry)}; recurrent {apart}"


def _apart(results: Sequence[Result]) -> str:
    rows = []
    for result in results:
        both = [result.pick(role) for role in RECURRENT]
        cells = [found and f"{found.name} {score_text(found)}" for found in both]
        rows.append([f"{result.case.title}; {measure(result)}", *(c or "not run" for c in cells)])
    return _table(["", "random weights", "trained weights"], rows)


def _trained(results: Sequence[Result]) -> str:
    words = (
        "The seconds are the processor's, of fitting; the twin beside is trained with the updates "
        "of the recurrent network, and with as many as take about its seconds."
    )
    head = ["", "recurrent, trained", "against its twin, equal updates", "equal seconds"]
    return f"{words}\n\n{_table(head, comparisons(results))}"


def _cost(verdicts: Sequence[Verdict], root: Path) -> str:
    head = ["", "model", "forecasts at once", "model, s a step", "solver as accurate", "s a step"]
    head += ["model over solver", "data s", "fitting s", "forecasts to break even"]
    rows = []
    for found in verdicts:
        entry = cost(found.recurrent.runs[0], root)
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
        "Seconds of one core for one step of all forecasts of the test at once, model and solver "
        "in one process (`scripts/solver.py`). The solver starts from the true state, and is the "
        "cheapest of a ladder of tolerances, steps and grids that is as accurate as the model, or "
        "as the data can tell. A forecast that breaks even is one of the whole batch."
    )
    return f"{words}\n\n{_table(head, rows)}"


def _curves(results: Sequence[Result]) -> str:
    found = []
    for whole in results:
        few = [r for r in results if r.case.curve == whole.case.name]
        if not few:
            continue
        few.sort(key=lambda r: r.case.data or 0)
        names = [o.name for o in few[0].outcomes if o.runs]
        rows = [
            [str(r.case.data or "as below"), *(_named(r, name) for name in names)]
            for r in [*few, whole]
        ]
        table = _table(["training trajectories", *names], rows)
        found.append(f"{whole.case.title}; {measure(whole)}\n\n{table}")
    return "\n\n".join(found)


def _named(result: Result, name: str) -> str:
    outcome = next((o for o in result.outcomes if o.name == name), None)
    return score_text(outcome) if outcome else "not run"


def _case(result: Result, root: Path) -> str:
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
    return "\n\n".join(
        [
            f"### {result.case.title}",
            _ceiling(result.first),
            _table(head, rows),
            "\n".join(commands),
        ]
    )


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
        return "The solver's own ceiling was not reached in the time of the test, or not measured."
    return f"The solver agrees with itself for {digits(run.ceiling)}: the data's own ceiling."


def _missing(plan: Plan, results: Sequence[Result]) -> str:
    lines = [f"- {r.case.title}, {cell}: {why}" for r in results for cell, why in r.failed.items()]
    lines += [f"- {c.title}: not run" for c in plan.cases if c not in [r.case for r in results]]
    return "\n".join(lines) or "Nothing: every run of the plan ended."
