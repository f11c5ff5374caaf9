"""Sentences on how good the models are: of one run, and of the best of a section."""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from sirve import metrics
from sirve.report.compare.scores import Entry, common_end, entries, ranked
from sirve.report.compare.sections import Section, valid_time_text
from sirve.report.load import MODEL, Run, entry, number
from sirve.report.style import THRESHOLD, count, digits, duration, units

RULE = (
    "Best: the highest median valid time; where the best outlasts the test, the lowest nRMSE at "
    "its last step. [..] is a 95 % interval by a bootstrap over starts; differences are between "
    "forecasts from the same starts. These are test scores: use them to rank runs, not to choose "
    "settings."
)


def run_verdict(run: Run) -> Markup:
    """Return how long the forecasts of ``run`` are valid, compared with the baselines."""
    unit = run.metrics.get("time_unit")
    score = run.score(MODEL, "valid_time", str(THRESHOLD))
    median = number(score.get("median")) if isinstance(score, dict) else None
    if median is None:
        return Markup("The valid time of the forecasts was not recorded.")
    words = f"{_bound(run, median)} {units(unit, median)}"
    text = Markup("Valid for <b>{}</b> {} ").format(words, _sample(run, score))
    text += f"until the error exceeds {THRESHOLD} standard deviations"
    others = []
    for name in run.baselines:
        other = number(run.score(name, "valid_time", str(THRESHOLD), "median"))
        if other is not None:
            others.append(f"{name} {_bound(run, other)}")
    baselines = f"; baselines: {', '.join(others)}" if others else ""
    return text + f"{baselines}.{_remarks(run, score, median)}"


def _bound(run: Run, value: float) -> str:
    """Return a valid time; one as long as the test is only a lower bound."""
    return f"{'at least ' if value > run.steps * run.step * (1 - 1e-9) else ''}{digits(value)}"


def _sample(run: Run, score: dict[str, object]) -> str:
    low, high = (number(score.get(k)) for k in ("low", "high"))
    if run.n == 1:
        return "(one forecast)"
    span = ""
    if low is not None and high is not None and not _bound(run, low).startswith("at least"):
        span = f"; 95 % interval {digits(low)}" + f" to {_bound(run, high)}" * (low != high)
    return f"(median of {run.n} forecasts{span})"


def _remarks(run: Run, score: dict[str, object], median: float) -> str:
    """Return sentences on forecasts that outlast the test, or the truth, and that diverge."""
    text, censored = "", number(score.get("censored"))
    if censored:
        length = f"{digits(run.steps * run.step)} {units(run.metrics.get('time_unit'))}"
        text = f" Within the test of {length}, {round(censored)} of {run.n} never exceeded it."
    text += _ceiling(run, median)
    diverged = number(run.score(MODEL, "diverged"))
    return text + (f" {digits(100 * diverged)} % of the forecasts diverged." if diverged else "")


def _ceiling(run: Run, valid: float) -> str:
    if run.ceiling is None or valid <= run.ceiling:
        return ""
    return (
        f" The reference solution is reliable up to {digits(run.ceiling)}; longer valid times are "
        "not meaningful."
    )


def verdict(section: Section) -> Markup:
    """Return which model is best, its lead over the next one, and its cost."""
    found = entries(section)
    order, by_error = ranked(found)
    best = order[0]
    end = common_end(found)
    text: list[str] = [_lead(best, found, by_error)]
    if len(order) > 1:
        text.append(_against(best, order[1], end, by_error))
        text.append("" if by_error else _one_step(best, order[1]))
    baselines = [one for one in order[2:] if one.name != MODEL]
    if baselines and MODEL == best.name == order[1].name:
        words = _score(baselines[0], by_error, end)
        text.append(f" The best baseline, {baselines[0].label}, {words}.")
    rest = _ceiling(best.first, best.valid[0]) + _cost(best)
    return Markup("").join([*text, rest])


def _lead(best: Entry, found: Sequence[Entry], by_error: bool) -> Markup:
    n, seeds = best.first.n, len(best.group.runs)
    sample = f"{n} starts" if n > 1 else "one start"
    sample += f", {seeds} seeds" if seeds > 1 else ""
    words = Markup("<b>{}</b>").format(best.label)
    if best.name != MODEL:
        words = Markup("No model beats the baseline {}, which").format(words)
    elif len(found) > 1:
        words += " is best: it"
    return words + f" {_score(best, by_error, common_end(found))} ({sample})."


def _score(one: Entry, by_error: bool, end: float) -> str:
    if by_error:
        step = round(end / one.first.step)
        return f"has an nRMSE of {digits(one.error_at(end), 'infinity')} at step {step}, the last"
    median, interval = valid_time_text(one.group, one.first, one.name)
    return f"is valid for {median} {interval} {units(one.first.metrics.get('time_unit'))}"


def _against(best: Entry, other: Entry, end: float, by_error: bool) -> str:
    """Return the difference to the next model, from forecasts of the same starts."""
    name = other.label
    if by_error:
        middle, low, high = paired(best.errors_at(end), other.errors_at(end), ratio=True)
        if not np.isfinite([middle, low, high]).all():
            return f" The next is {name}."
        words = f"{digits(middle)} [{digits(low)}, {digits(high)}] times that of the next, {name}"
        if low > 1:  # the mean of squares depends on the worst starts, that of logarithms on all
            return f" On most starts it is worse: its error there is {words}."
        significant = "" if not low <= 1 <= high else ", not a significant difference"
        return f" Its error there is {words}{significant}."
    middle, low, high = paired(best.times(end), other.times(end))
    difference = f"{middle:+.3g} [{low:+.3g}, {high:+.3g}]"
    if low <= 0 <= high:
        return f" The difference to the next, {name}, is not significant: {difference}."
    if high < 0:
        return f" On most starts it is worse: {difference} against {name}."
    lead = f"{digits(middle)} [{digits(low)}, {digits(high)}]"
    return f" That is {lead} longer than {name}, the next."


def paired(
    a: Sequence[np.ndarray], b: Sequence[np.ndarray], ratio: bool = False
) -> tuple[float, float, float]:
    """Return the mean difference (or geometric mean ratio) over starts of medians over seeds."""
    x, y = (np.median(np.stack(seeds), 0)[None] for seeds in (a, b))
    middle, low, high = metrics.paired(x, y, ratio)
    return middle, low, high


def _one_step(best: Entry, other: Entry) -> str:
    """Return the errors after one step, which explain the valid times."""
    step = max(best.first.step, other.first.step)
    errors = f"{digits(best.error_at(step))}, that of {other.label} {digits(other.error_at(step))}"
    return f" After one step its nRMSE is {errors}."


def _cost(best: Entry) -> str:
    if best.name != MODEL:
        return ""
    train = best.group.median("seconds", "train")
    size = number(entry(best.first.metrics, "parameters"))
    parts = [f"{count(size)} parameters"] if size is not None else []
    parts += [f"{duration(train)} of training"] if train is not None else []
    return f" It has {' and '.join(parts)}." if parts else ""
