"""Trained networks at equal updates, and at equal seconds of fitting."""

from collections.abc import Sequence

from sirve.report.style import digits

from .claims import difference, measure, score_text
from .results import Outcome, Result

TWINS = ("memoryless", "stacked")
CLOSE = 1.25  # times the seconds that count as the same


def comparisons(results: Sequence[Result]) -> list[list[str]]:
    """A row for each trained twin of a trained recurrent network, at equal updates.

    Where the twin takes as many seconds, the same run compares them at equal seconds.
    """
    rows = []
    for result in results:
        recurrent = result.pick("trained")
        if recurrent is None:
            continue
        for twin in result.outcomes:
            if twin.role in TWINS and _learned(twin):
                apart = difference(result, result.against(recurrent, twin))
                rows.append(
                    [
                        f"{result.case.title}; {measure(result)}",
                        f"{recurrent.name} {score_text(recurrent)}, {digits(recurrent.seconds)} s",
                        f"{apart} ({twin.name} {score_text(twin)}, {digits(twin.seconds)} s)",
                        _as_long(recurrent.seconds, twin.seconds),
                    ]
                )
    return rows


def _learned(outcome: Outcome) -> bool:
    return outcome.runs[0].metrics.get("fit", {}).get("kind") == "gradient"


def _as_long(ours: float | None, theirs: float | None) -> str:
    if ours and theirs and 1 / CLOSE < theirs / ours < CLOSE:
        return "the same run: it took about as long"
    return "not run"
