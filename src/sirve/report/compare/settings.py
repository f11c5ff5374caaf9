"""What runs were made with: what tells models apart, and what makes their scores comparable."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from sirve.errors import UserError
from sirve.io.files import parse_yaml
from sirve.report.load import Run, entry, number
from sirve.report.style import units

# Parts of a configuration that do not change what is learned; ``data_seed`` is in the metrics.
_ASIDE = {"seed", "runs", "root", "hydra", "logger", "launcher", "workers", "threads", "log_every"}
_ASIDE |= {"limits", "inside", "loaders", "resume", "accept_changes", "checkpoint_every", "timeout"}

# Of these the label of a run tells first.
_TELLING = ("fit", "model", "objective", "optimizer", "trainer", "observe", "sim", "data")

# Parts of ``sim`` that the test trajectories do not depend on, as far as they go.
_TRAINING = {"training", "trajectories", "states", "valid_steps", "steps", "train", "valid"}
_TRAINING |= {"context"}  # which is told of the rollouts themselves
_DRAWS = {"uniform": " to ", "log_uniform": " to ", "choice": " or "}
_CHANNELS = "observe.channels"
_KIND = "observe._target_"


def settings(run: Run) -> dict[str, str]:
    """What makes a run what it is, flat, without its seed and the places of its files."""
    kept = {k: str(run.metrics.get(k)) for k in ("data_seed", "parameters", "dt", "steps")}
    for path, value in _leaves(configuration(run.config), ()):
        if not _ASIDE.intersection(path) and not str(value).startswith("/"):
            known = number(value)  # 0 and 0.0 are the same
            kept[".".join(path)] = str(value) if known is None else f"{known:.12g}"
    return kept


def training_trajectories(run: Run) -> float | None:
    """How many were asked for."""
    return number(entry(configuration(run.config), "sim", "trajectories", "train"))


def label(model: str, own: Mapping[str, str], namesakes: Sequence[Mapping[str, str]]) -> str:
    """The model, with the settings that tell it from its namesakes."""

    def rank(key: str) -> tuple[bool, bool, int]:
        part = key.partition(".")[0]
        place = _TELLING.index(part) if part in _TELLING else len(_TELLING)
        follows = key == "parameters"  # from the others
        return follows, any(key not in other for other in namesakes), place

    shown = [f"{k}={own[k][:24]}" for k in _telling(namesakes, rank) if k in own]
    return " ".join([model, *shown])


def seen(run: Run) -> dict[str, str]:
    """What a model may see of the test, and how it is scored; what is nothing is left out."""
    found = {k: v for k, v in _plain(run, "observe").items() if k != _CHANNELS}
    return found | {
        _CHANNELS: " ".join(run.channels),
        "context": str(run.context),
        "starts": str(run.n),
        "cells": " x ".join(map(str, run.shape[1:])),
        "times": units(run.metrics.get("time_unit")),
    }


def same_truth(run: Run, other: Run) -> bool:
    """Whether both were tested on the same trajectories, of which as much is read as tells."""
    steps = min(2, run.steps, other.steps)
    return bool(np.allclose(run.time[:steps], other.time[:steps])) and all(
        np.allclose(run.states(i, slice(steps))[0], other.states(i, slice(steps))[0], rtol=1e-4)
        for i in {0, run.n - 1}
    )


def titles(sim: str, parts: Sequence[Sequence[Run]]) -> list[tuple[str, str]]:
    """For each group of runs of one system: a title, and all that tells it from the other groups.

    A title says no more than tells the groups apart, and nothing that holds for most of them.
    """
    every = [[_conditions(run) for run in runs] for runs in parts]
    loose = {k for some in every for one in some for k in one if one[k] != some[0].get(k)}
    found = [{k: v for k, v in some[0].items() if k not in loose} for some in every]
    needed = _telling(found, _first_seen)
    usual = {key: _most([one.get(key) for one in found]) for key in needed}
    names = []
    for one in found:
        told = [_words(k, one.get(k)) for k in needed if one.get(k) not in usual[k]]
        names.append(" · ".join([sim, *told]))
    again = [names[:k].count(name) for k, name in enumerate(names)]
    return [
        (f"{name} ({n + 1})" if n else name, alike)
        for name, n, alike in zip(names, again, _alike(found), strict=True)
    ]


def _alike(found: Sequence[Mapping[str, str]]) -> list[str]:
    """Of each, all in which any two differ."""
    keys = sorted({k for one in found for k in one}, key=_first_seen)
    keys = [key for key in keys if len({one.get(key) for one in found}) > 1]
    nothing = _KIND not in keys  # of another kind of view, what is not there was never asked for
    return [", ".join(_words(k, one.get(k)) for k in keys if k in one or nothing) for one in found]


def _first_seen(key: str) -> tuple[int, str]:
    """By how much a condition tells: how it is looked at, then what it is."""
    order = (_KIND, _CHANNELS, "observe.", "sim.", "data.", "")
    return next(k for k, start in enumerate(order) if key.startswith(start)), key


def _most(values: Sequence[str | None]) -> set[str | None]:
    """The value of more than half, if there is one."""
    value, count = Counter(values).most_common(1)[0]
    return {value} if 2 * count > len(values) else set()


def _telling(many: Sequence[Mapping[str, str]], rank: Callable[[str], Any]) -> list[str]:
    """The keys, the first of ``rank`` first, that are needed to tell apart those which differ."""
    chosen: list[str] = []
    apart = 1
    for key in sorted(dict.fromkeys(k for one in many for k in one), key=rank):
        kinds = len({tuple(one.get(k) for k in (*chosen, key)) for one in many})
        if kinds > apart:
            chosen, apart = [*chosen, key], kinds
    return chosen


def _conditions(run: Run) -> dict[str, str]:
    """What is seen, and what the test trajectories were made with."""
    return seen(run) | _plain(run, "sim") | {"data.seed": str(run.metrics.get("data_seed"))}


def _plain(run: Run, group: str) -> dict[str, str]:
    """The settings of a group of the configuration as text; a draw is one setting."""
    part = entry(configuration(run.config), group)
    found = {}
    for path, value in _leaves(part, (group,)):
        if path[-1] in _DRAWS and isinstance(value, list):
            path, value = path[:-1], _DRAWS[path[-1]].join(map(_text, value))
        text = _text(value)
        if text and not text.startswith("/") and not _TRAINING.intersection(path):
            found[".".join(path)] = text
    return found


def _text(value: Any) -> str:
    """``value`` as it is said, the same for 0, 0.0, nothing and an empty list."""
    if isinstance(value, list):
        return " ".join(map(_text, value))
    known = number(value)
    return f"{known:.12g}" if known else " ".join(str(value or "").split())


def _words(key: str, value: str | None) -> str:
    """A setting in plain words."""
    name = key.rpartition(".")[2].strip("_").replace("_", " ")
    if key == _KIND:
        kind = (value or "unknown view").rpartition(".")[2]
        return "state" if kind == "Channels" else kind.lower()
    if key == "observe.parameters":
        return f"told {value or 'nothing'}"
    if key == "times":
        return f"in {value}"
    if key in ("starts", "cells"):
        return f"{value or 'no'} {name}"
    name = "data seed" if key == "data.seed" else name
    return f"{name} {value}" if value else f"no {name}"


@lru_cache(256)
def configuration(text: str) -> Any:
    """A run's ``config`` as plain values, parsed once; None where it is none."""
    try:
        return parse_yaml(text, "config.yaml")
    except UserError:
        return None


def _leaves(value: Any, path: tuple[str, ...]) -> Iterable[tuple[tuple[str, ...], Any]]:
    if not isinstance(value, dict):
        yield path, value
        return
    for key, below in value.items():
        yield from _leaves(below, (*path, str(key)))
