"""Users' files in The Well's layout: find the arrays that are states, and their metadata.

A field in t0_fields (n, T, *space) is one channel, one in t1_fields (n, T, *space, D) is D
channels. Source: PolymathicAI/the_well, docs/data_format.md.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from sirve.data.dataset import SPLITS
from sirve.data.own.stack import Stack
from sirve.errors import UserError
from sirve.io.files import require_inside
from sirve.io.hdf5_arrays import Hdf5Array, Outline

_SPACE = ("x", "y")
_ENDINGS = (".hdf5", ".h5")


def files(folder: Path) -> dict[str, list[Path]]:
    """Return the files of each split, from data/<split> or <split>; raises UserError for none."""
    root = folder / "data" if (folder / "data").is_dir() else folder
    found = {
        name: sorted(p for p in (root / name).glob("*") if p.suffix in _ENDINGS) for name in SPLITS
    }
    for path in (path for paths in found.values() for path in paths):
        require_inside(path, folder, "sim.path")
    if not found["train"]:
        raise UserError(
            f"{folder} has no *.hdf5 in train/ or data/train/; name a file, or a folder that has"
        )
    return {name: paths for name, paths in found.items() if paths}


def read(
    found: Outline, place: str, wanted: Sequence[str] | None
) -> tuple[Stack, list[str], list[str]]:
    """Return a file's states, the names of their channels, and what is left out of the file.

    ``place`` is the file's name for messages. ``wanted`` are the fields to read, in their order;
    None reads all, sorted by name. Raises UserError.
    """
    path = found.path
    names = [f"t0_fields/{w}" for w in wanted] if wanted else _fields(found)
    for name in (*names, *found.others):
        if name not in found.arrays and re.match(r"t[01]_fields/", name):
            reason = found.others.get(name, "is not there")
            raise UserError(f"{path}: {name} {reason}, or name another file")
    moving = [name for name in names if _varies(found, name)]
    left = [f"{name} does not vary" for name in names if name not in moving]
    left += [group for group in found.groups if group == "t2_fields" and _members(found, group)]
    if not moving:
        raise UserError(f"{path} has no t0_fields or t1_fields that vary; name another file")
    pieces, channels = [], []
    for name in moving:
        axes, parts = _axes(found.arrays[name], name, path)
        pieces.append((found.arrays[name], axes))
        field = name.partition("/")[2]
        channels += [field] if parts == 1 else [f"{field}_{i}" for i in "xyz"[:parts]]
    return Stack(place, tuple(pieces)), channels, left


def boundary(found: Outline) -> str | None:
    """Return "periodic" if all boundaries are; the layout does not tell which kind others are."""
    places = [group for group in found.groups if group.startswith("boundary_conditions/")]
    kinds = {found.attribute(place, "bc_type") for place in places}
    return "periodic" if kinds == {"PERIODIC"} else None


def _members(found: Outline, group: str) -> list[str]:
    return [name for name in found.arrays if name.startswith(f"{group}/")]


def _fields(found: Outline) -> list[str]:
    """Return the names of all fields, t0 before t1 and x2 before x10."""

    def natural(name: str) -> list[str | int]:
        return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]

    return [
        name
        for group in ("t0_fields", "t1_fields")
        for name in sorted(_members(found, group), key=natural)
    ]


def _varies(found: Outline, name: str) -> bool:
    """Return False for a field that is the same for all times or all trajectories."""
    values = [found.attribute(name, key) for key in ("sample_varying", "time_varying")]
    return all(value is None or value for value in values)


def _axes(array: Hdf5Array, name: str, path: Path) -> tuple[tuple[str, ...], int]:
    """Return the axes of a field, and its number of channels."""
    vector = name.startswith("t1")
    space = array.shape[2 : -1 if vector else None]
    parts = array.shape[-1] if vector else 1
    if array.dtype.kind == "b" or len(array.shape) < 2 + vector or len(space) > 2 or parts > 3:
        raise UserError(
            f"{path}: {name} of shape {array.shape} is no field on a line or in a plane; name one "
            "file with (n, T, x) or (n, T, x, y), t1_fields with (x, y) components behind"
        )
    if space == (1,) and not vector:  # a state vector, written with one point of space
        return ("trajectory", "time", "channel"), 1
    return ("trajectory", "time", *_SPACE[: len(space)], *(["channel"] if vector else [])), parts
