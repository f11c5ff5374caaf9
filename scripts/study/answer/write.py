"""Writes what a study found: ANSWER.md and its figure, one flat table, and the page of its runs."""

import os
import platform
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from sirve.errors import UserError
from sirve.io.files import write_text
from sirve.report.compare.page import write_comparison
from sirve.report.load import number

from . import tables
from .claims import Verdict, verdict
from .cost import cost
from .figure import draw
from .flat import flat
from .paragraph import ENGLISH, SPANISH, Tally, paragraph
from .plan import Plan
from .results import Result, gather

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
    costs = [cost(v.recurrent.runs[0], root) for v in verdicts]
    ratios = [ratio for entry in costs if (ratio := number(entry.get("ratio")))]
    tally = Tally(verdicts, runs, sum(r > 1 for r in ratios), len(ratios))
    parts = [
        "# Does a recurrent network serve for physical simulation?",
        f"    python scripts/study/study.py budget={plan.budget}",
        f"{date.today()}, {runs} runs, {os.cpu_count()} cores ({platform.machine()}), one thread a "
        "run. Made by the command above; every number is of the runs in "
        "`study/runs/<case>/<model>`, and `study/scores.csv` has them all.",
        paragraph(tally, ENGLISH),
        f"*{paragraph(tally, SPANISH)}*",
        "![How far the recurrent network is ahead of its opponents](answer.png)",
        _explanation(),
        "## Where memory should be the reason",
        tables.pairs([v for v in verdicts if v.result.case.memory]),
        "## Where one state says it all",
        tables.pairs([v for v in verdicts if not v.result.case.memory]),
        "## Random and trained weights apart",
        tables.apart([r for r in results if r.case.curve is None]),
        "## Trained at equal updates, and for equal seconds",
        tables.trained(results),
        "## What it costs beside the solver",
        tables.costs(verdicts, costs),
        "## How much data it takes",
        tables.curves(results),
        "## Every case",
        *(tables.case(result, root) for result in results if result.case.curve is None),
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
        "LSTM and GRU. The true equations know the system, and start from the last state, or the "
        "last two, as they were seen: noise and all, what is not seen at its mean, a parameter "
        "that is not told at the middle of its range. Where one state says it all, they are the "
        "data's own ceiling."
    )


def _missing(plan: Plan, results: Sequence[Result]) -> str:
    lines = [f"- {r.case.title}, {cell}: {why}" for r in results for cell, why in r.failed.items()]
    lines += [f"- {c.title}: not run" for c in plan.cases if c not in [r.case for r in results]]
    return "\n".join(lines) or "Nothing: every run of the plan ended."
