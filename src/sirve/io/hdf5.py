"""HDF5 files: written as a whole or not at all, and checked before anything in them is read."""

import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from sirve.errors import UserError, one_line
from sirve.io.files import atomic_file
from sirve.io.hdf5_check import Refused, require_own_kind

UNREADABLE = (OSError, RuntimeError, ValueError, KeyError, TypeError)  # raised by h5py
_LOCKED = {
    11: "another process writes it",
    37: "this file system has no locks",
    524: "this file system has no locks",
    30: "this file system is read-only",
}


@contextmanager
def create(path: Path) -> Iterator[h5py.File]:
    """Yield a new file in memory; on success write it to ``path`` as a whole, or not at all.

    HDF5's own writing ends the process with a segmentation fault if the disk is full when the file
    is closed. Raises OSError.
    """
    with h5py.File(path.name, "w", driver="core", backing_store=False) as file:
        yield file
        file.flush()
        image = file.id.get_file_image()
    with atomic_file(path) as temporary:
        temporary.write_bytes(image)


@contextmanager
def reading(path: Path, remedy: str) -> Iterator[h5py.File]:
    """Open a file as sirve writes them: hard links and plain numbers, no larger than it declares.

    Raises UserError, ending with ``remedy``, for a file that cannot be read or holds anything else.
    Exceptions of the caller, raised while the file is open, pass unchanged.
    """
    with opened(path, remedy) as file:
        try:
            require_own_kind(file.id, path.stat().st_size)
        except Refused as error:
            raise UserError(f"{path}: {error}; no file of sirve is like that; {remedy}") from None
        except UNREADABLE as error:
            raise UserError(unreadable(path, error, remedy)) from error
        yield file


def opened(path: Path, remedy: str) -> h5py.File:
    """Open any HDF5 file for reading, unchecked; raises UserError, ending with ``remedy``."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait without end
            raise UserError(f"{path} is no file; {remedy}")
        return h5py.File(path, "r", locking="best-effort")
    except OSError as error:
        raise UserError(unreadable(path, error, remedy)) from error


def unreadable(path: Path, error: Exception, remedy: str) -> str:
    """Return HDF5's error on ``path`` as one line, with the cause if a lock failed."""
    text = one_line(str(error))
    found = re.search(r"errno = (\d+)", text)
    cause = _LOCKED.get(int(found[1])) if found and "lock" in text else None
    if cause:
        return f"{path} cannot be locked ({cause}); wait, or set HDF5_USE_FILE_LOCKING=FALSE"
    return f"{path} is not readable ({text}); {remedy}"
