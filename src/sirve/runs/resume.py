"""Resume a run: find its folder, its configuration and its newest good checkpoint.

In this order: ``asked`` reads ``resume=`` and ``configuration`` that run's settings (cli.train);
``folder`` takes the folder and ``newest`` the checkpoint (pipeline.prepare).

A run named by ``resume=`` is not trusted: its config.yaml may come from anyone. Settings that say
where things are written or sent are taken from the command line, and the others must not refer to
the environment.
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
# Settings of the machine: they may differ between two commands that make the same run.
_MACHINE = ("runs", "resume", "trust", "accept_changes", "logger")
_GROUPS = (
    *("sim", "training", "model", "fit", "observe", "data", "objective", "optimizer"),
    *("trainer", "names", "ensemble"),
)
_MACHINE_DATA = ("root", "workers", "loaders", "memory", "limits")


def asked(config: Mapping[str, Any]) -> Path | None:
    """Return the run that ``resume=`` names, or None."""
    wish = config["resume"]
    return None if wish in (AUTO, NEVER) else Path(str(wish))


def configuration(run: Path, composed: dict[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    """Return the configuration of ``run``, with the machine's settings of ``composed``.

    ``keys`` are those that the command line sets. Raises UserError where one of them differs from
    the run's, unless ``accept_changes``, and for a folder that is not a run.
    """
    stored = _stored(run)
    for key, name in composed["names"].items():
        if f"names.{key}" in keys and stored["names"].get(key) != name:
            raise UserError(
                f"{run} is not a run of {key}={name}; leave {key}= out, or name another"
            )
    found = {key: (_get(stored, key), _get(composed, key)) for key in keys if not _machine(key)}
    differing = {key: pair for key, pair in found.items() if pair[0] != pair[1]}
    if differing and not composed["accept_changes"]:
        lines = ", ".join(f"{key} {old} (here {new})" for key, (old, new) in differing.items())
        raise UserError(
            f"{run} was started with {lines}: it would not be the same run; leave that out, or "
            "give accept_changes=true"
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
    """Return a folder that this process owns: the run to resume, or a new one.

    Without ``resume=`` an unfinished run of the same command is resumed. ``plain`` becomes its
    config.yaml, ``record`` its environment.json; files that a killed process left half written
    are removed. Raises UserError.
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
            raise UserError(f"{run} is in use by another process; wait for it, or end it first")
        run_folder.clean(run)
    provenance.write(run, record)
    write_text(run / "config.yaml", plain)
    return run


def newest(run: Path) -> Saved | None:
    """Return the newest intact checkpoint; print a warning for each damaged one."""
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
        found = None  # the best weights are lost: start again
    if found and found.branched and not checkpoints.intact(run / "checkpoints" / checkpoints.TRUNK):
        damaged.append(checkpoints.TRUNK)
        found = None
    step, reached = found.step if found else 0, last_step(run / "metrics.jsonl")
    source = found.path.name if found else "the start"
    if run_folder.inherited() is None:
        for name in damaged:
            warn(f"{run / 'checkpoints' / name} is damaged: it differs from its checksum")
        if found or damaged or reached:
            again = f", {reached - step} steps are repeated" if reached > step else ""
            print(f"{run} resumes from {source}, step {step}{again}")
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
    """Read config.yaml of a run; raise UserError where a group of settings is missing."""
    path = run / "config.yaml"
    if not path.is_file():
        raise UserError(f"resume={run} is not the folder of a run: it has no config.yaml; name one")
    run_folder.require_own_files(run)
    found = read_yaml(path)
    if isinstance(found, dict) and {"ridge", "varpro"} <= set(found):
        raise UserError(
            f"{path} was written by sirve 0.1, whose settings had other names; start the run again"
        )
    whole = isinstance(found, dict) and all(isinstance(found.get(g), dict) for g in _GROUPS)
    if not whole or "inside" not in found:
        raise UserError(f"{path} is not the configuration of a run; name another run")
    for key in ("sim", "model"):
        require_name(str(found["names"].get(key)))
    return found


def _require_settled(config: dict[str, Any], run: Path) -> None:
    """Refuse references to the environment: only the command line may have them."""
    if "${" in yaml.safe_dump(config):
        raise UserError(
            f"{run}/config.yaml refers to the environment; resume it by its own command, or "
            "write the values into it"
        )


def _binding(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration without the machine's settings."""
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
