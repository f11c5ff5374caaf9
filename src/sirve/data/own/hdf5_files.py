"""Arrays in HDF5 files of anyone: the whole outline is looked at before anything is read.

More is let in than of our own files (hdf5.py): compression, links and words beside the arrays. But
links are not followed, and nothing stands for much more than the file has.
"""

import math
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from h5py import h5a, h5d, h5g, h5l, h5o, h5s, h5t, h5z

from sirve.data.own.stack import Key
from sirve.errors import UserError, shown
from sirve.io.hdf5 import LINKS, NUMBERS, OBJECTS, UNREADABLE, opened, unreadable

EXPANSION = 1000  # bytes that an array may stand for, for each one of the file; deflate's limit
CHUNK = 64_000_000  # bytes of one chunk, which is always read whole
LZF = 2_000_000  # bytes of one as it is stored: LZF makes at most 88 of one
LIST = 10_000  # numbers of one attribute
_SLACK = 65_536  # bytes that compression may add to a chunk
_PACKING = (h5z.FILTER_DEFLATE, h5z.FILTER_LZF)
_FILTERS = (h5z.FILTER_SHUFFLE, h5z.FILTER_FLETCHER32, *_PACKING)
_REMEDY = "write it again, or name another file"


class _Refused(Exception):
    """Why an object is no array to be read."""


@dataclass
class Outline:
    """The arrays of numbers of a file, and why other datasets and links are none."""

    path: Path
    arrays: dict[str, "Hdf5Array"] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)
    groups: list[str] = field(default_factory=list)

    def attribute(self, place: str, name: str) -> str | float | bool | None:
        """A single word or number that is given to a group or an array; None for anything else."""
        with opened(self.path, _REMEDY) as file:
            try:
                item = file[place].id
                if not h5a.exists(item, name.encode()):
                    return None
                attribute = h5a.open(item, name.encode())
                kind = attribute.get_type()
                word = isinstance(kind, h5t.TypeStringID)
                if attribute.shape != () or not (word or kind.get_class() in NUMBERS):
                    return None
                value = file[place].attrs[name]
            except UNREADABLE:
                return None
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        return value if isinstance(value, str) else value.item()

    def numbers(self, name: str) -> np.ndarray | None:
        """A list of plain numbers that is given to the file, as float64; None for anything else."""
        with opened(self.path, _REMEDY) as file:
            try:
                if not h5a.exists(file.id, name.encode()):
                    return None
                attribute = h5a.open(file.id, name.encode())
                short = len(attribute.shape) <= 1 and math.prod(attribute.shape) <= LIST
                if not short or attribute.dtype.kind not in "iuf":
                    return None
                return np.atleast_1d(np.asarray(file.attrs[name], np.float64))
            except UNREADABLE:
                return None


class Hdf5Array:
    """A dataset, read in parts."""

    def __init__(self, path: Path, name: str, dataset: Any, room: int) -> None:
        self.path, self.name, self.room = path, name, room
        self.shape, self.dtype = _sizes(dataset, room)
        self._bounded = False

    def read(self, key: Key) -> np.ndarray:
        with opened(self.path, _REMEDY) as file:
            try:
                if not self._bounded:
                    _require_bounded(file[self.name].id)
                    self._bounded = True
                return np.asarray(file[self.name][key])
            except _Refused as error:
                raise UserError(f"{self.path}: {shown(self.name)} {error}") from None
            except UNREADABLE as error:
                raise UserError(unreadable(self.path, error, _REMEDY)) from error


def outline(path: Path) -> Outline:
    """Look at every object of a file; no array is read. Raises UserError."""
    found = Outline(path)
    with opened(path, _REMEDY) as file:
        try:
            _walk(file.id, found, path.stat().st_size)
        except _Refused as error:
            raise UserError(f"{path} {error}; {_REMEDY}") from None
        except UNREADABLE as error:
            raise UserError(unreadable(path, error, _REMEDY)) from error
    return found


def _walk(file: Any, found: Outline, room: int) -> None:
    groups, seen, count = [("", h5g.open(file, b"/"))], set(), 0
    while groups:
        place, group = groups.pop()
        count += group.get_num_objs()
        if count > OBJECTS:
            raise _Refused(f"holds more than {OBJECTS} objects")
        links: list[tuple[bytes, int]] = []
        group.links.iterate(lambda name, info, to=links: to.append((name, info.type)), info=True)
        for name, kind in links:
            here = place + name.decode("utf-8", "replace")
            if kind != h5l.TYPE_HARD:
                link = LINKS.get(kind, "a link of an unknown kind")
                found.others[here] = f"is {link}; name or bring what it leads to"
                continue
            info = h5o.get_info(group, name)
            if (info.fileno, info.addr) in seen:  # a circle, perhaps
                found.others[here] = "is a second name of an object"
                continue
            seen.add((info.fileno, info.addr))
            if info.type == h5o.TYPE_GROUP:
                groups.append((f"{here}/", h5g.open(group, name)))
                found.groups.append(here)
            elif info.type == h5o.TYPE_DATASET:
                try:
                    found.arrays[here] = Hdf5Array(found.path, here, h5d.open(group, name), room)
                except _Refused as error:
                    found.others[here] = str(error)


def _sizes(dataset: Any, room: int) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type. The plan of its layout comes first: to ask more may open other files."""
    plan = dataset.get_create_plist()
    if plan.get_layout() == h5d.VIRTUAL:
        raise _Refused("is put together of other datasets; write the numbers themselves")
    if plan.get_external_count():
        raise _Refused("lies in another file; write the numbers themselves")
    filters = [plan.get_filter(i)[0] for i in range(plan.get_nfilters())]
    unknown = [code for code in filters if code not in _FILTERS]
    if unknown or len(set(filters)) < len(filters) or set(_PACKING) <= set(filters):
        raise _Refused(f"is filtered by {filters}; write it with gzip or without compression")
    kind = dataset.get_type()
    if kind.get_class() not in NUMBERS or kind.dtype.kind not in "biuf":
        raise _Refused("does not hold plain numbers; convert it")
    space = dataset.get_space()
    if space.get_simple_extent_type() == h5s.NULL or 0 in space.get_simple_extent_dims():
        raise _Refused("has no numbers in it")
    shape = tuple(space.get_simple_extent_dims())
    size = math.prod(shape) * kind.get_size()
    if size > EXPANSION * room:
        raise _Refused(
            f"of shape {shown(shape)} declares {size} bytes, more than {EXPANSION} times what the "
            "file has; write the numbers themselves"
        )
    if plan.get_layout() == h5d.CHUNKED and math.prod(plan.get_chunk()) * kind.get_size() > CHUNK:
        raise _Refused(f"has chunks of more than {CHUNK} bytes; write it with smaller ones")
    return shape, kind.dtype


def _require_bounded(dataset: Any) -> None:
    """No chunk may become more than it should: HDF5 would unpack it to any length."""
    plan, kind = dataset.get_create_plist(), dataset.get_type()
    filters = [plan.get_filter(i)[0] for i in range(plan.get_nfilters())]
    if not set(filters) & set(_PACKING):
        return
    most = math.prod(plan.get_chunk()) * kind.get_size() + 4  # and a checksum
    chunks: list[Any] = []
    dataset.chunk_iter(chunks.append)
    for chunk in chunks:
        if chunk.size > most * 1.1 + _SLACK or (h5z.FILTER_LZF in filters and chunk.size > LZF):
            raise _Refused("has chunks packed in more bytes than are read; write it with gzip")
        if h5z.FILTER_DEFLATE not in filters or chunk.size * EXPANSION <= CHUNK:
            continue
        mask, packed = dataset.read_direct_chunk(chunk.chunk_offset)
        if not mask >> filters.index(h5z.FILTER_DEFLATE) & 1 and _inflated(packed, most) > most:
            raise _Refused("has chunks that unpack to more than they declare; write it again")


def _inflated(packed: bytes, most: int) -> int:
    """Length of what a deflate stream gives, counted until it is more than ``most``."""
    inflate, length = zlib.decompressobj(), 0
    while packed and length <= most:
        try:
            length += len(inflate.decompress(packed, 1 << 20))
        except zlib.error as error:
            raise _Refused(f"has damaged chunks ({error}); write it again") from None
        packed = inflate.unconsumed_tail
    return length
