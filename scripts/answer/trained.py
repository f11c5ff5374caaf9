"""Trained networks at equal updates, and at equal seconds of fitting."""

from collections.abc import Sequence

from sirve.report.style import digits

from .claims import difference, measure, score_text
from .results import Outcome, Result


def comparisons(results: Sequence[Result]) -> list[list[str]]:
    """A row for each trained twin of a trained recurrent network, as it is and trained longer.

    A row of the plan that repeats another for as many seconds as the recurrent network took names
    it by ``longer``.
    """
    rows = []
    for result in results:
        recurrent = result.pick("trained")
        if recurrent is None:
            continue
        longer = {row.longer: row.name for row in result.case.rows if row.longer}
        found = {outcome.name: outcome for outcome in result.outcomes}
        for name, again in longer.items():
            if name not in found:
                continue
            cells = [f"{result.case.title}; {measure(result)}"]
            cells.append(f"{recurrent.name} {score_text(recurrent)}, {_seconds(recurrent)}")
            cells.append(_beside(result, recurrent, found[name]))
            other = found.get(again)
            cells.append(_beside(result, recurrent, other) if other else "not run")
            rows.append(cells)
    return rows


def _beside(result: Result, recurrent: Outcome, other: Outcome) -> str:
    apart = difference(result, result.against(recurrent, other))
    return f"{apart} ({other.name} {score_text(other)}, {_seconds(other)})"


def _seconds(outcome: Outcome) -> str:
    return f"{digits(outcome.seconds)} s"
