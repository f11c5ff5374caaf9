"""Trained networks at equal updates, and at equal seconds of fitting."""

from collections.abc import Sequence
from typing import Any

from sirve.report.compare.settings import configuration
from sirve.report.load import entry
from sirve.report.style import digits

from .claims import difference, measure, score_text
from .plan import ABSENT
from .results import Outcome, Result, of_fit

TWINS = ("memoryless", "stacked")
CLOSE = 1.25  # times the seconds that count as the same


def comparisons(results: Sequence[Result]) -> list[list[str]]:
    """A row for each trained recurrent network and each twin trained with as many updates.

    Beside it stands the same twin trained for about the seconds of the recurrent network.
    """
    rows = []
    for result in results:
        learned = [o for o in result.outcomes if o.runs and _kind(o) == "gradient"]
        for recurrent in (o for o in learned if o.role == "trained"):
            for twin in (o for o in learned if o.role in TWINS):
                if _updates(twin) == _updates(recurrent):
                    rows.append(
                        [
                            f"{result.case.title}; {measure(result)}",
                            f"{recurrent.name} {_told(recurrent)}, {_updates(recurrent)} updates",
                            _against(result, recurrent, twin),
                            _at_equal_seconds(result, recurrent, twin, learned),
                        ]
                    )
    return rows


def _at_equal_seconds(
    result: Result, recurrent: Outcome, twin: Outcome, learned: Sequence[Outcome]
) -> str:
    if _as_long(recurrent, twin):
        return "the same run: it took about as long"
    for other in learned:
        same = (other.role, _class(other)) == (twin.role, _class(twin))
        if same and _as_long(recurrent, other):
            return f"{_against(result, recurrent, other)}, {_updates(other)} updates"
    longer = (twin.seconds or 0.0) > (recurrent.seconds or 0.0)
    return "left out: at equal updates the twin takes longer" if longer else ABSENT


def _against(result: Result, recurrent: Outcome, twin: Outcome) -> str:
    return f"{difference(result, result.against(recurrent, twin))} ({twin.name} {_told(twin)})"


def _told(outcome: Outcome) -> str:
    return f"{score_text(outcome)}, {digits(outcome.seconds)} s"


def _as_long(recurrent: Outcome, twin: Outcome) -> bool:
    ours, theirs = recurrent.seconds, twin.seconds
    return bool(ours and theirs and 1 / CLOSE < theirs / ours < CLOSE)


def _updates(outcome: Outcome) -> int:
    return int(_setting(outcome, "trainer", "steps"))


def _class(outcome: Outcome) -> str:
    return str(_setting(outcome, "model", "_target_"))


def _setting(outcome: Outcome, *keys: str) -> Any:
    return entry(configuration(outcome.runs[0].config), *keys)


def _kind(outcome: Outcome) -> str | None:
    return of_fit(outcome.runs[0]).get("kind")
