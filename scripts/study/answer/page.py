"""Writes the results of a study: ANSWER.md, its figure, scores.csv and the page of its runs."""

import os
import platform
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from sirve.errors import UserError
from sirve.io.files import write_text
from sirve.report.compare.page import write_comparison

from . import page_tables
from .comparison import Comparison, compare
from .cost import cost
from .figure import plot_lead
from .plan import Plan
from .results import Result, gather
from .scores_csv import scores_csv

STATES = 1_500_000  # characters of states in answer.html
EXPLANATION = (
    "Numbers are medians over seeds and starts, with 95 % intervals by bootstrap over both. Among "
    "the recurrent networks, and among the models of each other kind, the one with the best "
    "forecasts of the validation set is shown. Differences are paired: both models forecast from "
    "the same starts. For valid times the table has the mean difference (positive: the recurrent "
    "network is ahead), for errors the geometric mean of the ratio (below 1: the recurrent network "
    "is ahead). Each interval is for one comparison, not corrected for their number. An echo state "
    "network is recurrent too, with random weights; it is listed among the others because the "
    "question is about RNN, LSTM and GRU. The true equations know the system. They start from the "
    "last observed state or the last two, noise included; a channel that is not observed is set to "
    "its mean, an unknown parameter to the middle of its range. Where one state determines the "
    "next, they show how far any forecast of these data can go."
)


def write_answer(plan: Plan, root: Path) -> Path:
    """Write scores.csv, answer.png, answer.html and ANSWER.md into ``root``; return the last.

    Raises UserError where no run has finished.
    """
    results = gather(plan, root)
    if not results:
        raise UserError(f"{root} holds no finished run of {plan.budget}; leave out --show")
    write_text(root / "scores.csv", scores_csv(results, root))
    comparisons = [c for r in results if r.case.curve is None and (c := compare(r)) is not None]
    plot_lead(comparisons, root / "answer.png")
    runs = [outcome.runs[0] for r in results for outcome in r.outcomes if outcome.runs]
    write_comparison(runs, root / "answer.html", STATES)
    write_text(root / "ANSWER.md", _markdown(plan, results, comparisons, root))
    return root / "ANSWER.md"


def _markdown(
    plan: Plan, results: Sequence[Result], comparisons: Sequence[Comparison], root: Path
) -> str:
    runs = sum(len(outcome.runs) for result in results for outcome in result.outcomes)
    costs = [cost(c.recurrent.runs[0], root) for c in comparisons]
    whole = [result for result in results if result.case.curve is None]
    parts = [
        "# Are recurrent networks useful for physical simulation?",
        f"    python scripts/study.py budget={plan.budget}",
        f"{date.today()}, {runs} runs, {os.cpu_count()} cores ({platform.machine()}), one thread a "
        "run. The command above makes this page, its figure, `scores.csv` with every number, and "
        "`answer.html` with the runs compared, all in the folder `study`. The runs are in "
        "`study/runs/<case>/<model>/seed<seed>-<hash>`.",
        "![Lead of the recurrent network over the other models](answer.png)",
        EXPLANATION,
        "## Where memory can help",
        page_tables.comparison_table([c for c in comparisons if c.result.case.memory]),
        "## Where one state determines the next",
        page_tables.comparison_table([c for c in comparisons if not c.result.case.memory]),
        "## Random and trained weights",
        page_tables.weights_table(whole),
        "## Trained with equal updates and for equal seconds",
        page_tables.training_table(results),
        "## Cost compared with the solver",
        page_tables.cost_table(comparisons, costs),
        "## Amount of training data",
        page_tables.data_tables(results),
        "## Every case",
        *(page_tables.case_table(result) for result in whole),
        "## Missing runs",
        _missing(plan, results),
    ]
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"


def _missing(plan: Plan, results: Sequence[Result]) -> str:
    lines = [f"- {r.case.title}, {cell}: {why}" for r in results for cell, why in r.failed.items()]
    lines += [f"- {c.title}: not run" for c in plan.cases if c not in [r.case for r in results]]
    return "\n".join(lines) or "None: every run of the plan finished."
