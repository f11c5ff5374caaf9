"""Trained networks at equal updates, and at equal seconds of fitting."""

from collections.abc import Sequence

from sirve.report.style import digits

from .claims import difference, measure, score_text
from .results import Outcome, Result

TWINS = ("memoryless", "stacked")
CLOSE = 1.25  # times the seconds that count as the same


def comparisons(results: Sequence[Result]) -> list[list[str]]:
    """A row for each trained twin of a trained recurrent network.

    A row of the plan that repeats a twin for as many seconds as the recurrent network took names
    it by ``longer``; none is needed where the twin takes as many seconds at equal updates.
    """
    rows = []
    for result in results:
        recurrent = result.pick("trained")
        found = {outcome.name: outcome for outcome in result.outcomes}
        if recurrent is None:
            continue
        longer = {row.longer: row.name for row in result.case.rows if row.longer}
        for twin in found.values():
            if twin.role in TWINS and _learned(twin) and twin.name not in longer.values():
                rows.append(
                    [
                        f"{result.case.title}; {measure(result)}",
                        f"{recurrent.name} {score_text(recurrent)}, {digits(recurrent.seconds)} s",
                        _beside(result, recurrent, twin),
                        _again(result, recurrent, twin, found.get(longer.get(twin.name, ""))),
                    ]
                )
    return rows


def _learned(outcome: Outcome) -> bool:
    return outcome.runs[0].metrics.get("fit", {}).get("kind") == "gradient"


def _again(result: Result, recurrent: Outcome, twin: Outcome, again: Outcome | None) -> str:
    if again is not None:
        return _beside(result, recurrent, again)
    ours, theirs = recurrent.seconds, twin.seconds
    if ours and theirs and 1 / CLOSE < theirs / ours < CLOSE:
        return "the same run: it took about as long"
    return "not run"


def _beside(result: Result, recurrent: Outcome, other: Outcome) -> str:
    apart = difference(result, result.against(recurrent, other))
    return f"{apart} ({other.name} {score_text(other)}, {digits(other.seconds)} s)"
