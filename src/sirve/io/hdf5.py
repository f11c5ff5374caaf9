"""HDF5: files written whole or not at all, and files of anyone read.

Nothing of a file is read before its whole outline has been looked at.

What HDF5 can do beyond holding arrays, name other files above all, and declare arrays that no
memory holds, no file of ours does; so it is refused.
"""

import math
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
from h5py import h5a, h5d, h5g, h5l, h5o, h5s, h5t, h5z

from sirve.errors import UserError, one_line, shown
from sirve.io.files import whole

OBJECTS = 10_000  # groups, datasets and attributes of one file
ROOM = 1_000_000  # bytes that a file may declare beyond what it has
UNREADABLE = (OSError, RuntimeError, ValueError, KeyError, TypeError)  # what h5py raises
NUMBERS = (h5t.INTEGER, h5t.FLOAT, h5t.ENUM)  # enum is how h5py writes a truth value
LINKS = {h5l.TYPE_SOFT: "a soft link", h5l.TYPE_EXTERNAL: "a link to another file"}
_LOCKED = {
    11: "another process writes it",
    37: "this file system has no locks",
    524: "this file system has no locks",
    30: "this file system is read-only",
}


@contextmanager
def create(path: Path) -> Iterator[h5py.File]:
    """A new file, made in memory, then written at once, whole or not at all.

    HDF5 itself ends the process with a segmentation fault where the disk is full when it closes.
    Raises OSError.
    """
    with h5py.File(path.name, "w", driver="core", backing_store=False) as file:
        yield file
        file.flush()
        image = file.id.get_file_image()
    with whole(path) as temporary:
        temporary.write_bytes(image)


@contextmanager
def reading(path: Path, remedy: str) -> Iterator[h5py.File]:
    """An HDF5 file, open for reading: hard links and plain numbers only, no larger than it says.

    Raises UserError, ending with ``remedy``, for a file that is none or holds anything else;
    whatever is raised while it is open is left as it is.
    """
    with opened(path, remedy) as file:
        try:
            _Walk(path.stat().st_size).all(file.id)
        except _Refused as error:
            raise UserError(f"{path}: {error}, which none of our files has; {remedy}") from None
        except UNREADABLE as error:
            raise UserError(unreadable(path, error, remedy)) from error
        yield file


def opened(path: Path, remedy: str) -> h5py.File:
    """Any HDF5 file, open for reading, not yet looked at; UserError for what is none."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would be waited for
            raise UserError(f"{path} is no file; {remedy}")
        return h5py.File(path, "r", locking="best-effort")
    except OSError as error:
        raise UserError(unreadable(path, error, remedy)) from error


class _Refused(Exception):
    """What was found, and where."""


class _Walk:
    """One look at every object of a file of ``size`` bytes; no array is read."""

    def __init__(self, size: int) -> None:
        self.left, self.objects = size + ROOM, 0
        self.seen: set[tuple[int, int]] = set()

    def all(self, file: Any) -> None:
        groups = [("/", h5g.open(file, b"/"))]
        info = h5o.get_info(groups[0][1])
        self.seen.add((info.fileno, info.addr))
        while groups:
            place, group = groups.pop()
            self._attributes(place, group)
            for name in self._names(place, group):
                here = f"{place}{name.decode('utf-8', 'replace')}"
                info = h5o.get_info(group, name)
                key = (info.fileno, info.addr)
                if key in self.seen:  # a circle, or one array read many times over
                    raise _Refused(f"{shown(here)} is a second name of an object")
                self.seen.add(key)
                if info.type == h5o.TYPE_GROUP:
                    groups.append((f"{here}/", h5g.open(group, name)))
                elif info.type == h5o.TYPE_DATASET:
                    self._dataset(here, h5d.open(group, name))
                else:
                    raise _Refused(f"{shown(here)} is a named type")

    def _count(self, place: str, more: int) -> None:
        self.objects += more
        if self.objects > OBJECTS:
            raise _Refused(f"{shown(place)} is one of more than {OBJECTS} objects")

    def _names(self, place: str, group: Any) -> list[bytes]:
        self._count(place, group.get_num_objs())
        found: list[tuple[bytes, Any]] = []
        group.links.iterate(lambda name, info: found.append((name, info.type)), info=True)
        for name, kind in found:
            where = shown(f"{place}{name.decode('utf-8', 'replace')}")
            if kind != h5l.TYPE_HARD:
                raise _Refused(f"{where} is {LINKS.get(kind, 'a link of an unknown kind')}")
            if name in (b"", b".", b"..") or b"/" in name:
                raise _Refused(f"{where} is no name")
        return [name for name, _ in found]

    def _attributes(self, place: str, item: Any) -> None:
        number = h5a.get_num_attrs(item)
        self._count(place, number)
        for i in range(number):
            attribute = h5a.open(item, index=i)
            kind = attribute.get_type()
            text = isinstance(kind, h5t.TypeStringID)
            where = f"attribute {i} of {shown(place)}"
            if not text and kind.get_class() not in NUMBERS:
                raise _Refused(f"{where} is neither number nor text")
            count = attribute.get_space().get_simple_extent_npoints()
            self._room(where, count * kind.get_size())

    def _dataset(self, place: str, dataset: Any) -> None:
        """The plan of its layout comes first: to ask for more of it may open other files."""
        self._attributes(place, dataset)
        where, plan = shown(place), dataset.get_create_plist()
        if plan.get_layout() == h5d.VIRTUAL:
            raise _Refused(f"{where} is put together of other datasets")
        if plan.get_external_count():
            raise _Refused(f"{where} lies in another file")
        for i in range(plan.get_nfilters()):
            code = plan.get_filter(i)[0]
            if code != h5z.FILTER_FLETCHER32:
                raise _Refused(f"{where} is compressed or filtered (filter {code})")
        kind = dataset.get_type()
        if kind.get_class() not in NUMBERS or kind.dtype.kind not in "biuf":
            raise _Refused(f"{where} does not hold plain numbers")
        space = dataset.get_space()
        if space.get_simple_extent_type() == h5s.NULL:
            raise _Refused(f"{where} has no shape")
        shape = space.get_simple_extent_dims()
        size = math.prod(shape) * kind.get_size()
        if plan.get_layout() == h5d.CHUNKED:
            size = max(size, math.prod(plan.get_chunk()) * kind.get_size())
        self._room(f"{where} of shape {tuple(shape)}", size)

    def _room(self, where: str, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise _Refused(f"{where} declares more bytes than the file has")


def unreadable(path: Path, error: Exception, remedy: str) -> str:
    """What HDF5 says of a file that it cannot read, in one line, with the cause of a lock."""
    text = one_line(str(error))
    found = re.search(r"errno = (\d+)", text)
    cause = _LOCKED.get(int(found[1])) if found and "lock" in text else None
    if cause:
        return f"{path} cannot be locked ({cause}); wait, or set HDF5_USE_FILE_LOCKING=FALSE"
    return f"{path} is not readable ({text}); {remedy}"
