"""Going on with a run: which one, under which configuration, from which checkpoint.

A run named by ``resume=`` is not trusted: its config.yaml may come from anyone. What says where
things are written or sent is taken from the command line, and the rest refers to no environment.
"""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from sirve.errors import UserError, warn
from sirve.io import checkpoints
from sirve.io.files import read_yaml, require_name, write_text
from sirve.runs import provenance, run_folder
from sirve.runs.metrics_log import last_step
from sirve.runs.saved import Saved

AUTO, NEVER = "auto", "never"
# What may differ between two commands that make the same run: the machine's part.
_MACHINE = ("runs", "resume", "trust", "accept_changes", "logger")
_GROUPS = (
    *("sim", "model", "observe", "data", "ridge", "varpro", "objective", "optimizer"),
    *("trainer", "names", "ensemble"),
)
_MACHINE_DATA = ("root", "workers", "loaders", "memory", "limits")


def asked(config: Mapping[str, Any]) -> Path | None:
    """The run that ``resume=`` names."""
    wish = config["resume"]
    return None if wish in (AUTO, NEVER) else Path(str(wish))


def configuration(run: Path, composed: dict[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    """The run's own configuration, with the machine's part of the one composed here.

    ``keys`` are those that the command line sets. Raises UserError where one of them differs,
    unless ``accept_changes``, and for a folder that is no run.
    """
    stored = _stored(run)
    for key, name in composed["names"].items():
        if f"names.{key}" in keys and stored["names"].get(key) != name:
            raise UserError(f"{run} is no run of {key}={name}; leave {key}= out, or name another")
    found = {key: (_get(stored, key), _get(composed, key)) for key in keys if not _machine(key)}
    differing = {key: pair for key, pair in found.items() if pair[0] != pair[1]}
    if differing and not composed["accept_changes"]:
        lines = ", ".join(f"{key} {old} (here {new})" for key, (old, new) in differing.items())
        raise UserError(
            f"{run} was begun with {lines}: it would not be the same run; leave that out, or give "
            "accept_changes=true"
        )
    for key, (_, new) in differing.items():
        _set(stored, key, new)
    for key in _MACHINE:
        stored[key] = composed[key]
    for key in _MACHINE_DATA:
        stored["data"][key] = composed["data"][key]
    for group in ("sim", "data", "trainer", "ensemble"):
        for key in set(composed[group]) - set(stored.get(group, ())):
            raise UserError(f"{run}/config.yaml has no {group}.{key}; name another run")
    _require_settled({key: value for key, value in stored.items() if key not in _MACHINE}, run)
    return stored


def folder(config: dict[str, Any], plain: str, record: dict[str, Any]) -> Path:
    """The folder of this run, owned: the one asked for, an unfinished one of the same command, or

    a new one. ``plain`` becomes its config.yaml, ``record`` its environment.json; what a killed
    process left half written is removed. Raises UserError.
    """
    shared = run_folder.inherited()
    if shared is not None:
        return shared
    run_folder.require_alone()
    run = asked(config)
    if run is None:
        parent = run_folder.place(Path(config["runs"]), **config["names"])
        auto = config["resume"] == AUTO
        run = _unfinished(parent, yaml.safe_load(plain), record) if auto else None
    if run is None:
        run = run_folder.create(parent)
    else:
        provenance.require_same(run, record, config["accept_changes"])
        if not run_folder.own(run):
            raise UserError(f"{run} is at work in another process; wait for it, or end it first")
        run_folder.clean(run)
    provenance.write(run, record)
    write_text(run / "config.yaml", plain)
    return run


def newest(run: Path) -> Saved | None:
    """The newest checkpoint that is good; says on stderr what a damaged one costs."""
    damaged, found = [], None
    for name in (checkpoints.LAST, checkpoints.PREVIOUS):
        path = run / "checkpoints" / name
        if checkpoints.intact(path):
            found = Saved(path)
            break
        if path.exists():
            damaged.append(name)
    if found and found.has_best and not checkpoints.intact(run / "checkpoints" / checkpoints.BEST):
        damaged.append(checkpoints.BEST)
        found = None  # what was best so far is lost: only the start leads to it again
    step, reached = found.step if found else 0, last_step(run / "metrics.jsonl")
    source = found.path.name if found else "the start"
    if run_folder.inherited() is None:
        for name in damaged:
            warn(f"{run / 'checkpoints' / name} is damaged: it differs from its checksum")
        if found or damaged or reached:
            again = f", {reached - step} steps are done again" if reached > step else ""
            print(f"{run} goes on from {source}, step {step}{again}")
    return found


def _unfinished(parent: Path, config: dict[str, Any], record: dict[str, Any]) -> Path | None:
    mine = _binding(config)
    for run in run_folder.unfinished(parent):
        try:
            same = _binding(_stored(run)) == mine
        except UserError:
            continue
        if same and not provenance.binding(provenance.read(run), record) and run_folder.own(run):
            return run
    return None


def _stored(run: Path) -> dict[str, Any]:
    """A run's config.yaml, of the right outline."""
    path = run / "config.yaml"
    if not path.is_file():
        raise UserError(f"resume={run} is no run's folder: it has no config.yaml; name one")
    run_folder.require_own_files(run)
    found = read_yaml(path)
    whole = isinstance(found, dict) and all(isinstance(found.get(g), dict) for g in _GROUPS)
    if not whole or not {"fit", "inside"} <= set(found):
        raise UserError(f"{path} is not the configuration of a run; name another run")
    for key in ("sim", "model"):
        require_name(str(found["names"].get(key)))
    return found


def _require_settled(config: dict[str, Any], run: Path) -> None:
    """Only the command line says what of the environment is read."""
    if "${" in yaml.safe_dump(config):
        raise UserError(
            f"{run}/config.yaml refers to the environment; go on with it by its own command, or "
            "write the values into it"
        )


def _binding(config: Mapping[str, Any]) -> dict[str, Any]:
    """Without the machine's part."""
    rest = {key: value for key, value in copy.deepcopy(dict(config)).items() if key not in _MACHINE}
    for key in _MACHINE_DATA:
        rest["data"].pop(key, None)
    return rest


def _machine(key: str) -> bool:
    group, _, rest = key.partition(".")
    return group in _MACHINE or (group == "data" and rest in _MACHINE_DATA)


def _get(config: Mapping[str, Any], key: str) -> Any:
    node: Any = config
    for part in key.split("."):
        node = node.get(part) if isinstance(node, Mapping) else None
    return node


def _set(config: dict[str, Any], key: str, value: Any) -> None:
    *groups, last = key.split(".")
    for part in groups:
        config = config.setdefault(part, {})
    config[last] = value
