"""HDF5 files that are whole or absent."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from sirve.files import whole


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
