"""Arrays of one's own as a source of trajectories, from a file or from memory."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from sirve.data.dataset import SPLITS
from sirve.data.own.open import Opened, open_arrays, open_path
from sirve.data.own.options import SHARES, Choices
from sirve.data.own.source import Recorded
from sirve.data.own.stack import Key, Part, Segment, Stack, split
from sirve.data.shards import Info
from sirve.data.source import Wanted
from sirve.errors import UserError
from sirve.io.files import require_name, whole_folder

STATE = 4_000_000  # numbers of one state
TRAJECTORY = 100_000_000  # bytes of one, where the file has less than a 20th of them
PACKED = 20


def from_file(sim: Mapping[str, Any], scratch: Path) -> Recorded:
    """What the configuration ``sim`` names; archives are unpacked in ``scratch``. UserError."""
    choices = Choices.of(sim)
    return record(open_path(choices, scratch), choices)


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
    """Write trajectories as a dataset, ``folder``, which ``sim=file sim.path=<folder>`` takes.

    ``x`` is an array (n, T, C), (n, T, C, N) or (n, T, C, H, W), or what ``axes`` says, or one
    each under "train", "valid" and "test", or one for each channel under its name. The rest is as
    in conf/sim/file.yaml. Raises UserError for what cannot be learned from, and for a folder that
    is there.
    """
    folder = Path(folder)
    try:
        choices = Choices(
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
        memory = {key: Memory(key, value) for key, value in found.items()}
        opened = open_arrays(dict(memory), {}, choices, "x", folder.name)
        opened.content = _digest(memory)
        _write(record(opened, choices), folder)
    except UserError as error:
        raise UserError(str(error).replace("sim.", "")) from error
    return folder


def record(opened: Opened, choices: Choices) -> Recorded:
    """What was brought, with what was chosen; UserError where they do not fit."""
    given = opened.stacks
    stacks = [stack for several in given.values() for stack in several]
    for several in given.values():
        for stack in several:
            _require_alike(stack, several[0], stacks[0])
    info, said = _describe(opened, choices, stacks[0].shape[2:])
    shares = {n: choices.shares[n] for n in SPLITS if n == "train" or n not in given}
    parts = {}
    if len(shares) > 1:
        alone = len(given["train"]) == given["train"][0].shape[0] == 1
        by = choices.split or ("time" if alone else "trajectory")
        parts = split(given["train"], shares, by)
        what = "its time" if by == "time" else "the trajectories, in their order"
        said.append(f"{', '.join(shares)}: shares {tuple(shares.values())} of {what}")
    for name, several in given.items():
        whole = (Segment(s, range(s.shape[0]), range(s.shape[1])) for s in several)
        parts.setdefault(name, Part(tuple(whole)))
    return Recorded(info, {name: parts[name] for name in SPLITS}, opened.content, tuple(said))


def _describe(opened: Opened, choices: Choices, shape: Sequence[int]) -> tuple[Info, list[str]]:
    """Info, and where each entry comes from."""
    said = list(opened.said)
    channels = choices.channels or opened.channels or [f"x{i}" for i in range(shape[0])]
    if len(channels) != shape[0] or len(set(channels)) < len(channels):
        raise UserError(
            f"sim.channels={list(channels)} must be {shape[0]} different names, one a channel "
            f"({said[0]})"
        )
    units = choices.units or (opened.units if opened.channels else None) or ["1"] * len(channels)
    if len(units) != len(channels):
        raise UserError(f"sim.units={list(units)} must be {len(channels)}, one a channel")
    field = len(shape) > 1
    if choices.boundary and not field:
        raise UserError(
            f"sim.boundary={choices.boundary} is for fields, these are vectors ({said[0]})"
        )
    boundary = (choices.boundary or opened.boundary or "neumann") if field else None
    dt = choices.dt or opened.dt
    if dt is None:
        raise UserError(
            f"{opened.place} does not say the time from one state to the next; give sim.dt="
        )
    time_unit, unit = choices.time_unit or opened.time_unit, choices.unit or opened.unit
    said.append(
        f"dt {dt:g} ({'as given' if choices.dt else 'as it says'}), times are counted in "
        + (f"{time_unit}s of {unit:g}" if unit else "steps")
    )
    if field:
        known = choices.boundary or opened.boundary
        said.append(f"boundary {boundary}{'' if known else ' (a guess: else sim.boundary=)'}")
    name = choices.name or re.sub(r"[^A-Za-z0-9._-]+", "-", opened.name).strip("-._")[:60] or "own"
    info = Info(
        name=name,
        shape=tuple(shape),
        channels=tuple(channels),
        units=tuple(units),
        boundary=boundary,  # type: ignore[arg-type]
        dt=float(dt),
        time_unit=time_unit or "step",
        unit=float(unit or dt),
        solver="recorded",
        parameters={},
    )
    try:
        return Info.of(info.plain()), said
    except ValueError as error:
        raise UserError(f"{opened.place}: {str(error).replace('info.', 'sim.')}") from error


def _require_alike(stack: Stack, in_split: Stack, first: Stack) -> None:
    """Every stack the same state, and in a split the same length; none that memory cannot hold."""
    states, shape = stack.shape[1], stack.shape[2:]
    for other, mine, theirs in (
        (in_split, (states, *shape), in_split.shape[1:]),
        (first, shape, first.shape[2:]),
    ):
        if mine != theirs:
            raise UserError(
                f"{stack.place}: trajectories of shape {stack.shape[1:]}, but in {other.place} of "
                f"{other.shape[1:]}; bring one kind"
            )
    size = states * prod(shape) * np.dtype(stack.dtype).itemsize
    room = max(array.room for array, _ in stack.pieces)
    if prod(shape) > STATE or size > max(TRAJECTORY, PACKED * room):
        raise UserError(
            f"{stack.place}: a trajectory of {states} states of shape {shape} is more than is read "
            f"from a file of {room} bytes; bring fewer or smaller states, or uncompressed"
        )


def _digest(memory: Mapping[str, "Memory"]) -> str:
    digest = hashlib.sha256()
    for key, array in memory.items():
        digest.update(f"{key} {array.dtype} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array.x).data)
    return digest.hexdigest()


def _write(recorded: Recorded, folder: Path) -> None:
    if folder.exists():
        raise UserError(f"{folder} is there already; name a new folder")
    counts = {name: part.count for name, part in recorded.parts.items()}
    states = {name: part.states for name, part in recorded.parts.items()}
    folder.parent.mkdir(parents=True, exist_ok=True)
    with whole_folder(folder) as temporary:
        wanted = Wanted(states, counts, temporary, block=16, workers=1)
        recorded.look(wanted)
        recorded.copy(temporary, wanted)


class Memory:
    """An array in memory."""

    def __init__(self, name: str, x: Any) -> None:
        self.name, self.x = name, np.asarray(x)
        self.shape, self.dtype, self.room = self.x.shape, self.x.dtype, self.x.nbytes
        if self.dtype.kind not in "biuf" or not self.x.size:
            raise UserError(
                f"{name} holds {self.dtype} of shape {self.shape}, not numbers; convert it"
            )

    def read(self, key: Key) -> np.ndarray:
        return self.x[key]
