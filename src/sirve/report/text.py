"""Words and tables of the page, as HTML. Whatever comes from a file is escaped here."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from sirve.report.load import MODEL, Run, number
from sirve.report.style import MISSING, THRESHOLD, count, digits, duration, units


def verdict(run: Run) -> str:
    """One sentence: how long the forecasts hold, and how long those of the baselines do."""
    unit = run.metrics.get("time_unit")
    score = run.score(MODEL, "valid_time", str(THRESHOLD))
    median = number(score.get("median")) if isinstance(score, dict) else None
    if median is None:
        return "How long the forecasts hold was not recorded."
    held = f"{bound(run, median)} {escape(units(unit, median))}"
    text = f"Holds for <b>{held}</b> {_sample(run, score)} "
    text += f"at an error of {THRESHOLD} standard deviations"
    others = []
    for name in run.baselines:
        other = number(run.score(name, "valid_time", str(THRESHOLD), "median"))
        if other is not None:
            others.append(f"{escape(name)} {bound(run, other)}")
    return f"{text}{'; ' if others else ''}{', '.join(others)}.{_remarks(run, score)}"


def bound(run: Run, value: float) -> str:
    """A valid time; one as long as the test is only a lower bound."""
    return f"{'at least ' if value > run.steps * run.step * (1 - 1e-9) else ''}{digits(value)}"


def interval(run: Run, score: Any) -> str:
    """The 95 % interval of a median valid time, or nothing."""
    low, high = (number(score.get(k)) if isinstance(score, dict) else None for k in ("low", "high"))
    if low is None or high is None:
        return ""
    if low == high:
        return bound(run, low)
    return f"{digits(low)} to {bound(run, high)}"


def _sample(run: Run, score: dict[str, Any]) -> str:
    if run.n == 1:
        return "(one forecast)"
    span = interval(run, score)
    span = "" if span.startswith("at least") else span  # the remark on the test says as much
    return f"(median of {run.n} forecasts{f'; 95 % interval {span}' if span else ''})"


def _remarks(run: Run, score: dict[str, Any]) -> str:
    """What the sentence would hide: forecasts that outlasted the test, and those that blew up."""
    text = ""
    length = f"{digits(run.steps * run.step)} {escape(units(run.metrics.get('time_unit')))}"
    censored = number(score.get("censored"))
    if censored:
        text += (
            f" Within the test of {length}, {round(censored)} of {run.n} never passed that error."
        )
    median = number(score.get("median"))
    if run.ceiling is not None and median is not None and median > run.ceiling:
        text += (
            f" The solver agrees with itself for {digits(run.ceiling)} only: what holds longer is "
            "not known to be right."
        )
    diverged = number(run.score(MODEL, "diverged"))
    if diverged:
        text += f" Of the forecasts, {digits(100 * diverged)} % diverged."
    return text


def facts(run: Run) -> str:
    """The circumstances of the run, as a list of definitions."""
    metrics = run.metrics
    seconds = metrics.get("seconds")
    seconds = seconds if isinstance(seconds, dict) else {}
    unit = units(metrics.get("time_unit"))
    length = f"{count(run.steps)} steps"
    if unit != "steps":
        length += f" = {digits(run.steps * run.step)} {unit}"
    rows = (
        ("parameters", count(metrics.get("parameters"))),
        ("seed of training", count(metrics.get("seed"))),
        ("seed of the data", count(metrics.get("data_seed"))),
        ("time step", f"{dt:.6g}" if (dt := number(metrics.get("dt"))) else MISSING),
        ("context", f"{run.context} steps"),
        (
            "length of a forecast",
            length,
        ),
        ("the solver's own ceiling", _ceiling(run)),
        ("largest Lyapunov exponent", _exponent(run)),
        ("one-step nRMSE", digits(metrics.get("one_step"))),
        ("simulating the data", duration(seconds.get("simulate"))),
        ("training", duration(seconds.get("train"))),
        ("one step of forecast", duration(seconds.get("forecast_per_step"))),
    )
    items = (f"<div><dt>{k}</dt><dd>{escape(v)}</dd></div>" for k, v in rows if v != MISSING)
    return f'<dl class="facts">{"".join(items)}</dl>'


def _ceiling(run: Run) -> str:
    """How long the solver agrees with another one."""
    limits = run.metrics.get("limits")
    limits = limits if isinstance(limits, dict) else {}
    twin = limits.get("twin")
    if twin is None:
        return "none: the solution is exact" if "twin" in limits else MISSING
    against = f" (against {str(twin)[:60]})"
    if run.ceiling is not None:
        return f"{digits(run.ceiling)} {units(run.metrics.get('time_unit'))}{against}"
    return f"beyond what was looked at{against}" if limits.get("ceiling") else MISSING


def _exponent(run: Run) -> str:
    """In 1/time, with its 95 % interval."""
    limits = run.metrics.get("limits")
    found = limits.get("exponents") if isinstance(limits, dict) else None
    first: list[float | None] = []
    for key in ("value", "error"):
        values = found.get(key) if isinstance(found, dict) else None
        first.append(number(values[0]) if isinstance(values, list) and values else None)
    value, error = first
    return MISSING if value is None or error is None else f"{value:.3g} ± {error:.1g}"


def table(head: Sequence[str], rows: Iterable[tuple[str, Sequence[str]]]) -> str:
    """A table; every row is a class and its cells. Cells are HTML already."""
    top = "".join(f"<th>{cell}</th>" for cell in head)
    body = "".join(
        f'<tr class="{kind}">{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'
        for kind, cells in rows
    )
    content = f"<thead><tr>{top}</tr></thead><tbody>{body}</tbody>"
    return f'<div class="table"><table>{content}</table></div>'


def horizons(runs: Sequence[Run], score: str = "nrmse") -> list[str]:
    """The horizons, in steps, at which any of ``runs`` has ``score``, in ascending order."""
    found: set[str] = set()
    for run in runs:
        for name in run.errors:
            found |= run.entries(name, score)
    return horizons_of([found])


def horizons_of(names: Iterable[Iterable[str]]) -> list[str]:
    """All that are numbers of steps, in ascending order."""
    found = {h for some in names for h in some if h.isdecimal() and len(h) < 10}
    return sorted(found, key=int)


def score_table(run: Run) -> str:
    """Model and baselines: errors at the horizons, valid time, share that diverged."""
    at = horizons([run])
    unit = escape(units(run.metrics.get("time_unit")))
    head = ["", f"valid time<br>({unit})", "95 % interval", "never<br>crossed", "diverged"]
    head += [f"nRMSE<br>at step {h}" for h in at]
    rows = []
    for name in run.errors:
        valid = run.score(name, "valid_time", str(THRESHOLD))
        valid = valid if isinstance(valid, dict) else {}
        median, diverged = number(valid.get("median")), number(run.score(name, "diverged"))
        cells = [escape(run.model if name == MODEL else name)]
        cells += [
            MISSING if median is None else bound(run, median),
            interval(run, valid) or MISSING,
        ]
        cells += [count(valid.get("censored")), share(diverged)]
        cells += [digits(run.score(name, "nrmse", h)) for h in at]
        rows.append((_kind(name), cells))
    return table(head, rows)


def more_scores(run: Run) -> str:
    """The scores that the first table leaves out; empty where there are none."""
    unit = escape(units(run.metrics.get("time_unit")))
    blocks: list[tuple[str, list[tuple[str, tuple[str, ...]]]]] = []
    levels = ("0.3", "0.4", "0.5", "0.9")
    blocks.append(
        (
            f"Median valid time ({unit}) at other errors",
            [(t, ("valid_time", t, "median")) for t in levels],
        )
    )
    for key, title in (("median_error", "Median error"), ("vrmse", "VRMSE")):
        blocks.append((f"{title} at step", [(h, (key, h)) for h in horizons([run], key)]))
    drifts = sorted({d for name in run.errors for d in run.entries(name, "invariants")})
    blocks.append(
        ("Drift of what should stay constant", [(escape(d), ("invariants", d)) for d in drifts])
    )
    text = ""
    for title, columns in blocks:
        rows = [
            (name, [digits(run.score(name, *keys)) for _, keys in columns]) for name in run.errors
        ]
        if any(cell != MISSING for _, cells in rows for cell in cells):
            shown = [
                (_kind(name), [escape(run.model if name == MODEL else name), *cells])
                for name, cells in rows
            ]
            text += f"<h3>{title}</h3>{table(['', *(c for c, _ in columns)], shown)}"
    return f"<details><summary>More scores</summary>{text}</details>" if text else ""


def share(value: float | None) -> str:
    return MISSING if value is None else f"{digits(100 * value)} %"


def _kind(name: str) -> str:
    return "model" if name == MODEL else "baseline"
