"""What the page says of each model of a section: ranks, curves, the rows of its table."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sirve.metrics import nrmse, valid_steps
from sirve.report.compare.sections import Group, Section, span
from sirve.report.compare.settings import training_trajectories
from sirve.report.load import MODEL, Run, entry, number
from sirve.report.stats import early, pooled, quartiles
from sirve.report.style import (
    MISSING,
    THRESHOLD,
    baseline_style,
    count,
    digits,
    duration,
    run_style,
    units,
)
from sirve.report.text import horizons, share

POINTS = 250  # of a curve
_STEPS = 8  # columns of errors at a step, at most, and as many of drifts
_BOTTOM, _TOP = 1e-15, 1e6  # of errors that are drawn
Cell = list[Any]  # a number to sort by or None, its text, and of an interval low and high


@dataclass(frozen=True, eq=False)
class Entry:
    """A model, all its seeds, or a baseline: one line of the table and one colour."""

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
    def held(self) -> tuple[float, float, float]:
        """Median and 95 % interval of the valid time."""
        return self.group.valid_time(self.name)

    def errors(self) -> list[np.ndarray]:
        """Of each seed, (n, steps)."""
        return [run.errors[self.name] for run in self.group.runs]

    def times(self, end: float) -> list[np.ndarray]:
        """Valid times (n,) of each seed, of forecasts that end at ``end``."""
        found = [
            valid_steps(run.errors[self.name], THRESHOLD) * run.step for run in self.group.runs
        ]
        return [np.minimum(times, end) for times in found]

    def errors_at(self, time: float) -> list[np.ndarray]:
        """Errors (n,) of each seed at ``time``."""
        step = max(1, round(time / self.first.step))
        return [e[:, min(step, e.shape[1]) - 1] for e in self.errors()]

    def error_at(self, time: float) -> float:
        """nRMSE at ``time``, the median over seeds."""
        return float(np.median([nrmse(e[:, None])[0] for e in self.errors_at(time)]))


def entries(section: Section) -> list[Entry]:
    """The models, then the baselines of the first run that are not there as runs."""
    found = [Entry(g, MODEL, *run_style(k, 0)) for k, g in enumerate(section.groups)]
    first = section.runs[0]
    models = {run.model for run in section.runs}
    names = first.baselines
    alone = Group("", (first,))
    rest = [Entry(alone, n, *baseline_style(n, names)) for n in names if n not in models]
    return found + rest


def common_end(found: Sequence[Entry]) -> float:
    """The end of the shortest test, in ``time_unit``."""
    return min(run.steps * run.step for one in found for run in one.group.runs)


def ranked(found: Sequence[Entry]) -> tuple[list[Entry], bool]:
    """From the best on, and whether by error instead of by valid time.

    By the median valid time; where that of the best is as long as the test, it cannot tell them
    apart, and the nRMSE at the end of the shortest test does.
    """
    end = common_end(found)

    def held(one: Entry) -> float:
        return pooled(one.times(end), 1)[0]

    by_error = max(map(held, found)) >= end * (1 - 1e-9)
    if by_error:
        return sorted(found, key=lambda one: one.error_at(end)), True
    return sorted(found, key=lambda one: -held(one)), False


def curve(one: Entry) -> dict[str, Any]:
    """Median error and quartiles over seeds and starts, and the median of every seed."""
    run = min(one.group.runs, key=lambda run: run.steps)
    at = early(run.steps, POINTS)
    errors = [e[:, at] for e in one.errors()]
    low, middle, high = quartiles(np.concatenate(errors))
    seeds = [_numbers(quartiles(e)[1]) for e in errors] if len(errors) > 1 else []
    low, high = (np.clip(q, _BOTTOM, _TOP) for q in (low, high))
    parts = {"low": _numbers(low), "middle": _numbers(middle), "high": _numbers(high)}
    return {"x": _numbers(run.time[at]), **parts, "seeds": seeds}


def _numbers(values: np.ndarray) -> list[float | None]:
    """Four digits of each; None where there is nothing to draw on a logarithmic axis."""
    return [float(f"{x:.4g}") if 0 < x <= _TOP else None for x in values.tolist()]


def columns(section: Section) -> list[dict[str, Any]]:
    """Title of each column, and its key: where in the metrics it is found."""
    unit = units(section.runs[0].metrics.get("time_unit"))
    found = [{"title": f"valid time ({unit})", "key": "valid_time", "skill": True}]
    for score, title in (("nrmse", "nRMSE"), ("vrmse", "VRMSE")):
        for h in horizons(section.runs, score)[:_STEPS]:
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
    """A row for every entry, and below a model one for each of its seeds."""
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
        return [one.held[0], " ".join(span(one.group, one.first, one.name)), *one.held[1:]]
    if isinstance(key, list):
        value = one.group.middle("scores", one.name, *key)
        return [value, share(value) if key == ["diverged"] else digits(value)]
    if key == "trajectories":
        value = training_trajectories(one.first)
        return [value, count(value)]
    if one.name != MODEL:
        return [None, MISSING]
    if key == "parameters":
        value = number(entry(one.first.metrics, key))
        return [value, count(value)]
    value = one.group.middle("seconds", key)
    return [value, duration(value)]
