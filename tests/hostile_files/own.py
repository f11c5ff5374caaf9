"""Hostile data files for import: .npy, .npz, HDF5, and The Well's layout."""

import os
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from aids import well_file

from hostile_files.checkpoints import Payload
from hostile_files.hdf5 import circle, compound, cut, many, outside, replaced, twice, virtual
from hostile_files.row import Row
from sirve.data.own.import_data import from_file
from sirve.data.source import Wanted

X = np.random.default_rng(0).normal(size=(6, 50, 3))
Make = Callable[[Path], object]


def imported(name: str) -> Callable[[Path], object]:
    """Open, check and copy a file, as a run does before it trains."""

    def read(folder: Path) -> object:
        source = from_file({"path": str(folder / name), "dt": 1.0}, folder / "data")
        counts = {split: part.count for split, part in source.parts.items()}
        states = {split: part.states for split, part in source.parts.items()}
        wanted = Wanted(states, counts, folder / "data", block=16, workers=1)
        source.inspect(wanted)
        return source.dataset(wanted)

    return read


def npy(x: Any) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        np.save(folder / "x.npy", x)
        return folder / "x.npy"

    return make


def header(shape: str) -> Callable[[Path], Path]:
    """Write a header with this shape, and one kilobyte of data."""

    def make(folder: Path) -> Path:
        text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}}}\n".encode()
        start = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little")
        (folder / "x.npy").write_bytes(start + text + bytes(1000))
        return folder / "x.npy"

    return make


def written(name: str, content: bytes) -> Make:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return make


def npz(**arrays: Any) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        np.savez_compressed(folder / "x.npz", **arrays)
        return folder / "x.npz"

    return make


def pickled(folder: Path) -> None:
    """Write both kinds of file; unpickling them creates the canary file."""
    x = np.array([Payload(folder.parent / "canary")], object)
    np.save(folder / "x.npy", x, allow_pickle=True)
    np.savez(folder / "x.npz", x=x)


def bomb(folder: Path) -> Path:
    return npz(x=np.zeros((8, 1000, 1000)))(folder)


def lying(folder: Path) -> None:
    """Declare more than is packed, in the table of contents and in the array's header."""
    content = header("(6, 50000, 3)")(folder).read_bytes()
    with zipfile.ZipFile(folder / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", content)
    size, claim = (n.to_bytes(4, "little") for n in (len(content), 7_300_000))
    packed = (folder / "x.npz").read_bytes() + bytes(10_000)
    (folder / "x.npz").write_bytes(claim.join(packed.rsplit(size, 1)))


def h5(folder: Path, **how: Any) -> Path:
    path = folder / "x.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=X, **how)
    return path


def packed(folder: Path) -> Path:
    return h5(folder, compression="gzip", shuffle=True, fletcher32=True, maxshape=(None, 50, 3))


def declared(shape: tuple[int, ...], room: int, **how: Any) -> Make:
    """Declare a dataset without writing it, in a file of ``room`` bytes."""

    def make(folder: Path) -> Path:
        with h5py.File(folder / "x.h5", "w") as file:
            file.create_dataset("x", shape, "f8", **how)
            file["room"] = np.frombuffer(np.random.default_rng(0).bytes(room), "V1")
        return folder / "x.h5"

    return make


def chunk(content: bytes, compression: str = "gzip") -> Make:
    """Write a packed chunk of (6, 1000, 20) numbers with this content."""

    def make(folder: Path) -> Path:
        with h5py.File(folder / "x.h5", "w") as file:
            chunks = (6, 1000, 20)
            x = file.create_dataset("x", chunks, "f8", chunks=chunks, compression=compression)
            x.id.write_direct_chunk((0, 0, 0), content)
        return folder / "x.h5"

    return make


def long_chunk(folder: Path) -> None:
    """Pack half a gigabyte of zeros, which HDF5 would unpack into a chunk of one megabyte."""
    packing = zlib.compressobj(9)
    first, again = (
        packing.compress(bytes(10**7)) + packing.flush(zlib.Z_FULL_FLUSH) for _ in range(2)
    )
    chunk(first + again * 50)(folder)


def well(folder: Path, place: str = "x/data/train/x.hdf5") -> Path:
    path = folder / place
    fields = {0: {"u": X[..., 0], "w": X[..., 1]}}
    well_file.write(path, fields, {})
    return path


def linked(folder: Path) -> None:
    path = well(folder)
    path.rename(folder / "secret.hdf5")
    path.symlink_to(folder / "secret.hdf5")


def bad(x: np.ndarray, value: float) -> np.ndarray:
    x = x.copy()
    x[3, 7, 1] = value
    return x


def filled(folder: Path) -> None:
    h5(folder)
    os.mkfifo(folder / "pipe.npy")


_ARRAYS: dict[str, tuple[Make, str | None]] = {
    "npy": (npy(X), None),
    "npy, whole numbers, the other byte order": (npy((X * 99).astype(">i2")), None),
    "npy, a pickle": (pickled, "holds object, not plain numbers"),
    "npy, complex": (npy(X + 1j), "holds complex128"),
    "npy, words": (npy(np.array([["a"]])), "holds <U1"),
    "npy, records": (npy(np.zeros(9, "f8,i4")), "holds [('f0'"),
    "npy, nothing": (npy(np.zeros((0, 9, 3))), "holds nothing"),
    "npy, vast": (header("(1000, 100000, 1000)"), "800000000082 bytes, in 1082"),
    "npy, beyond all numbers": (header(f"({'9' * 400},)"), "is not readable"),
    "npy, less than nothing": (header("(-5, 20, 3)"), "holds nothing"),
    "npy, a long header": (header("(" + "1," * 9000 + ")"), "is not readable"),
    "npy, a deep header": (header("[" * 4000 + "]" * 4000), "is not readable"),
    "npy, code for a header": (header("__import__('os')"), "is not readable"),
    "npy, NaN": (npy(bad(X, np.nan)), "1 values are NaN or infinite, the first at x.npy, traj"),
    "npy, beyond float32": (npy(bad(X, 1e300)[..., None]), "NaN or infinite as float32"),
    "npy, empty": (written("x.npy", b""), "is empty; save it again"),
    "npy, a bare pickle": (
        written("x.npy", b"\x80\x04cos\nsystem\n."),
        "is none of .npy, .npz and",
    ),
    "npy, text": (written("x.npy", b"1,2,3\n" * 99), "is none of .npy, .npz and HDF5"),
    "npy, cut off": (cut(npy(X), 3000), "7328 bytes, in 3000 bytes"),
    "npz": (npz(x=X), None),
    "npz, a bomb": (bomb, "declares 64000128 bytes in 1 arrays; the most is 1000 times"),
    "npz, a pickle": (pickled, "holds object, not plain numbers"),
    "npz, more than it packs": (lying, "is not readable"),
    "npz, cut off": (cut(npz(x=X), 3000), "is not readable"),
    "npz, without arrays": (npz(), "is none of"),
    "h5": (h5, None),
    "h5, packed": (packed, None),
    "h5, lzf": (lambda folder: h5(folder, compression="lzf"), None),
    "h5, another filter": (
        lambda folder: h5(folder, scaleoffset=3),
        "is compressed or filtered by [6]",
    ),
    "h5, vast": (declared((10**6, 1000, 3000), 0), "more than 1000 times the size of the file"),
    "h5, vast trajectories": (
        declared((9, 10**6, 50), 10**7),
        "is more than is read from a file of",
    ),
    "h5, vast states": (declared((4, 30, 2, 2000, 2000), 10**7), "is more than is read from a"),
    "h5, vast chunks": (
        declared((100, 1000, 1000), 10**6, chunks=(100, 1000, 1000), fletcher32=True),
        "chunks of more than",
    ),
    "h5, a chunk that unpacks too long": (long_chunk, "unpack to more than they declare"),
    "h5, a chunk of noise": (chunk(np.random.default_rng(0).bytes(900_000)), "has damaged chunks"),
    "h5, a chunk packed too long": (chunk(bytes(10**7)), "packed in more bytes"),
    "h5, a chunk packed too long by lzf": (
        chunk(bytes(10**7), "lzf"),
        "packed in more bytes",
    ),
    "h5, empty": (written("x.h5", b""), "is empty"),
    "h5, cut off": (cut(h5, 3000), "is not readable"),
}
_IN_PLACE: dict[str, tuple[Any, str | None]] = {
    "an external link": (
        lambda g, n, s, f: g.__setitem__(n, h5py.ExternalLink(str(f / "secret.h5"), "x")),
        "'x' is a link to another file",
    ),
    "a soft link": (lambda g, n, s, f: g.__setitem__(n, h5py.SoftLink("/y")), "'x' is a soft link"),
    "a virtual dataset": (virtual, "'x' is put together of other datasets"),
    "external storage": (outside, "'x' lies in another file"),
    "words": (
        lambda g, n, s, f: g.create_dataset(n, s, h5py.string_dtype()),
        "'x' does not hold plain numbers",
    ),
    "lists": (
        lambda g, n, s, f: g.create_dataset(n, s, h5py.vlen_dtype("f8")),
        "'x' does not hold plain numbers",
    ),
    "records": (compound, "'x' does not hold plain numbers"),
    "nothing": (lambda g, n, s, f: g.__setitem__(n, h5py.Empty("f8")), "'x' has no numbers in it"),
    "a circle beside it": (circle, None),
    "two names": (twice, None),
    "many groups": (many, "holds more than 10000 objects"),
}

OWN = {
    **{
        f"own {k}": Row(make, imported(f"x.{k[:3].strip(', ')}"), why)
        for k, (make, why) in _ARRAYS.items()
    },
    **{
        f"own h5, {k}": Row(replaced(h5, "x", how), imported("x.h5"), why)
        for k, (how, why) in _IN_PLACE.items()
    },
    "own pipe": Row(filled, imported("pipe.npy"), "pipe.npy is no file; name one"),
    "own nowhere": Row(
        filled, imported("y.npy"), "y.npy cannot be read (No such file or directory)"
    ),
    "own well": Row(well, imported("x"), None),
    "own well, a link to a file": Row(
        linked, imported("x"), "x.hdf5 is a link that leaves sim.path"
    ),
    "own well, a link in the file": Row(
        replaced(
            lambda folder: well(folder, "x.h5"),
            "t0_fields/w",
            lambda g, n, s, f: g.__setitem__(n, h5py.ExternalLink("/etc/passwd", "x")),
        ),
        imported("x.h5"),
        "t0_fields/w is a link to another file",
    ),
    "own folder of nothing": Row(filled, imported("."), "has no *.hdf5 in train/ or data/train/"),
}
