"""Import a user's trajectories, from a file or from arrays in memory."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from sirve.data.dataset import SPLITS
from sirve.data.info import Info
from sirve.data.own.open_file import Opened, open_arrays, open_path
from sirve.data.own.options import SHARES, Options
from sirve.data.own.source import Imported
from sirve.data.own.stack import Part, Segment, Stack, split
from sirve.data.source import Wanted
from sirve.errors import UserError
from sirve.io.files import atomic_folder, require_name
from sirve.io.hdf5_arrays import Key

STATE = 4_000_000  # most numbers of one state
TRAJECTORY = 100_000_000  # most bytes of a trajectory, or PACKED times the bytes of its file
PACKED = 20


def from_file(sim: Mapping[str, Any], scratch: Path) -> Imported:
    """Import the file that the group ``sim`` of a configuration names.

    Archives are unpacked in the folder ``scratch``. Raises UserError.
    """
    options = Options.from_config(sim)
    return import_opened(open_path(options, scratch), options)


def from_arrays(
    x: Any,
    folder: str | Path,
    dt: float,
    *,
    axes: Sequence[str] | None = None,
    channels: Sequence[str] | None = None,
    units: Sequence[str] | None = None,
    boundary: str | None = None,
    name: str | None = None,
    time_unit: str | None = None,
    unit: float | None = None,
    split: str | None = None,
    shares: Mapping[str, float] = SHARES,
) -> Path:
    """Write arrays as a dataset to a new ``folder``, for ``sirve train sim=file sim.path=FOLDER``.

    ``x`` is an array (n, T, C), (n, T, C, N) or (n, T, C, H, W), or with the axes that ``axes``
    names; or a dictionary of one array for each of "train", "valid" and "test", or for each
    channel under its name. ``dt`` is the time between two states. The other arguments are those of
    conf/sim/file.yaml. Returns ``folder``. Raises UserError for data that no model can learn from,
    and if ``folder`` exists.
    """
    folder = Path(folder)
    try:
        options = Options(
            axes=axes,
            name=name or folder.name,
            channels=channels,
            units=units,
            boundary=boundary,
            dt=dt,
            time_unit=time_unit,
            unit=unit,
            split=split,
            shares=shares,
        )
        require_name(folder.name)
        found = x if isinstance(x, Mapping) else {"x": x}
        memory = {key: MemoryArray(key, value) for key, value in found.items()}
        opened = open_arrays(dict(memory), {}, options, "x", folder.name)
        opened.content = _digest(memory)
        _write(import_opened(opened, options), folder)
    except UserError as error:
        raise UserError(str(error).replace("sim.", "")) from error
    return folder


def import_opened(opened: Opened, options: Options) -> Imported:
    """Describe and split opened data; raises UserError if its parts do not fit together."""
    stacks = opened.stacks
    first = next(iter(stacks.values()))[0]
    for several in stacks.values():
        for stack in several:
            _require_alike(stack, several[0], first)
    info, notes = _describe(opened, options, first.shape[2:])
    shares = {n: options.shares[n] for n in SPLITS if n == "train" or n not in stacks}
    parts = {}
    if len(shares) > 1:
        alone = len(stacks["train"]) == stacks["train"][0].shape[0] == 1
        by = options.split or ("time" if alone else "trajectory")
        parts = split(stacks["train"], shares, by)
        divided = "its time" if by == "time" else "the trajectories, in their order"
        notes.append(f"{', '.join(shares)}: shares {tuple(shares.values())} of {divided}")
    for name, several in stacks.items():
        whole = (Segment(s, range(s.shape[0]), range(s.shape[1])) for s in several)
        parts.setdefault(name, Part(tuple(whole)))
    return Imported(info, {name: parts[name] for name in SPLITS}, opened.content, tuple(notes))


def _describe(opened: Opened, options: Options, shape: Sequence[int]) -> tuple[Info, list[str]]:
    """Return the description of the data, and notes on where its entries come from."""
    notes = list(opened.notes)
    channels = options.channels or opened.channels or [f"x{i}" for i in range(shape[0])]
    if len(channels) != shape[0] or len(set(channels)) < len(channels):
        raise UserError(
            f"sim.channels={list(channels)} must be {shape[0]} different names, one a channel "
            f"({notes[0]})"
        )
    units = options.units or (opened.units if opened.channels else None) or ["1"] * len(channels)
    if len(units) != len(channels):
        raise UserError(f"sim.units={list(units)} must be {len(channels)}, one a channel")
    field = len(shape) > 1
    if options.boundary and not field:
        raise UserError(
            f"sim.boundary={options.boundary} is for fields, these are vectors ({notes[0]})"
        )
    boundary = options.boundary or opened.boundary
    dt = options.dt or opened.dt
    if dt is None:
        raise UserError(
            f"{opened.place} does not say the time from one state to the next; give sim.dt="
        )
    time_unit, unit = options.time_unit or opened.time_unit, options.unit or opened.unit
    notes.append(
        f"dt {dt:g} ({'as given' if options.dt else 'from the file'}), times are counted in "
        + (f"{time_unit}s of {unit:g}" if unit else "steps")
    )
    if field:
        guess = "" if boundary else " (a guess; else give sim.boundary=)"
        notes.append(f"boundary {boundary or 'neumann'}{guess}")
    name = options.name or re.sub(r"[^A-Za-z0-9._-]+", "-", opened.name).strip("-._")[:60] or "own"
    info = Info(
        name=name,
        shape=tuple(shape),
        channels=tuple(channels),
        units=tuple(units),
        boundary=(boundary or "neumann") if field else None,  # type: ignore[arg-type]
        dt=float(dt),
        time_unit=time_unit or "step",
        unit=float(unit or dt),
        solver="recorded",
        parameters={},
    )
    try:
        return Info.of(info.plain()), notes
    except ValueError as error:
        raise UserError(f"{opened.place}: {str(error).replace('info.', 'sim.')}") from error


def _require_alike(stack: Stack, in_split: Stack, first: Stack) -> None:
    """Raise UserError unless states are alike, lengths are alike in a split, and all fit in memory.

    ``in_split`` is the first stack of the same split, ``first`` that of all.
    """
    states, shape = stack.shape[1], stack.shape[2:]
    for other, mine, theirs in (
        (in_split, (states, *shape), in_split.shape[1:]),
        (first, shape, first.shape[2:]),
    ):
        if mine != theirs:
            raise UserError(
                f"{stack.place}: trajectories of shape {stack.shape[1:]}, but in {other.place} of "
                f"{other.shape[1:]}; name data of one kind"
            )
    size = states * prod(shape) * np.dtype(stack.dtype).itemsize
    room = max(array.room for array, _ in stack.pieces)
    if prod(shape) > STATE or size > max(TRAJECTORY, PACKED * room):
        raise UserError(
            f"{stack.place}: a trajectory of {states} states of shape {shape} is more than is read "
            f"from a file of {room} bytes; save fewer or smaller states, or without compression"
        )


def _digest(memory: Mapping[str, "MemoryArray"]) -> str:
    digest = hashlib.sha256()
    for key, array in memory.items():
        digest.update(f"{key} {array.dtype} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array.x).data)
    return digest.hexdigest()


def _write(source: Imported, folder: Path) -> None:
    if folder.exists():
        raise UserError(f"{folder} exists already; name a new folder")
    counts = {name: part.count for name, part in source.parts.items()}
    states = {name: part.states for name, part in source.parts.items()}
    folder.parent.mkdir(parents=True, exist_ok=True)
    with atomic_folder(folder) as temporary:
        wanted = Wanted(states, counts, temporary, block=16, workers=1)
        source.inspect(wanted)
        source.copy(temporary, wanted)


class MemoryArray:
    """An array in memory; raises UserError if it is empty or does not hold numbers."""

    def __init__(self, name: str, x: Any) -> None:
        self.name, self.x = name, np.asarray(x)
        self.shape, self.dtype, self.room = self.x.shape, self.x.dtype, self.x.nbytes
        if self.dtype.kind not in "biuf" or not self.x.size:
            raise UserError(
                f"{name} holds {self.dtype} of shape {self.shape}, not numbers; convert it"
            )

    def read(self, key: Key) -> np.ndarray:
        return self.x[key]
