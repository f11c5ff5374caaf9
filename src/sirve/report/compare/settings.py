"""Settings of runs: what distinguishes models, and the conditions of comparable scores."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from sirve.errors import UserError
from sirve.io.files import parse_yaml
from sirve.report.load import Run, entry, number
from sirve.report.style import units

# Settings that do not change what is learned; ``data_seed`` comes from the metrics.
_IGNORED = {"seed", "runs", "root", "hydra", "logger", "launcher", "workers", "threads"}
_IGNORED |= {"log_every", "limits", "inside", "loaders", "resume", "accept_changes", "timeout"}
_IGNORED |= {"checkpoint_every"}

# Groups of settings, those first that describe a model best.
_GROUPS = ("fit", "model", "objective", "optimizer", "trainer", "observe", "sim", "data")

# Settings of ``sim`` that do not change the test trajectories, but for their number and length.
_TRAINING = {"training", "trajectories", "states", "valid_steps", "steps", "train", "valid"}
_TRAINING |= {"context"}  # it is read from the rollouts
_DRAWS = {"uniform": " to ", "log_uniform": " to ", "choice": " or "}
_CHANNELS = "observe.channels"
_KIND = "observe._target_"


def settings(run: Run) -> dict[str, str]:
    """Return the flat settings of a run, without its seed and the places of its files."""
    kept = {k: str(run.metrics.get(k)) for k in ("data_seed", "parameters", "dt", "steps")}
    for path, value in _leaves(configuration(run.config), ()):
        if not _IGNORED.intersection(path) and not str(value).startswith("/"):
            known = number(value)  # 0 and 0.0 are the same
            kept[".".join(path)] = str(value) if known is None else f"{known:.12g}"
    return kept


def training_trajectories(run: Run) -> float | None:
    """Return the requested number of training trajectories; None where it is not recorded."""
    return number(entry(configuration(run.config), "sim", "trajectories", "train"))


def label(model: str, own: Mapping[str, str], namesakes: Sequence[Mapping[str, str]]) -> str:
    """Return the model's name and the settings that distinguish it from its namesakes."""

    def rank(key: str) -> tuple[bool, bool, int]:
        part = key.partition(".")[0]
        place = _GROUPS.index(part) if part in _GROUPS else len(_GROUPS)
        derived = key == "parameters"  # it follows from the other settings
        return derived, any(key not in other for other in namesakes), place

    shown = [f"{k}={own[k][:24]}" for k in _distinguishing_keys(namesakes, rank) if k in own]
    return " ".join([model, *shown])


def conditions(run: Run) -> dict[str, str]:
    """Return what a model observes of the test and how it is scored."""
    found = {k: v for k, v in _group_settings(run, "observe").items() if k != _CHANNELS}
    return found | {
        _CHANNELS: " ".join(run.channels),
        "context": str(run.context),
        "starts": str(run.n),
        "cells": " x ".join(map(str, run.shape[1:])),
        "times": units(run.metrics.get("time_unit")),
    }


def same_test(run: Run, other: Run) -> bool:
    """Return whether two runs have the same test trajectories.

    Compares the first two states of the first and last rollout.
    """
    steps = min(2, run.steps, other.steps)
    return bool(np.allclose(run.time[:steps], other.time[:steps])) and all(
        np.allclose(run.states(i, slice(steps))[0], other.states(i, slice(steps))[0], rtol=1e-4)
        for i in {0, run.n - 1}
    )


def titles(sim: str, parts: Sequence[Sequence[Run]]) -> list[tuple[str, str]]:
    """Return for each group of runs of one system a title and all its distinguishing conditions.

    The title has only the conditions that are needed to distinguish the groups, and leaves out
    values that most groups share.
    """
    every = [[_all_conditions(run) for run in runs] for runs in parts]
    mixed = {k for some in every for one in some for k in one if one[k] != some[0].get(k)}
    found = [{k: v for k, v in some[0].items() if k not in mixed} for some in every]
    needed = _distinguishing_keys(found, _rank)
    usual = {key: _majority([one.get(key) for one in found]) for key in needed}
    names = []
    for one in found:
        words = [_describe(k, one.get(k)) for k in needed if one.get(k) not in usual[k]]
        names.append(" · ".join([sim, *words]))
    again = [names[:k].count(name) for k, name in enumerate(names)]
    return [
        (f"{name} ({n + 1})" if n else name, words)
        for name, n, words in zip(names, again, _distinguishing(found), strict=True)
    ]


def _distinguishing(found: Sequence[Mapping[str, str]]) -> list[str]:
    """Return for each group the conditions in which any two groups differ, as words."""
    keys = sorted({k for one in found for k in one}, key=_rank)
    keys = [key for key in keys if len({one.get(key) for one in found}) > 1]
    absent = _KIND not in keys  # another kind of observation does not have the same settings
    return [
        ", ".join(_describe(k, one.get(k)) for k in keys if k in one or absent) for one in found
    ]


def _distinguishing_keys(
    many: Sequence[Mapping[str, str]], rank: Callable[[str], Any]
) -> list[str]:
    """Return the keys, in the order of ``rank``, that are needed to distinguish all of ``many``."""
    chosen: list[str] = []
    apart = 1
    for key in sorted(dict.fromkeys(k for one in many for k in one), key=rank):
        kinds = len({tuple(one.get(k) for k in (*chosen, key)) for one in many})
        if kinds > apart:
            chosen, apart = [*chosen, key], kinds
    return chosen


def _rank(key: str) -> tuple[int, str]:
    """Order conditions by importance: observation first, then the system, then the data."""
    order = (_KIND, _CHANNELS, "observe.", "sim.", "data.", "")
    return next(k for k, start in enumerate(order) if key.startswith(start)), key


def _majority(values: Sequence[str | None]) -> set[str | None]:
    """Return the value that more than half have, if any."""
    value, count = Counter(values).most_common(1)[0]
    return {value} if 2 * count > len(values) else set()


def _all_conditions(run: Run) -> dict[str, str]:
    data_seed = {"data.seed": str(run.metrics.get("data_seed"))}
    return conditions(run) | _group_settings(run, "sim") | data_seed


def _group_settings(run: Run, group: str) -> dict[str, str]:
    """Return a group of the configuration as text, without empty values and training settings.

    A distribution of a parameter counts as one setting.
    """
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
    """Return ``value`` as text, empty for 0, None and an empty list."""
    if isinstance(value, list):
        return " ".join(map(_text, value))
    known = number(value)
    return f"{known:.12g}" if known else " ".join(str(value or "").split())


def _describe(key: str, value: str | None) -> str:
    """Return a condition in words."""
    name = key.rpartition(".")[2].strip("_").replace("_", " ")
    if key == _KIND:
        kind = (value or "unknown observation").rpartition(".")[2]
        return "state" if kind == "Channels" else kind.lower()
    if key == "times":
        return f"in {value}"
    if key in ("starts", "cells"):
        return f"{value or 'no'} {name}"
    name = {"observe.parameters": "covariates", "data.seed": "data seed"}.get(key, name)
    return f"{name} {value}" if value else f"no {name}"


@lru_cache(256)
def configuration(text: str) -> Any:
    """Parse the text of a run's config.yaml into plain values, once; None where it is invalid."""
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
