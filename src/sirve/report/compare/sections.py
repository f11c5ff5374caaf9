"""Groups runs that differ only in their seed, and compares them in a table in Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sirve.metrics import valid_steps
from sirve.report.compare.settings import conditions, label, same_test, settings, titles
from sirve.report.load import MODEL, Run, entry, number
from sirve.report.stats import pooled
from sirve.report.style import THRESHOLD, digits, units


@dataclass(frozen=True)
class Group:
    """Runs that differ only in their seed."""

    label: str
    runs: tuple[Run, ...]

    def valid_time(self, name: str = MODEL) -> tuple[float, float, float]:
        """Return median and 95 % interval of the valid time, over seeds and starts."""
        return pooled([valid_steps(run.errors[name], THRESHOLD) * run.step for run in self.runs])

    def median(self, *keys: str) -> float | None:
        """Return the median over seeds of an entry of the metrics; None where no seed has it."""
        values = [x for run in self.runs if (x := number(entry(run.metrics, *keys))) is not None]
        return float(np.median(values)) if values else None

    @property
    def seeds(self) -> str:
        several = len(self.runs) > 1
        return f"{len(self.runs)} seeds" if several else str(self.runs[0].metrics.get("seed", "?"))


@dataclass(frozen=True)
class Section:
    """Runs with comparable scores: they have the same test set and the same observations."""

    title: str
    conditions: str  # that distinguish it from other sections of the system; empty: no other
    groups: tuple[Group, ...]

    @property
    def runs(self) -> list[Run]:
        return [run for group in self.groups for run in group.runs]


def sections(runs: Sequence[Run]) -> list[Section]:
    """Sort runs into sections, ordered by system, and within a section by model."""
    found: dict[tuple[Any, ...], list[list[Run]]] = {}
    for run in runs:
        parts = found.setdefault((run.sim, tuple(sorted(conditions(run).items()))), [])
        part = next((part for part in parts if same_test(part[0], run)), None)
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
        for (title, words), part in sorted(named, key=lambda one: one[0]):
            result.append(Section(title, words, grouped(part)))
    return result


def grouped(runs: Sequence[Run]) -> tuple[Group, ...]:
    """Merge runs that differ only in their seed; label them by the settings that differ."""
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
    """Return the settings in which any two groups differ, and their values in each group."""
    flat = [settings(group.runs[0]) for group in groups]
    keys = sorted({key for one in flat for key in one})
    keys = [key for key in keys if len({one.get(key) for one in flat}) > 1]
    return keys, [[one.get(key) for key in keys] for one in flat]


def valid_time_text(group: Group, run: Run, name: str = MODEL) -> tuple[str, str]:
    """Return median and interval of a valid time as text; "≥" where forecasts outlast the test."""
    longest = run.steps * run.step * (1 - 1e-9)
    median, low, high = (
        f"{'≥ ' if value > longest else ''}{digits(value)}" for value in group.valid_time(name)
    )
    return median, f"[{low}, {high}]"


def markdown(runs: Sequence[Run]) -> str:
    """Return a table of the runs in GitHub's Markdown, seeds merged."""
    head = f"sim | model | seeds | valid time at {THRESHOLD} (median [low, high])"
    head += " | nRMSE @1 | @10 | @50 | train s"
    lines = [f"| {head} |", "|---|---|--:|--:|--:|--:|--:|--:|"]
    for section in sections(runs):
        for group in section.groups:
            run = group.runs[0]
            unit = units(run.metrics.get("time_unit"))
            cells = [section.title, group.label, str(len(group.runs))]
            cells.append(f"{' '.join(valid_time_text(group, run))} {unit}")
            for horizon in ("1", "10", "50"):
                cells.append(digits(group.median("scores", MODEL, "nrmse", horizon)))
            cells.append(digits(group.median("seconds", "train")))
            lines.append(f"| {' | '.join(map(_cell, cells))} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """Escape ``text`` for one cell."""
    for mark in "\\|<`":
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.split())
