"""Open a user's file or folder, and understand its arrays as trajectories."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sirve.data.dataset import SPLITS, Manifest
from sirve.data.info import Info
from sirve.data.own import well
from sirve.data.own.numpy_files import arrays
from sirve.data.own.options import Options
from sirve.data.own.stack import AXES, Array, Stack
from sirve.data.own.survey import step_of
from sirve.errors import UserError, nearest, printable
from sirve.io.files import sha256
from sirve.io.hdf5_arrays import outline

# The axes of an array by their number: alone, or as one of several channels.
_AXES = {1: ("time",), 2: AXES[:2], 3: AXES[:3], 4: AXES[:4], 5: AXES}
_AXES_OF_CHANNEL = {1: ("time",), 2: AXES[:2], 3: (*AXES[:2], "x"), 4: (*AXES[:2], "x", "y")}
_EXAMPLES = {
    2: "[time,channel]",
    3: "[trajectory,time,x]",
    4: "[trajectory,time,x,y]",
    5: "[trajectory,time,x,y,channel]",
}
_TIMES = ("t", "time", "times")


@dataclass
class Opened:
    """A user's data: stacks by split (all in train if none is named), and their metadata.

    Metadata that the file does not have are None; ``notes`` describe what was understood.
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
    notes: list[str] = field(default_factory=list)


def open_path(options: Options, scratch: Path) -> Opened:
    """Open ``options.path``; archives are unpacked into ``scratch``. Raises UserError."""
    path = Path(str(options.path))
    if path.is_dir():
        return _open_folder(path, options)
    found, others = arrays(path, scratch)
    content = sha256(path)
    if any(key.startswith(("t0_fields/", "t1_fields/")) for key in (*found, *others)):
        opened = _open_well({"train": [path]}, path, options)
    else:
        opened = open_arrays(found, others, options, path.name, path.stem)
    opened.content = content
    return opened


def open_arrays(
    found: dict[str, Array], others: dict[str, str], options: Options, place: str, name: str
) -> Opened:
    """Understand arrays by their names: one for each split, or one for each channel, or one alone.

    ``others`` says why further objects of the file are no arrays. Raises UserError.
    """
    times = [key for key in found if key.rpartition("/")[2].lower() in _TIMES]
    times = [key for key in times if len(found[key].shape) == 1 and len(found) > 1]
    names = [key for key, array in found.items() if key not in times and array.shape]
    if options.dataset is not None:
        chosen = [options.dataset] if isinstance(options.dataset, str) else options.dataset
        names = [key.strip("/") for key in chosen]
    for key in names:
        if key not in found:
            reason = others.get(key) or f"is not there; {nearest(key, found)}"
            raise UserError(f"{place}: sim.dataset={printable(key)} {reason}")
    if not names:
        why = "; ".join(f"{printable(key)} {reason}" for key, reason in list(others.items())[:3])
        raise UserError(
            f"{place} holds no array of numbers{f': {why}' if why else '; name another'}"
        )
    opened = Opened(place, name, {})
    if set(names) <= set(SPLITS) and "train" in names and options.dataset is None:
        for key in SPLITS:
            if key in names:
                opened.stacks[key] = [_stack(place, [found[key]], options, opened)]
    else:
        opened.stacks["train"] = [_stack(place, [found[key] for key in names], options, opened)]
        if len(names) > 1:
            opened.channels = [key.replace("/", "_") for key in names]
    if times and options.dt is None:
        _set_step(opened, found[times[0]], opened.stacks["train"][0])
    left = [key for key in (*found, *others) if key not in (*names, *times)]
    if left:
        opened.notes.append(f"left out: {', '.join(map(printable, left[:5]))}")
    return opened


def _stack(place: str, chosen: list[Array], options: Options, opened: Opened) -> Stack:
    """Join arrays along channels, with axes as given or guessed, and note how."""
    guesses = _AXES if len(chosen) == 1 else _AXES_OF_CHANNEL
    pieces = []
    for array in chosen:
        axes = tuple(options.axes or guesses.get(len(array.shape), ()))
        if len(axes) != len(array.shape):
            raise UserError(
                f"{place}: '{array.name}' of shape {array.shape} has {len(array.shape)} axes"
                f"{f', sim.axes={list(axes)} are {len(axes)}' if axes else ''}; name them by "
                f"sim.axes, of {', '.join(AXES)}"
            )
        pieces.append((array, axes))
    names = ", ".join(array.name for array in chosen[:5]) + ", ..." * (len(chosen) > 5)
    sizes = ", ".join(f"{axis} {n}" for axis, n in zip(axes, array.shape, strict=True))
    example = _EXAMPLES.get(len(axes), "[time]")
    guess = f" (guessed from their number; else give sim.axes, such as {example})"
    note = f"{place}: {names}, {array.dtype}, axes {sizes}"
    opened.notes.append(note + guess * (not options.axes))
    return Stack(place, tuple(pieces))


def _open_folder(path: Path, options: Options) -> Opened:
    files = well.files(path)
    manifest = Manifest.load(path)
    opened = _open_well(files, path, options, manifest.infos["train"] if manifest else None)
    sums = {str(p.relative_to(path)): sha256(p) for paths in files.values() for p in paths}
    for name, checksum in (manifest.shards if manifest else {}).items():
        if sums.get(f"data/{name}", checksum) != checksum:
            raise UserError(f"{path}/data/{name} differs from its checksum; import it again")
    opened.content = hashlib.sha256(repr(sorted(sums.items())).encode()).hexdigest()
    return opened


def _open_well(
    files: dict[str, list[Path]], path: Path, options: Options, info: Info | None = None
) -> Opened:
    """Open files in The Well's layout; ``info`` is from the manifest if sirve wrote them."""
    if options.axes or options.dataset:
        raise UserError(
            f"{path} is in The Well's layout, which fixes the axes and names the fields; leave "
            "sim.axes and sim.dataset out"
        )
    name = path.parent.name if path.name == "data" else path.stem
    opened = Opened(path.name, info.name if info else name, {})
    for split, paths in files.items():
        for file in paths:
            found = outline(file)
            place = f"{split}/{file.name}" if path.is_dir() else file.name
            stack, channels, left = well.read(found, place, info.channels if info else None)
            if opened.channels not in (None, channels):
                raise UserError(
                    f"{file} has channels {channels}, the other files {opened.channels}; name "
                    "files of one kind"
                )
            if opened.channels is None:
                opened.channels, opened.boundary = channels, well.boundary(found)
                opened.notes += [f"left out: {', '.join(left)}"] if left else []
            opened.stacks.setdefault(split, []).append(stack)
            if info is None and options.dt is None and "dimensions/time" in found.arrays:
                _set_step(opened, found.arrays["dimensions/time"], stack)
    shapes = [stack.shape for stacks in opened.stacks.values() for stack in stacks]
    opened.notes.insert(
        0,
        f"{opened.place}: The Well's layout, {len(shapes)} files, a state is "
        f"{' x '.join(map(str, shapes[0][2:]))}",
    )
    if info:
        opened.units, opened.boundary, opened.dt = info.units, info.boundary, info.dt
        if info.time_unit != "step":
            opened.time_unit, opened.unit = info.time_unit, info.unit
    return opened


def _set_step(opened: Opened, times: Array, stack: Stack) -> None:
    """Take dt from an array of times; raises UserError if it differs between files."""
    dt, gaps = step_of(times, stack.shape[1])
    if opened.dt is not None and abs(dt - opened.dt) > 1e-3 * dt:
        raise UserError(
            f"{stack.place} has a time step of {dt:g}, the files before it {opened.dt:g}; name "
            "files of one kind, or give sim.dt="
        )
    opened.dt = opened.dt or dt
    opened.notes += gaps
