"""Compares runs: groups those which differ only in their seed, and tables them in Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sirve.metrics import valid_steps
from sirve.report.compare.settings import label, same_truth, seen, settings, titles
from sirve.report.load import MODEL, Run, entry, number
from sirve.report.stats import pooled
from sirve.report.style import THRESHOLD, digits, units


@dataclass(frozen=True)
class Group:
    """Runs which differ only in their seed."""

    label: str
    runs: tuple[Run, ...]

    def valid_time(self, name: str = MODEL) -> tuple[float, float, float]:
        """Median and 95 % interval of the valid time, over seeds and initial conditions."""
        return pooled([valid_steps(run.errors[name], THRESHOLD) * run.step for run in self.runs])

    def middle(self, *keys: str) -> float | None:
        """Median over the seeds of an entry of the metrics; None where no seed has it."""
        values = [x for run in self.runs if (x := number(entry(run.metrics, *keys))) is not None]
        return float(np.median(values)) if values else None

    @property
    def seeds(self) -> str:
        several = len(self.runs) > 1
        return f"{len(self.runs)} seeds" if several else str(self.runs[0].metrics.get("seed", "?"))


@dataclass(frozen=True)
class Section:
    """Runs whose scores can be compared: they saw the same of the same test trajectories."""

    title: str
    alike: str  # in what they differ from the other sections of the system; empty: there is none
    groups: tuple[Group, ...]

    @property
    def runs(self) -> list[Run]:
        return [run for group in self.groups for run in group.runs]


def sections(runs: Sequence[Run]) -> list[Section]:
    """Runs that saw the same of the same test, in order of the system; within, by model."""
    found: dict[tuple[Any, ...], list[list[Run]]] = {}
    for run in runs:
        parts = found.setdefault((run.sim, tuple(sorted(seen(run).items()))), [])
        part = next((part for part in parts if same_truth(part[0], run)), None)
        if part is None:
            parts.append([run])
        else:
            part.append(run)
    systems: dict[str, list[list[Run]]] = {}
    for (sim, _), parts in sorted(found.items()):
        systems.setdefault(sim, []).extend(parts)
    result = []
    for sim, parts in systems.items():
        named = zip(titles(sim, parts), parts, strict=True)
        for (title, alike), part in sorted(named, key=lambda one: one[0]):
            result.append(Section(title, alike, grouped(part)))
    return result


def grouped(runs: Sequence[Run]) -> tuple[Group, ...]:
    """Merge the runs which differ only in their seed; label them by what they differ in."""
    found: dict[tuple[str, ...], list[Run]] = {}
    flat: dict[tuple[str, ...], dict[str, str]] = {}
    for run in runs:
        options = settings(run)
        key = (run.model, *(f"{k}={v}" for k, v in sorted(options.items())))
        found.setdefault(key, []).append(run)
        flat[key] = options
    groups = []
    for key, members in sorted(found.items()):
        namesakes = [flat[other] for other in found if other[0] == key[0]]
        ordered = sorted(members, key=lambda run: number(run.metrics.get("seed")) or 0.0)
        groups.append(Group(label(key[0], flat[key], namesakes), tuple(ordered)))
    return tuple(groups)


def differing(groups: Sequence[Group]) -> tuple[list[str], list[list[str | None]]]:
    """The settings in which any two groups differ, and their values in each group."""
    flat = [settings(group.runs[0]) for group in groups]
    keys = sorted({key for one in flat for key in one})
    keys = [key for key in keys if len({one.get(key) for one in flat}) > 1]
    return keys, [[one.get(key) for key in keys] for one in flat]


def span(group: Group, run: Run, name: str = MODEL) -> tuple[str, str]:
    """Median and interval of a valid time as text; "≥" where the forecasts outlast the test."""
    longest = run.steps * run.step * (1 - 1e-9)
    median, low, high = (
        f"{'≥ ' if value > longest else ''}{digits(value)}" for value in group.valid_time(name)
    )
    return median, f"[{low}, {high}]"


def markdown(runs: Sequence[Run]) -> str:
    """A table of the runs for GitHub, seeds merged."""
    head = f"sim | model | seeds | valid time at {THRESHOLD} (median [low, high])"
    head += " | nRMSE @1 | @10 | @50 | train s"
    lines = [f"| {head} |", "|---|---|--:|--:|--:|--:|--:|--:|"]
    for section in sections(runs):
        for group in section.groups:
            run = group.runs[0]
            unit = units(run.metrics.get("time_unit"))
            cells = [section.title, group.label, str(len(group.runs))]
            cells.append(f"{' '.join(span(group, run))} {unit}")
            for horizon in ("1", "10", "50"):
                cells.append(digits(group.middle("scores", MODEL, "nrmse", horizon)))
            cells.append(digits(group.middle("seconds", "train")))
            lines.append(f"| {' | '.join(map(_cell, cells))} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """``text`` in one cell, never taken for a mark-up."""
    for mark in "\\|<`":
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.split())
