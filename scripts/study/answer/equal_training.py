"""Trained recurrent networks compared with ablations at equal updates and at equal seconds."""

from collections.abc import Sequence
from typing import Any

from sirve.report.compare.settings import configuration
from sirve.report.load import entry
from sirve.report.style import digits

from .comparison import difference_text, measure, score_text
from .results import Outcome, Result, fit_details

ABLATIONS = ("memoryless", "stacked")
CLOSE = 1.25  # the largest ratio of two times that count as equal


def equal_training(results: Sequence[Result]) -> list[list[str]]:
    """Return one row for each trained recurrent network and ablation with as many updates.

    The last cell compares with the same ablation trained for about the same seconds.
    """
    rows = []
    for result in results:
        trained = [
            o
            for o in result.outcomes
            if o.runs and fit_details(o.runs[0]).get("kind") == "gradient"
        ]
        for recurrent in (o for o in trained if o.role == "trained"):
            for ablation in (o for o in trained if o.role in ABLATIONS):
                if _updates(ablation) == _updates(recurrent):
                    rows.append(
                        [
                            f"{result.case.title}; {measure(result)}",
                            f"{_summary(recurrent)}, {_updates(recurrent)} updates",
                            _difference(result, recurrent, ablation),
                            _at_equal_seconds(result, recurrent, ablation, trained),
                        ]
                    )
    return rows


def _at_equal_seconds(
    result: Result, recurrent: Outcome, ablation: Outcome, trained: Sequence[Outcome]
) -> str:
    if _equal_seconds(recurrent, ablation):
        return "the same run: it took about as long"
    kind = _kind(ablation)
    for other in trained:
        if _kind(other) == kind and _equal_seconds(recurrent, other):
            return f"{_difference(result, recurrent, other)}, {_updates(other)} updates"
    longer = (ablation.seconds or 0.0) > (recurrent.seconds or 0.0)
    return "left out: at equal updates the ablation takes longer" if longer else "not in this plan"


def _difference(result: Result, recurrent: Outcome, other: Outcome) -> str:
    found = difference_text(result, result.compare(recurrent, other))
    return f"{found} ({_summary(other)})"


def _summary(outcome: Outcome) -> str:
    return f"{outcome.name} {score_text(outcome)}, {digits(outcome.seconds)} s"


def _equal_seconds(recurrent: Outcome, other: Outcome) -> bool:
    ours, theirs = recurrent.seconds, other.seconds
    return bool(ours and theirs and 1 / CLOSE < theirs / ours < CLOSE)


def _kind(outcome: Outcome) -> tuple[str, str]:
    return outcome.role, _setting(outcome, "model", "_target_")


def _updates(outcome: Outcome) -> int:
    return int(_setting(outcome, "trainer", "updates"))


def _setting(outcome: Outcome, *keys: str) -> Any:
    return entry(configuration(outcome.runs[0].config), *keys)
