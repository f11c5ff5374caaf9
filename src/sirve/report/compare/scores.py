"""Ranks, error curves and table rows of the models of a section."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from sirve.metrics import nrmse, valid_steps
from sirve.report.compare.sections import Group, Section, valid_time_text
from sirve.report.compare.settings import training_trajectories
from sirve.report.figures.chart import Chart, Curve
from sirve.report.figures.curves import error_chart, error_curve, time_label, valid_time_marks
from sirve.report.limit import limit_curve
from sirve.report.load import MODEL, Run, entry, number
from sirve.report.stats import early, pooled
from sirve.report.style import (
    MISSING,
    THRESHOLD,
    baseline_style,
    count,
    digits,
    duration,
    run_style,
    share,
    units,
)

_POINTS = 250  # of an error curve
_STEPS = 8  # columns of errors at a step, at most, and as many of drifts
Cell = list[Any]  # a number to sort by or None, its text, and of an interval low and high


@dataclass(frozen=True, eq=False)
class Entry:
    """A model with all its seeds, or a baseline: one line of the table and one colour."""

    group: Group
    name: str  # MODEL, or a baseline of the group's first run
    colour: str
    dash: str

    @property
    def label(self) -> str:
        return self.group.label if self.name == MODEL else self.name

    @property
    def first(self) -> Run:
        return self.group.runs[0]

    @cached_property
    def valid(self) -> tuple[float, float, float]:
        """Median and 95 % interval of the valid time."""
        return self.group.valid_time(self.name)

    def times(self, end: float) -> list[np.ndarray]:
        """Return the valid times (n,) of each seed, for forecasts that end at ``end``."""
        steps = [valid_steps(run.errors[self.name], THRESHOLD) for run in self.group.runs]
        return [np.minimum(s * r.step, end) for s, r in zip(steps, self.group.runs, strict=True)]

    def errors_at(self, time: float) -> list[np.ndarray]:
        """Return the errors (n,) of each seed at ``time``."""
        step = max(1, round(time / self.first.step))
        errors = [run.errors[self.name] for run in self.group.runs]
        return [e[:, min(step, e.shape[1]) - 1] for e in errors]

    def error_at(self, time: float) -> float:
        """Return the nRMSE at ``time``, the median over seeds."""
        return float(np.median([nrmse(e[:, None])[0] for e in self.errors_at(time)]))


def entries(section: Section) -> list[Entry]:
    """Return the models, then the baselines of the first run that are not models themselves."""
    found = [Entry(g, MODEL, *run_style(k, 0)) for k, g in enumerate(section.groups)]
    first = section.runs[0]
    models = {run.model for run in section.runs}
    names = first.baselines
    alone = Group("", (first,))
    rest = [Entry(alone, n, *baseline_style(n, names)) for n in names if n not in models]
    return found + rest


def common_end(found: Sequence[Entry]) -> float:
    """Return the end of the shortest test, in ``time_unit``."""
    return min(run.steps * run.step for one in found for run in one.group.runs)


def ranked(found: Sequence[Entry]) -> tuple[list[Entry], bool]:
    """Return the entries from the best to the worst, and whether they are ranked by error.

    The rank is by the median valid time. Where that of the best is as long as the test, the nRMSE
    at the end of the shortest test decides.
    """
    end = common_end(found)
    medians = {one: pooled(one.times(end), 1)[0] for one in found}
    by_error = max(medians.values()) >= end * (1 - 1e-9)
    if by_error:
        return sorted(found, key=lambda one: one.error_at(end)), True
    return sorted(found, key=lambda one: -medians[one]), False


def errors_chart(found: Sequence[Entry], points: int = _POINTS) -> Chart:
    """Chart of the error of every entry against time, and of every seed as a thin line."""
    curves, thin, marks = [], [], []
    for k, one in sorted(enumerate(found), key=lambda pair: pair[1].name == MODEL):
        look = (one.name, one.label, one.colour, one.dash, points)
        curves.append(_of_entry(error_curve(one.group.runs, *look), k))
        if one.name == MODEL:
            end = one.first.steps * one.first.step
            marks += [_of_entry(mark, k) for mark in valid_time_marks(*one.valid, end, one.colour)]
        for run in one.group.runs if len(one.group.runs) > 1 else ():
            curve = error_curve([run], *look)
            thin.append(Curve("", curve.x, curve.y, one.colour, width=0.7, entry=k))
    run = found[0].first
    label = time_label(run)
    limit = limit_curve(run, early(run.steps, points))
    curves += [limit] if limit is not None else []
    return error_chart([*thin, *curves], label, run.drawn_ceiling, marks if len(found) < 9 else [])


def _of_entry(curve: Curve, entry: int) -> Curve:
    return replace(curve, entry=entry)


def horizons(names: Iterable[Iterable[str]]) -> list[str]:
    """Return all names that are numbers of steps, in ascending order."""
    found = {h for some in names for h in some if h.isdecimal() and len(h) < 10}
    return sorted(found, key=int)


def columns(section: Section) -> list[dict[str, Any]]:
    """Return title and key (its place in the metrics) of each column of the table."""
    unit = units(section.runs[0].metrics.get("time_unit"))
    found: list[dict[str, Any]] = [
        {"title": f"valid time ({unit})", "key": "valid_time", "skill": True},
        {"title": "outlasted the test", "key": "censored"},
    ]
    for score, title in (("nrmse", "nRMSE"), ("vrmse", "VRMSE")):
        names = [run.entries(name, score) for run in section.runs for name in run.errors]
        for h in horizons(names)[:_STEPS]:
            found.append({"title": f"{title} at step {h}", "key": [score, h], "skill": True})
    drifts = sorted({d for run in section.runs for d in run.entries(MODEL, "invariants")})
    found += [{"title": f"drift of {d}", "key": ["invariants", d]} for d in drifts[:_STEPS]]
    found.append({"title": "diverged", "key": ["diverged"]})
    if len({training_trajectories(run) for run in section.runs}) > 1:
        found.append({"title": "training trajectories", "key": "trajectories", "cost": True})
    found.append({"title": "parameters", "key": "parameters", "cost": True})
    found.append({"title": "training (s)", "key": "train", "cost": True})
    found.append({"title": "a step of forecast (s)", "key": "forecast_per_step", "cost": True})
    return found


def rows(section: Section, found: Sequence[Entry]) -> list[dict[str, Any]]:
    """Return a row for every entry, and below a model with several seeds one for each seed."""
    heads, result = columns(section), []
    for k, one in enumerate(found):
        cells = [_cell(one, head["key"]) for head in heads]
        result.append({"entry": k, "name": one.label, "seed": False, "cells": cells})
        for run in one.group.runs if len(one.group.runs) > 1 else ():
            alone = Entry(Group("", (run,)), one.name, one.colour, one.dash)
            cells = [_cell(alone, head["key"]) for head in heads]
            name = f"seed {alone.group.seeds}"
            result.append({"entry": k, "name": name, "seed": True, "cells": cells})
    return result


def _cell(one: Entry, key: str | list[str]) -> Cell:
    if key == "valid_time":
        text = " ".join(valid_time_text(one.group, one.first, one.name))
        return [one.valid[0], text, *one.valid[1:]]
    if key == "censored":
        value = one.group.median("scores", one.name, "valid_time", str(THRESHOLD), "censored")
        return [value, count(value)]
    if isinstance(key, list):
        value = one.group.median("scores", one.name, *key)
        return [value, share(value) if key == ["diverged"] else digits(value)]
    if key == "trajectories":
        value = training_trajectories(one.first)
        return [value, count(value)]
    if one.name != MODEL:
        return [None, MISSING]
    if key == "parameters":
        value = number(entry(one.first.metrics, key))
        return [value, count(value)]
    value = one.group.median("seconds", key)
    return [value, duration(value)]
