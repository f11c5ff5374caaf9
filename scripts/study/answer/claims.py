"""Sentences from paired differences: does recurrence serve, against whom, is memory the reason."""

from dataclasses import dataclass
from functools import cached_property

from sirve.metrics import Interval
from sirve.report.style import digits, units

from .plan import RECURRENT, ROLES
from .results import Outcome, Result

OPPONENTS = ("memoryless", "stacked", "rival")


@dataclass(frozen=True)
class Verdict:
    """The recurrent network that validation chose, beside the best of each kind of opponent."""

    result: Result
    recurrent: Outcome
    beside: dict[str, tuple[Outcome, Interval]]  # by role; the best by validation

    @property
    def ahead(self) -> dict[str, int]:
        return {role: self.result.ahead(found) for role, (_, found) in self.beside.items()}

    @cached_property
    def forecasts(self) -> bool:
        """Whether it is ahead of every baseline: else there is nothing to compare."""
        result = self.result
        found = [result.against(self.recurrent, other) for other in result.baselines]
        return all(result.ahead(interval) > 0 for interval in found)

    @property
    def serves(self) -> int:
        """1: ahead of the best of every kind, -1: behind one of them, 0: neither."""
        found = self.ahead.values()
        return min(found, default=0)


def verdict(result: Result) -> Verdict | None:
    """None where no recurrent network was run to its end."""
    recurrent = result.pick(*RECURRENT)
    if recurrent is None:
        return None
    beside = {}
    for role in OPPONENTS:
        other = result.pick(role, "baseline") if role == "rival" else result.pick(role)
        if other is not None:
            beside[role] = (other, result.against(recurrent, other))
    return Verdict(result, recurrent, beside)


def score_text(outcome: Outcome) -> str:
    middle, low, high = map(digits, outcome.middle)
    return f"{middle} [{low}, {high}]"


def difference(result: Result, found: Interval) -> str:
    if result.case.score == "nrmse":
        middle, low, high = map(digits, found)
        return f"{middle} [{low}, {high}] times"
    return f"{found.middle:+.2f} [{found.low:+.2f}, {found.high:+.2f}]"


def measure(result: Result) -> str:
    """What the numbers of a case are."""
    if result.case.score == "nrmse":
        return f"error at step {result.case.at:g}"
    unit = units(result.first.metrics.get("time_unit"))
    return f"valid time at {result.case.at:g}, {unit}"


def sentence(found: Verdict) -> str:
    """One case in words; every number is in its table."""
    result, words = found.result, {1: "ahead of", 0: "not told apart from", -1: "behind"}
    parts = []
    for role, (other, interval) in found.beside.items():
        kind = "the best other" if role == "rival" else f"its {ROLES[role]}"
        apart = difference(result, interval)
        parts.append(f"{words[result.ahead(interval)]} {kind} ({other.name}, {apart})")
    kind = ROLES[found.recurrent.role].removeprefix("recurrent, ")
    head = f"{found.recurrent.name} ({kind}): {measure(result)} {score_text(found.recurrent)}"
    return f"{head}; {', '.join(parts)}. {reason(found)}" if parts else f"{head}."


def reason(found: Verdict) -> str:
    """How far memory is the reason."""
    if not found.forecasts:
        return "At this budget it is no better than the best baseline: nothing follows for memory."
    memoryless, stacked = found.ahead.get("memoryless"), found.ahead.get("stacked")
    if memoryless is None:
        return "There is no memoryless twin to tell whether memory is the reason."
    if memoryless <= 0:
        return "Memory does not help here."
    if not found.result.case.memory:
        return "It is ahead by what its features express, not by memory: one state says it all."
    if stacked is None:
        return "Memory helps; no stacked twin tells whether recurrence is needed for it."
    if stacked > 0:
        return "Memory helps, and a recurrent one more than a stack of past states."
    if stacked == 0:
        return "The past helps; recurrent or as a stack, they are not told apart."
    return "The past helps, but a stack of past states serves better."
