"""Sentences from paired differences: does recurrence serve, against whom, is memory the reason."""

from collections.abc import Sequence
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
    return "The past helps, but a stack of past states serves as well or better."


def paragraph(verdicts: Sequence[Verdict], runs: int) -> tuple[str, str]:
    """The answer in one paragraph, in English and in Spanish."""
    able = [v for v in verdicts if v.forecasts]
    needs = [v for v in able if v.result.case.memory]
    whole = [v for v in able if not v.result.case.memory]
    unable = [v.result.case.title for v in verdicts if not v.forecasts]

    def told(group: Sequence[Verdict], want: int) -> str:
        names = [v.result.case.title for v in group if v.serves == want]
        return f"{len(names)} of {len(group)}" + (f" ({'; '.join(names)})" if names else "")

    def dicho(group: Sequence[Verdict], want: int) -> str:
        return f"{sum(v.serves == want for v in group)} de {len(group)}"

    over = sum(v.ahead.get("memoryless", 0) > 0 for v in needs)
    past = sum(v.ahead.get("stacked", 0) > 0 for v in needs)
    english = (
        f"By {runs} runs, each model chosen on validation: where part of the state is hidden or "
        f"noisy, the recurrent network is ahead of the best of every kind of opponent in "
        f"{told(needs, 1)}, and behind at least one in {told(needs, -1)}; it beats its memoryless "
        f"twin in {over} of {len(needs)}, and the same past as a stack in {past}. Where one state "
        f"says it all, it is ahead of all in {told(whole, 1)}, and behind in {told(whole, -1)}."
    )
    if unable:
        english += (
            f" At this budget it is no better than the best baseline in {len(unable)} more "
            f"({'; '.join(unable)})."
        )
    spanish = (
        f"Según {runs} ejecuciones, con cada modelo elegido en validación: donde parte del estado "
        f"está oculta o con ruido, la red recurrente supera al mejor rival de cada tipo en "
        f"{dicho(needs, 1)} casos y queda detrás de alguno en {dicho(needs, -1)}; supera a su "
        f"gemela sin memoria en {over} de {len(needs)}, y al mismo pasado apilado en {past}. Donde "
        f"un solo estado lo dice todo, supera a todos en {dicho(whole, 1)} y queda detrás en "
        f"{dicho(whole, -1)}."
    )
    if unable:
        spanish += (
            f" Con este presupuesto no mejora la mejor referencia trivial en {len(unable)} más."
        )
    return english, spanish
