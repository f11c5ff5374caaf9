"""Arrays in HDF5 files of users, read in parts after the whole file has been checked.

Compression, links and text are allowed here, unlike in files of sirve. But links are not followed,
and no array may unpack to much more than the file has.
"""

import math
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from h5py import h5a, h5d, h5t, h5z

from sirve.errors import UserError, printable
from sirve.io.hdf5 import UNREADABLE, opened, unreadable
from sirve.io.hdf5_check import NUMBERS, Refused, chunk_bytes, describe, filters_of, walk

Key = tuple[slice, ...]

EXPANSION = 1000  # most bytes that an array may declare for each byte of the file: deflate's limit
CHUNK = 64_000_000  # most bytes of a chunk, which is always read as a whole
LZF = 2_000_000  # most bytes of a chunk packed by LZF, which unpacks to at most 88 times as much
LIST = 10_000  # most numbers of an attribute
_SLACK = 65_536  # bytes that compression may add to a chunk
_PACKING = (h5z.FILTER_DEFLATE, h5z.FILTER_LZF)
_FILTERS = (h5z.FILTER_SHUFFLE, h5z.FILTER_FLETCHER32, *_PACKING)
_REMEDY = "write it again, or name another file"


@dataclass
class Outline:
    """The arrays of numbers in a file, its groups, and why its other objects are not read."""

    path: Path
    arrays: dict[str, "Hdf5Array"] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)
    groups: list[str] = field(default_factory=list)

    def attribute(self, place: str, name: str) -> str | float | bool | None:
        """Return an attribute of a group or array if it is one word or number, else None."""
        value = self._attribute(place, name)
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        if value is None or isinstance(value, str):
            return value
        return value.item() if np.ndim(value) == 0 else None

    def numbers(self, name: str) -> np.ndarray | None:
        """Return an attribute of the file as float64 if it is a list of numbers, else None."""
        value = np.asarray(self._attribute("/", name))
        if value.dtype.kind not in "iuf" or value.ndim > 1:
            return None
        return np.atleast_1d(value.astype(np.float64))

    def _attribute(self, place: str, name: str) -> Any:
        """Return an attribute that is text or at most ``LIST`` numbers, else None."""
        with opened(self.path, _REMEDY) as file:
            try:
                item = file[place].id
                if not h5a.exists(item, name.encode()):
                    return None
                attribute = h5a.open(item, name.encode())
                kind, shape = attribute.get_type(), attribute.shape
                text = isinstance(kind, h5t.TypeStringID) and shape == ()
                number = kind.get_class() in NUMBERS and math.prod(shape) <= LIST
                return file[place].attrs[name] if text or number else None
            except UNREADABLE:
                return None


class Hdf5Array:
    """A dataset of numbers, read in parts; ``room`` is the size of its file in bytes."""

    def __init__(self, path: Path, name: str, dataset: Any, room: int) -> None:
        self.path, self.name, self.room = path, name, room
        self.shape, self.dtype = describe(dataset, _FILTERS)
        self._checked = False
        size = math.prod(self.shape) * self.dtype.itemsize
        if size == 0:
            raise Refused("has no numbers in it")
        if size > EXPANSION * room:
            raise Refused(
                f"of shape {printable(self.shape)} declares {size} bytes, more than {EXPANSION} "
                "times the size of the file",
                "write the numbers themselves",
            )
        if set(_PACKING) <= set(filters_of(dataset)):
            raise Refused("is compressed twice", "write it with gzip or without compression")
        if chunk_bytes(dataset) > CHUNK:
            raise Refused(f"has chunks of more than {CHUNK} bytes", "write it with smaller ones")

    def read(self, key: Key) -> np.ndarray:
        """Return a part of the array; raises UserError if it cannot be read."""
        with opened(self.path, _REMEDY) as file:
            try:
                if not self._checked:
                    _require_bounded_chunks(file[self.name].id)
                    self._checked = True
                return np.asarray(file[self.name][key])
            except Refused as error:
                raise UserError(
                    f"{self.path}: {printable(self.name)} {error}; {error.remedy}"
                ) from None
            except UNREADABLE as error:
                raise UserError(unreadable(self.path, error, _REMEDY)) from error


def outline(path: Path) -> Outline:
    """Check every object of a file and list its arrays, without reading one; raises UserError."""
    found = Outline(path)
    with opened(path, _REMEDY) as file:
        try:
            for place, item in walk(file.id):
                _add(found, place, item, path.stat().st_size)
        except Refused as error:
            raise UserError(f"{path} {error}; {_REMEDY}") from None
        except UNREADABLE as error:
            raise UserError(unreadable(path, error, _REMEDY)) from error
    return found


def _add(found: Outline, place: str, item: Any, room: int) -> None:
    try:
        if isinstance(item, Refused):
            raise item
        if isinstance(item, h5d.DatasetID):
            found.arrays[place] = Hdf5Array(found.path, place, item, room)
        elif place:
            found.groups.append(place)
    except Refused as error:
        found.others[place] = f"{error}; {error.remedy}"


def _require_bounded_chunks(dataset: Any) -> None:
    """Raise Refused for a chunk that unpacks to more than it declares.

    HDF5 itself would unpack it to any length.
    """
    filters = filters_of(dataset)
    if not set(filters) & set(_PACKING):
        return
    most = chunk_bytes(dataset) + 4  # and a checksum
    chunks: list[Any] = []
    dataset.chunk_iter(chunks.append)
    for chunk in chunks:
        if chunk.size > most * 1.1 + _SLACK or (h5z.FILTER_LZF in filters and chunk.size > LZF):
            raise Refused("has chunks packed in more bytes than are read", "write it with gzip")
        if h5z.FILTER_DEFLATE not in filters or chunk.size * EXPANSION <= CHUNK:
            continue
        mask, packed = dataset.read_direct_chunk(chunk.chunk_offset)
        if not mask >> filters.index(h5z.FILTER_DEFLATE) & 1 and _unpacked(packed, most) > most:
            raise Refused("has chunks that unpack to more than they declare")


def _unpacked(packed: bytes, most: int) -> int:
    """Return the length of an unpacked deflate stream, counted up to just above ``most``."""
    inflate, length = zlib.decompressobj(), 0
    while packed and length <= most:
        try:
            length += len(inflate.decompress(packed, 1 << 20))
        except zlib.error as error:
            raise Refused(f"has damaged chunks ({error})") from None
        packed = inflate.unconsumed_tail
    return length
