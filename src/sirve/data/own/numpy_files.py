"""Arrays in files of anyone: .npy and .npz, whose outline is looked at before anything is read.

HDF5 is in foreign_hdf5.py. Nothing is unpickled; what is read at once is what is asked for.
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

from sirve.data.own.hdf5_files import EXPANSION, outline
from sirve.data.own.stack import Array, Key
from sirve.errors import UserError, one_line, shown

MEMBERS = 1000  # of an archive
_SAVE = "save it again by np.save or np.savez"
_NO_ARRAY = (ValueError, EOFError, SyntaxError, MemoryError, RecursionError, TypeError)
_NO_ARCHIVE = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError)
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def arrays(path: Path, scratch: Path) -> tuple[dict[str, Array], dict[str, str]]:
    """The arrays of numbers in a file by name, and why what else is in it is none of them.

    What an archive holds is unpacked to nameless files in the folder ``scratch``. Raises UserError
    for a file that is missing, damaged, or of another kind.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would be waited for
            raise UserError(f"{path} is no file; name one")
        with path.open("rb") as file:
            head = file.read(6)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); name a file") from error
    if not head:
        raise UserError(f"{path} is empty; {_SAVE}")
    if head == b"\x93NUMPY":
        return {path.stem: _npy(path)}, {}
    if head[:4] == b"PK\x03\x04":
        return _npz(path, scratch)
    if h5py.is_hdf5(path):
        found = outline(path)
        return dict(found.arrays), found.others
    raise UserError(
        f"{path} is none of .npy, .npz and HDF5; read it by what reads it, and np.save the array"
    )


class Npy:
    """An array in NumPy's format, at the start of the file that ``open`` opens."""

    def __init__(
        self, path: Path, name: str, open: Callable[[], IO[bytes]], file: IO[bytes], size: int
    ) -> None:
        """``file`` gives its header; ValueError for what is no array of numbers, or cut off."""
        self.path, self.name, self.open = path, name, open
        self.room = path.stat().st_size
        version = np.lib.format.read_magic(file)
        if version not in _HEADERS:
            raise ValueError(f"is in format {version}, which is not read")
        self.shape, self.fortran, self.dtype = _HEADERS[version](file)
        if self.dtype.kind not in "biuf":
            raise ValueError(f"holds {self.dtype}, not plain numbers")
        if not self.shape or min(self.shape) < 1:
            raise ValueError(f"has the shape {shown(self.shape)}, which holds nothing")
        self.offset = file.tell()
        needed = self.offset + prod(self.shape) * self.dtype.itemsize
        if needed > size:
            raise ValueError(f"has the shape {shown(self.shape)}, {needed} bytes, in {size} bytes")

    def read(self, key: Key) -> np.ndarray:
        order: Any = "F" if self.fortran else "C"
        with _told(self.path), self.open() as file:
            # Mapped anew each time: the pages of an old mapping would stay in memory.
            x = np.memmap(file, self.dtype, "r", self.offset, self.shape, order)
            return np.array(x[key])


class _Member:
    """Opens a member of an archive, unpacked the first time."""

    def __init__(self, path: Path, member: str, scratch: Path) -> None:
        self.path, self.member, self.scratch = path, member, scratch
        self.handle: int | None = None

    def __call__(self) -> IO[bytes]:
        if self.handle is None:
            self.scratch.mkdir(parents=True, exist_ok=True)
            with (
                zipfile.ZipFile(self.path) as archive,
                archive.open(self.member) as packed,
                tempfile.TemporaryFile(dir=self.scratch) as file,
            ):
                shutil.copyfileobj(packed, file, 1 << 20)
                file.flush()
                self.handle = os.dup(file.fileno())
            weakref.finalize(self, os.close, self.handle)
        unpacked = os.fdopen(os.dup(self.handle), "rb")
        unpacked.seek(0)
        return unpacked


def _npy(path: Path) -> Array:
    with _told(path), path.open("rb") as file:
        return Npy(path, path.stem, lambda: path.open("rb"), file, path.stat().st_size)


def _npz(path: Path, scratch: Path) -> tuple[dict[str, Array], dict[str, str]]:
    found: dict[str, Array] = {}
    others: dict[str, str] = {}
    with _told(path), zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        declared = sum(member.file_size for member in members)
        if len(members) > MEMBERS or declared > EXPANSION * path.stat().st_size:
            raise ValueError(
                f"declares {declared} bytes in {len(members)} arrays; the most is {EXPANSION} "
                f"times what the file has, in {MEMBERS}"
            )
        for member in members:
            name = member.filename.removesuffix(".npy")
            opened = _Member(path, member.filename, scratch)
            with archive.open(member) as packed:
                try:
                    found[name] = Npy(path, name, opened, packed, member.file_size)
                except _NO_ARRAY as error:
                    others[name] = one_line(str(error))
    return found, others


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """One line for a file that cannot be read; a disk that is full stays what it is."""
    try:
        yield
    except UserError:
        raise
    except (*_NO_ARRAY, *_NO_ARCHIVE) as error:
        raise UserError(f"{path} is not readable ({one_line(str(error))}); {_SAVE}") from error
