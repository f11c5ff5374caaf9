"""Trajectories that are there already: what a file or a folder of anyone holds, opened."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sirve.data.dataset import SPLITS, Manifest
from sirve.data.own import well
from sirve.data.own.hdf5_files import outline
from sirve.data.own.numpy_files import arrays
from sirve.data.own.options import Choices
from sirve.data.own.stack import AXES, Array, Stack
from sirve.data.own.survey import step_of
from sirve.data.shards import Info
from sirve.errors import UserError, nearest, shown
from sirve.io.files import sha256

_ORDERS = {1: ("time",), 2: AXES[:2], 3: AXES[:3], 4: AXES[:4], 5: AXES}
_ORDERS_OF_ONE = {1: ("time",), 2: AXES[:2], 3: (*AXES[:2], "x"), 4: (*AXES[:2], "x", "y")}
_SUCH = {
    2: "[time,channel]",
    3: "[trajectory,time,x]",
    4: "[trajectory,time,x,y]",
    5: "[trajectory,time,x,y,channel]",
}
_TIMES = ("t", "time", "times")


@dataclass
class Opened:
    """What was brought: the stacks of each split it names; all are train's where it names none.

    What is None it does not say.
    """

    place: str
    name: str
    stacks: dict[str, list[Stack]]
    content: str = ""  # sha256
    channels: Sequence[str] | None = None
    units: Sequence[str] | None = None
    boundary: str | None = None
    dt: float | None = None
    time_unit: str | None = None
    unit: float | None = None
    said: list[str] = field(default_factory=list)


def open_path(choices: Choices, scratch: Path) -> Opened:
    """What ``choices.path`` holds; archives are unpacked into ``scratch``. Raises UserError."""
    path = Path(str(choices.path))
    if path.is_dir():
        return _folder(path, choices)
    found, others = arrays(path, scratch)
    content = sha256(path)
    if any(key.startswith(("t0_fields/", "t1_fields/")) for key in (*found, *others)):
        opened = _well({"train": [path]}, path, choices)
    else:
        opened = open_arrays(found, others, choices, path.name, path.stem)
    opened.content = content
    return opened


def open_arrays(
    found: dict[str, Array], others: dict[str, str], choices: Choices, place: str, name: str
) -> Opened:
    """Arrays by name: one for each split, or one, or one for each channel."""
    times = [key for key in found if key.rpartition("/")[2].lower() in _TIMES]
    times = [key for key in times if len(found[key].shape) == 1 and len(found) > 1]
    named = [key for key, array in found.items() if key not in times and array.shape]
    if choices.dataset is not None:
        wanted = [choices.dataset] if isinstance(choices.dataset, str) else choices.dataset
        named = [key.strip("/") for key in wanted]
    for key in named:
        if key not in found:
            reason = others.get(key) or f"is not there; {nearest(key, found)}"
            raise UserError(f"{place}: sim.dataset={shown(key)} {reason}")
    if not named:
        why = "; ".join(f"{shown(key)} {reason}" for key, reason in list(others.items())[:3])
        raise UserError(
            f"{place} holds no array of numbers{f': {why}' if why else '; name another'}"
        )
    opened = Opened(place, name, {})
    if set(named) <= set(SPLITS) and "train" in named and choices.dataset is None:
        for key in SPLITS:
            if key in named:
                opened.stacks[key] = [_stack(place, [found[key]], choices, opened)]
    else:
        opened.stacks["train"] = [_stack(place, [found[key] for key in named], choices, opened)]
        if len(named) > 1:
            opened.channels = [key.replace("/", "_") for key in named]
    if times and choices.dt is None:
        _time(opened, found[times[0]], opened.stacks["train"][0])
    left = [key for key in (*found, *others) if key not in (*named, *times)]
    if left:
        opened.said.append(f"left out: {', '.join(map(shown, left[:5]))}")
    return opened


def _stack(place: str, chosen: list[Array], choices: Choices, opened: Opened) -> Stack:
    orders = _ORDERS if len(chosen) == 1 else _ORDERS_OF_ONE
    pieces = []
    for array in chosen:
        axes = tuple(choices.axes or orders.get(len(array.shape), ()))
        if len(axes) != len(array.shape):
            raise UserError(
                f"{place}: '{array.name}' of shape {array.shape} has {len(array.shape)} axes"
                f"{f', sim.axes={list(axes)} are {len(axes)}' if axes else ''}; name them by "
                f"sim.axes, of {', '.join(AXES)}"
            )
        pieces.append((array, axes))
    names = ", ".join(array.name for array in chosen[:5]) + ", ..." * (len(chosen) > 5)
    sizes = ", ".join(f"{axis} {n}" for axis, n in zip(axes, array.shape, strict=True))
    such = _SUCH.get(len(axes), "[time]")
    guess = "" if choices.axes else f" (guessed from their number; else sim.axes, such as {such})"
    opened.said.append(f"{place}: {names}, {array.dtype}, axes {sizes}{guess}")
    return Stack(place, tuple(pieces))


def _folder(path: Path, choices: Choices) -> Opened:
    files = well.files(path)
    manifest = Manifest.load(path)
    opened = _well(files, path, choices, manifest.infos["train"] if manifest else None)
    sums = {str(p.relative_to(path)): sha256(p) for paths in files.values() for p in paths}
    for name, checksum in (manifest.shards if manifest else {}).items():
        if sums.get(f"data/{name}", checksum) != checksum:
            raise UserError(f"{path}/data/{name} differs from its checksum; bring it again")
    opened.content = hashlib.sha256(repr(sorted(sums.items())).encode()).hexdigest()
    return opened


def _well(
    files: dict[str, list[Path]], path: Path, choices: Choices, info: Info | None = None
) -> Opened:
    """Files in The Well's layout; ``info`` is what our own manifest says."""
    if choices.axes or choices.dataset:
        raise UserError(
            f"{path} is in The Well's layout, which says what sim.axes and sim.dataset would; "
            "leave them out"
        )
    name = path.parent.name if path.name == "data" else path.stem
    opened = Opened(path.name, info.name if info else name, {})
    for split, paths in files.items():
        for file in paths:
            found = outline(file)
            place = f"{split}/{file.name}" if path.is_dir() else file.name
            stack, channels, left = well.read(found, place, info.channels if info else None)
            if opened.channels not in (None, channels):
                raise UserError(f"{file} has {channels}, others {opened.channels}; bring one kind")
            if opened.channels is None:
                opened.channels, opened.boundary = channels, well.boundary(found)
                opened.said += [f"left out: {', '.join(left)}"] if left else []
            opened.stacks.setdefault(split, []).append(stack)
            if info is None and choices.dt is None and "dimensions/time" in found.arrays:
                _time(opened, found.arrays["dimensions/time"], stack)
    shapes = [stack.shape for stacks in opened.stacks.values() for stack in stacks]
    opened.said.insert(
        0,
        f"{opened.place}: The Well's layout, {len(shapes)} files, a state is "
        f"{' x '.join(map(str, shapes[0][2:]))}",
    )
    if info:
        opened.units, opened.boundary, opened.dt = info.units, info.boundary, info.dt
        if info.time_unit != "step":
            opened.time_unit, opened.unit = info.time_unit, info.unit
    return opened


def _time(opened: Opened, times: Array, stack: Stack) -> None:
    dt, gaps = step_of(times, stack.shape[1])
    if opened.dt is not None and abs(dt - opened.dt) > 1e-3 * dt:
        raise UserError(
            f"{stack.place} has a time step of {dt:g}, what was read before it has {opened.dt:g}; "
            "bring one kind, or give sim.dt="
        )
    opened.dt = opened.dt or dt
    opened.said += gaps
