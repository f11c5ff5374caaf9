"""Open the data files of users; .npy and .npz are read here, HDF5 in io/hdf5_arrays.py.

Headers are checked before any array is read, and nothing is unpickled.
"""

import os
import shutil
import stat
import tempfile
import weakref
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import IO, Any

import h5py
import numpy as np

from sirve.data.own.stack import Array
from sirve.errors import UserError, one_line, printable
from sirve.io.hdf5_arrays import EXPANSION, Key, outline

MEMBERS = 1000  # most arrays in an archive
_REMEDY = "save it again by np.save or np.savez"
_NOT_ARRAY = (ValueError, EOFError, SyntaxError, MemoryError, RecursionError, TypeError)
_NOT_ARCHIVE = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError)
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def arrays(path: Path, scratch: Path) -> tuple[dict[str, Array], dict[str, str]]:
    """Return the arrays of numbers in a file by name, and why its other objects are not read.

    Archives are unpacked to nameless files in the folder ``scratch``. Raises UserError for a file
    that is missing, damaged, or of another kind.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait without end
            raise UserError(f"{path} is no file; name one")
        with path.open("rb") as file:
            head = file.read(6)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); name a file") from error
    if not head:
        raise UserError(f"{path} is empty; {_REMEDY}")
    if head == b"\x93NUMPY":
        with _one_line_errors(path), path.open("rb") as file:
            return {path.stem: Npy(path, path.stem, file, path.stat().st_size, lambda: path)}, {}
    if head[:4] == b"PK\x03\x04":
        return _npz(path, scratch)
    if h5py.is_hdf5(path):
        found = outline(path)
        return dict(found.arrays), found.others
    raise UserError(
        f"{path} is none of .npy, .npz and HDF5; load it with its own library, and np.save the "
        "array"
    )


class Npy:
    """An array in NumPy's format, in a file of ``size`` bytes.

    ``header`` is the file's beginning, and ``content`` returns the file when it is to be read.
    Raises ValueError for anything but an array of plain numbers, all of them there.
    """

    def __init__(
        self,
        path: Path,
        name: str,
        header: IO[bytes],
        size: int,
        content: Callable[[], Path | IO[bytes]],
    ) -> None:
        self.path, self.name, self.content = path, name, content
        self.room = path.stat().st_size
        version = np.lib.format.read_magic(header)
        if version not in _HEADERS:
            raise ValueError(f"is in format {version}, which is not read")
        self.shape, self.fortran, self.dtype = _HEADERS[version](header)
        if self.dtype.kind not in "biuf":
            raise ValueError(f"holds {self.dtype}, not plain numbers")
        if not self.shape or min(self.shape) < 1:
            raise ValueError(f"has the shape {printable(self.shape)}, which holds nothing")
        self.offset = header.tell()
        needed = self.offset + prod(self.shape) * self.dtype.itemsize
        if needed > size:
            raise ValueError(
                f"has the shape {printable(self.shape)}, {needed} bytes, in {size} bytes"
            )

    def read(self, key: Key) -> np.ndarray:
        """Return a copy of a part; raises UserError if it cannot be read."""
        order: Any = "F" if self.fortran else "C"
        with _one_line_errors(self.path):
            # A new mapping each time, because the pages of an old one would stay in memory.
            x = np.memmap(self.content(), self.dtype, "r", self.offset, self.shape, order)
            return np.array(x[key])


def _npz(path: Path, scratch: Path) -> tuple[dict[str, Array], dict[str, str]]:
    found: dict[str, Array] = {}
    others: dict[str, str] = {}
    with _one_line_errors(path), zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        declared = sum(member.file_size for member in members)
        if len(members) > MEMBERS or declared > EXPANSION * path.stat().st_size:
            raise ValueError(
                f"declares {declared} bytes in {len(members)} arrays; the most is {EXPANSION} "
                f"times the size of the file, in {MEMBERS}"
            )
        for member in members:
            name = member.filename.removesuffix(".npy")
            with archive.open(member) as header:
                try:
                    content = _Member(path, member.filename, scratch)
                    found[name] = Npy(path, name, header, member.file_size, content)
                except _NOT_ARRAY as error:
                    others[name] = one_line(str(error))
    return found, others


class _Member:
    """A member of an archive, unpacked to a nameless file when it is first needed."""

    def __init__(self, path: Path, member: str, scratch: Path) -> None:
        self.path, self.member, self.scratch = path, member, scratch
        self.file: IO[bytes] | None = None

    def __call__(self) -> IO[bytes]:
        if self.file is None:
            self.scratch.mkdir(parents=True, exist_ok=True)
            with (
                zipfile.ZipFile(self.path) as archive,
                archive.open(self.member) as packed,
                tempfile.TemporaryFile(dir=self.scratch) as file,
            ):
                shutil.copyfileobj(packed, file, 1 << 20)
                file.flush()
                self.file = os.fdopen(os.dup(file.fileno()), "rb")
            weakref.finalize(self, self.file.close)
        return self.file


@contextmanager
def _one_line_errors(path: Path) -> Iterator[None]:
    """Turn the errors of an unreadable file into UserError; a full disk stays an OSError."""
    try:
        yield
    except UserError:
        raise
    except (*_NOT_ARRAY, *_NOT_ARCHIVE) as error:
        raise UserError(f"{path} is not readable ({one_line(str(error))}); {_REMEDY}") from error
