"""The recurrent network of a case compared with the best model of each other kind."""

from dataclasses import dataclass

from scripts.study.markdown import signed, with_interval
from sirve.metrics import Interval
from sirve.report.style import units

from .plan import RECURRENT
from .results import Outcome, Result

OTHERS = ("memoryless", "stacked", "rival")


@dataclass(frozen=True)
class Comparison:
    """The recurrent network that validation chose, and its differences from the others."""

    result: Result
    recurrent: Outcome
    others: dict[str, tuple[Outcome, Interval]]  # by role; each the best in validation


def compare(result: Result) -> Comparison | None:
    """Return the comparison, or None where no recurrent network has finished."""
    recurrent = result.pick(*RECURRENT)
    if recurrent is None:
        return None
    others = {}
    for role in OTHERS:
        other = result.pick(role, "baseline") if role == "rival" else result.pick(role)
        if other is not None:
            others[role] = (other, result.compare(recurrent, other))
    return Comparison(result, recurrent, others)


def score_text(outcome: Outcome) -> str:
    return with_interval(outcome.middle)


def difference_text(result: Result, found: Interval) -> str:
    """Return a ratio of errors or a difference of valid times, with its interval."""
    return f"{with_interval(found)} times" if result.case.score == "nrmse" else signed(found)


def measure(result: Result) -> str:
    """Return the name of the score of a case."""
    if result.case.score == "nrmse":
        return f"error at step {result.case.at:g}"
    unit = units(result.first.metrics.get("time_unit"))
    return f"valid time at {result.case.at:g}, {unit}"
