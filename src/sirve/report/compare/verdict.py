"""The sentence that says which model of a section is best, by how much, and why."""

from collections.abc import Sequence
from html import escape

import numpy as np

from sirve import metrics
from sirve.report.compare.scores import Entry, common_end, entries, ranked
from sirve.report.compare.sections import Section, span
from sirve.report.load import MODEL, entry, number
from sirve.report.style import count, digits, duration, units

RULE = (
    "Best: the highest median valid time; where the best outlasts the test, the lowest nRMSE at "
    "its last step. [..] is a 95 % interval by a bootstrap over starts; differences are of pairs "
    "of forecasts from the same starts. These scores are of the test: they rank what was run, and "
    "are not for choosing settings."
)


def verdict(section: Section) -> str:
    """HTML: the best, its lead over the next at the same starts, and what goes with it."""
    found = entries(section)
    order, by_error = ranked(found)
    best = order[0]
    end = common_end(found)
    text = [_lead(best, found, by_error)]
    if len(order) > 1:
        text.append(_against(best, order[1], end, by_error))
        text.append("" if by_error else _one_step(best, order[1]))
    baselines = [one for one in order[2:] if one.name != MODEL]
    if baselines and MODEL == best.name == order[1].name:
        words = _score(baselines[0], by_error, end)
        text.append(f" The best baseline, {escape(baselines[0].label)}, {words}.")
    return "".join([*text, _ceiling(best), _cost(best)])


def _lead(best: Entry, found: Sequence[Entry], by_error: bool) -> str:
    n, seeds = best.first.n, len(best.group.runs)
    sample = f"{n} starts" if n > 1 else "one start"
    sample += f", {seeds} seeds" if seeds > 1 else ""
    words = f"<b>{escape(best.label)}</b>"
    if best.name != MODEL:
        words = f"No model beats the baseline {words}, which"
    elif len(found) > 1:
        words += " is best: it"
    return f"{words} {_score(best, by_error, common_end(found))} ({sample})."


def _score(one: Entry, by_error: bool, end: float) -> str:
    if by_error:
        step = round(end / one.first.step)
        return f"has an nRMSE of {digits(one.error_at(end), 'infinity')} at step {step}, the last"
    median, interval = span(one.group, one.first, one.name)
    unit = escape(units(one.first.metrics.get("time_unit")))
    return f"holds for {median} {interval} {unit}"


def _against(best: Entry, other: Entry, end: float, by_error: bool) -> str:
    """The difference to the next, pair by pair."""
    name = escape(other.label)
    if by_error:
        middle, low, high = paired(best.errors_at(end), other.errors_at(end), ratio=True)
        if not np.isfinite([middle, low, high]).all():
            return f" The next is {name}."
        words = f"{digits(middle)} [{digits(low)}, {digits(high)}] times that of the next, {name}"
        if low > 1:  # the mean of squares is of the worst starts, that of logarithms of all
            return f" Start by start it is behind: its error there is {words}."
        return f" Its error there is {words}{', not told apart' if low <= 1 <= high else ''}."
    middle, low, high = paired(best.times(end), other.times(end))
    if low <= 0 <= high:
        words = f"{name}: {middle:+.3g} [{low:+.3g}, {high:+.3g}]"
        return f" It is not told apart from the next, {words}."
    if high < 0:
        return f" Start by start it is behind: {middle:+.3g} [{low:+.3g}, {high:+.3g}] of {name}."
    return (
        f" That is {digits(middle)} [{digits(low)}, {digits(high)}] longer than {name}, the next."
    )


def paired(
    a: Sequence[np.ndarray], b: Sequence[np.ndarray], ratio: bool = False
) -> tuple[float, float, float]:
    """Mean difference (or geometric mean of the ratio) over starts of medians over seeds."""
    x, y = (np.median(np.stack(seeds), 0)[None] for seeds in (a, b))
    middle, low, high = metrics.paired(x, y, ratio)
    return middle, low, high


def _one_step(best: Entry, other: Entry) -> str:
    """Why: the smaller error of a step is what lets a forecast hold for longer."""
    step = max(best.first.step, other.first.step)
    errors = (
        f"{digits(best.error_at(step))}, {escape(other.label)}'s {digits(other.error_at(step))}"
    )
    return f" After one step its nRMSE is {errors}."


def _ceiling(best: Entry) -> str:
    ceiling = best.first.ceiling
    if ceiling is None or best.held[0] <= ceiling:
        return ""
    return (
        f" The solver agrees with itself for {digits(ceiling)} only: what holds longer is not "
        "known to be right."
    )


def _cost(best: Entry) -> str:
    if best.name != MODEL:
        return ""
    train = best.group.middle("seconds", "train")
    size = number(entry(best.first.metrics, "parameters"))
    parts = [f"{count(size)} parameters"] if size is not None else []
    parts += [f"{duration(train)} of training"] if train is not None else []
    return f" It has {' and '.join(parts)}." if parts else ""
