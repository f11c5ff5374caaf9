"""Compares runs: groups those which differ only in their seed, and tables them in Markdown."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sirve.errors import UserError
from sirve.files import parse_yaml
from sirve.metrics import valid_steps
from sirve.report.load import MODEL, Run, number
from sirve.report.stats import pooled
from sirve.report.style import THRESHOLD, digits, units

# Parts of a configuration that do not change what is learned; ``data_seed`` is in the metrics.
_ASIDE = {"seed", "runs", "root", "hydra", "logger", "launcher", "workers", "threads", "log_every"}

# Of these the label of a run tells first.
_TELLING = ("model", "objective", "optimizer", "trainer", "observe", "sim", "data")


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
    """Runs of one system whose errors can share a plot."""

    title: str
    groups: tuple[Group, ...]

    @property
    def runs(self) -> list[Run]:
        return [run for group in self.groups for run in group.runs]


def entry(value: Any, *keys: str) -> Any:
    """The entry of nested dictionaries under ``keys``, or None."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def sections(runs: Sequence[Run]) -> list[Section]:
    """Runs by system and unit of time, in order of the name; within, by model."""
    found: dict[tuple[Any, ...], list[Run]] = {}
    for run in runs:
        key = (run.sim, units(run.metrics.get("time_unit")), run.shape)
        found.setdefault(key, []).append(run)
    names = [sim for sim, *_ in found]
    result = []
    for (sim, unit, shape), members in sorted(found.items()):
        size = " x ".join(map(str, shape))
        title = f"{sim}, {size}, in {unit}" if names.count(sim) > 1 else sim
        result.append(Section(title, grouped(members)))
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
        groups.append(Group(_label(key[0], flat[key], namesakes), tuple(ordered)))
    return tuple(groups)


def settings(run: Run) -> dict[str, str]:
    """What makes a run what it is, flat, without its seed and the places of its files."""
    try:
        config = parse_yaml(run.config, "config.yaml")
    except UserError:
        config = None
    kept = {k: str(run.metrics.get(k)) for k in ("data_seed", "parameters", "dt", "steps")}
    for path, value in _leaves(config, ()):
        if not _ASIDE.intersection(path) and not str(value).startswith("/"):
            kept[".".join(path)] = str(value)
    return kept


def _leaves(value: Any, path: tuple[str, ...]) -> Iterable[tuple[tuple[str, ...], Any]]:
    if not isinstance(value, dict):
        yield path, value
        return
    for key, below in value.items():
        yield from _leaves(below, (*path, str(key)))


def _label(model: str, own: dict[str, str], namesakes: Sequence[dict[str, str]]) -> str:
    """The model, with up to three settings in which its namesakes differ."""
    keys = [k for k in own if any(other.get(k) != own[k] for other in namesakes)]
    keys = [k for k in keys if all(k in other for other in namesakes)] or keys
    keys = [k for k in keys if k != "parameters"] or keys  # which follow from the others

    def rank(key: str) -> int:
        part = key.partition(".")[0]
        return _TELLING.index(part) if part in _TELLING else len(_TELLING)

    shown = [f"{k}={own[k][:24]}" for k in sorted(keys, key=rank)[:3]]
    return " ".join([model, *shown])


def differing(groups: Sequence[Group]) -> tuple[list[str], list[list[str | None]]]:
    """The settings in which any two groups differ, and their values in each group."""
    flat = [settings(group.runs[0]) for group in groups]
    keys = sorted({key for one in flat for key in one})
    keys = [key for key in keys if len({one.get(key) for one in flat}) > 1]
    return keys, [[one.get(key) for key in keys] for one in flat]


def same_test(run: Run, other: Run) -> bool:
    """Whether both runs forecast the same trajectories, as long as both last."""
    if (run.n, run.shape) != (other.n, other.shape):
        return False
    steps = min(2, run.steps, other.steps)
    return bool(
        np.allclose(run.time[:steps], other.time[:steps])
        and np.allclose(run.states(0, slice(steps))[0], other.states(0, slice(steps))[0], rtol=1e-4)
    )


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
