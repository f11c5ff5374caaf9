"""Check the objects of an HDF5 file before any array is read.

HDF5 files can refer to other files, and declare arrays that are larger than any memory. One walk
finds every object; what is allowed depends on the caller: files of sirve must be simple
(``require_own_kind``), files of users may have compression, links and text (hdf5_arrays.py).
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from h5py import h5a, h5d, h5g, h5l, h5o, h5s, h5t, h5z

from sirve.errors import printable

OBJECTS = 10_000  # most groups and datasets of a file, and most attributes
ROOM = 1_000_000  # bytes that a file may declare beyond its size
NUMBERS = (h5t.INTEGER, h5t.FLOAT, h5t.ENUM)  # h5py writes booleans as an enum
_LINKS = {h5l.TYPE_SOFT: "a soft link", h5l.TYPE_EXTERNAL: "a link to another file"}


class Refused(Exception):
    """An object that is not read: the reason, and a remedy for the file's owner."""

    def __init__(self, reason: str, remedy: str = "write it again") -> None:
        super().__init__(reason)
        self.remedy = remedy


def walk(file: Any) -> Iterator[tuple[str, Any]]:
    """Yield (path, object) for each group and dataset, each once, the root with the path "".

    Instead of an object, Refused is yielded for a link, a second name and a named type. No link is
    followed and no array is read. Raises Refused for a file with too many objects.
    """
    root = h5g.open(file, b"/")
    groups, visited, count = [("", root)], {_address(root, b".")}, 0
    yield "", root
    while groups:
        place, group = groups.pop()
        count += group.get_num_objs()
        if count > OBJECTS:
            raise Refused(f"holds more than {OBJECTS} objects")
        links: list[tuple[bytes, int]] = []
        group.links.iterate(lambda name, info, to=links: to.append((name, info.type)), info=True)
        for name, link in links:
            item = _open(group, name, link, visited)
            path = place + name.decode("utf-8", "replace")
            if isinstance(item, h5g.GroupID):
                groups.append((f"{path}/", item))
            yield path, item


def _open(group: Any, name: bytes, link: int, visited: set[tuple[int, int]]) -> Any:
    """Return the object of one link, or why there is none to read."""
    if link != h5l.TYPE_HARD:
        kind = _LINKS.get(link, "a link of an unknown kind")
        return Refused(f"is {kind}", "name the object that it leads to")
    if name in (b"", b".", b"..") or b"/" in name:
        return Refused("is not a valid name", "rename it")
    address = _address(group, name)
    if address in visited:  # a circle, or one array that would be read many times
        return Refused("is a second name of an object", "use its other name")
    visited.add(address)
    kind = h5o.get_info(group, name).type
    if kind == h5o.TYPE_GROUP:
        return h5g.open(group, name)
    return h5d.open(group, name) if kind == h5o.TYPE_DATASET else Refused("is a named type")


def _address(group: Any, name: bytes) -> tuple[int, int]:
    info = h5o.get_info(group, name)
    return info.fileno, info.addr


def describe(dataset: Any, filters: tuple[int, ...]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return shape and type of a dataset; raises Refused unless it is numbers in this very file.

    ``filters`` are the codes of the allowed filters, each used at most once.
    """
    plan = dataset.get_create_plist()  # first, because opening the rest can open other files
    if plan.get_layout() == h5d.VIRTUAL:
        raise Refused("is put together of other datasets", "write the numbers themselves")
    if plan.get_external_count():
        raise Refused("lies in another file", "write the numbers themselves")
    used = filters_of(dataset)
    if not set(used) <= set(filters) or len(set(used)) < len(used):
        raise Refused(
            f"is compressed or filtered by {used}", "write it with gzip or without compression"
        )
    kind = dataset.get_type()
    if kind.get_class() not in NUMBERS or kind.dtype.kind not in "biuf":
        raise Refused("does not hold plain numbers", "convert it")
    space = dataset.get_space()
    if space.get_simple_extent_type() == h5s.NULL:
        raise Refused("has no numbers in it")
    return tuple(space.get_simple_extent_dims()), kind.dtype


def filters_of(dataset: Any) -> list[int]:
    """Return the codes of a dataset's filters, in their order."""
    plan = dataset.get_create_plist()
    return [plan.get_filter(i)[0] for i in range(plan.get_nfilters())]


def chunk_bytes(dataset: Any) -> int:
    """Return the bytes of one unpacked chunk of a dataset, 0 if it has no chunks."""
    plan = dataset.get_create_plist()
    chunked = plan.get_layout() == h5d.CHUNKED
    return math.prod(plan.get_chunk()) * dataset.get_type().get_size() if chunked else 0


def require_own_kind(file: Any, size: int) -> None:
    """Raise Refused for anything in a file of ``size`` bytes that no file of sirve has.

    Allowed are hard links, numbers without compression, and attributes of numbers or text; together
    they may declare no more bytes than the file has.
    """
    left, attributes = size + ROOM, 0
    for path, item in walk(file):
        where = printable(f"/{path}")
        if isinstance(item, Refused):
            raise Refused(f"{where} {item}")
        attributes += h5a.get_num_attrs(item)
        if attributes > OBJECTS:
            raise Refused(f"{where} has one of more than {OBJECTS} attributes")
        left -= sum(_attribute_bytes(where, item, i) for i in range(h5a.get_num_attrs(item)))
        if isinstance(item, h5d.DatasetID):
            try:
                shape, dtype = describe(item, (h5z.FILTER_FLETCHER32,))
            except Refused as error:
                raise Refused(f"{where} {error}") from None
            left -= max(math.prod(shape) * dtype.itemsize, chunk_bytes(item))
        if left < 0:
            raise Refused(f"{where} declares more bytes than the file has")


def _attribute_bytes(where: str, item: Any, index: int) -> int:
    attribute = h5a.open(item, index=index)
    kind = attribute.get_type()
    if not isinstance(kind, h5t.TypeStringID) and kind.get_class() not in NUMBERS:
        raise Refused(f"attribute {index} of {where} is neither number nor text")
    return int(attribute.get_space().get_simple_extent_npoints() * kind.get_size())
