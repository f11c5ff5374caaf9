"""Rows of the fault table: a user's data files."""

from pathlib import Path

import h5py
import numpy as np
from faults.table import Bench, fault, refused
from hostile_files import own

X = np.random.default_rng(0).normal(size=(12, 40, 2))
IMPORT = ["sim=file", "logger=none", "trainer.updates=12", "trainer.validations=2", "sim.dt=0.1"]


def nothing_done(bench: Bench, *arguments: str, says: str) -> None:
    """Check that the command refuses in one line and writes no dataset and no run."""
    refused(bench.command(*IMPORT, *arguments), says)
    assert not [path for path in bench.folder.rglob("*") if path.suffix in (".yaml", ".hdf5")]


@fault(
    34,
    "a data file that is missing, empty, cut off, of another kind or of another shape",
    "a trace from NumPy or HDF5, or a shape error in mid-epoch",
    "one line with what was understood and the remedy, before any work",
    "data/test_own.py security/test_hostile_files.py",
)
def own_file(bench: Bench) -> None:
    nothing_done(bench, "sim.path=x.npy", says="x.npy cannot be read (No such file or directory)")
    np.save("x.npy", X)
    whole = Path("x.npy").read_bytes()
    for content, says in (
        (b"", "x.npy is empty; save it again"),
        (whole[:-9], "has the shape (12, 40, 2), 7808 bytes, in 7799 bytes"),
        (b"t,x\n0,1\n", "x.npy is none of .npy, .npz and HDF5"),
    ):
        Path("x.npy").write_bytes(content)
        nothing_done(bench, "sim.path=x.npy", says=says)
    np.save("x.npy", X[0])
    nothing_done(bench, "sim.path=x.npy", says="axes trajectory 40, time 2 (guessed from")
    np.save("x.npy", X)
    refused(bench.command(*IMPORT[:-1], "sim.path=x.npy"), "time from one state to the next; give")


@fault(
    35,
    "NaN or infinity in a data file",
    "a NaN loss",
    "refused before training, with their number, the first places and the remedy",
    "data/test_own.py",
)
def own_nan(bench: Bench) -> None:
    x = X.copy()
    x[5, 7, 1] = np.nan
    np.savez("x.npz", x=x)
    nothing_done(bench, "sim.path=x.npz", says="1 values are NaN or infinite, the first at x.npz, ")
    nothing_done(bench, "sim.path=x.npz", says="trajectory 5, time 7, channel x1; leave those")


@fault(
    36,
    "a hostile data file: pickles, links to other files, a bomb, a huge declared shape",
    "unpickled, followed, allocated",
    "refused in one line; nothing is called, no memory allocated, nothing unpacked beyond its "
    "declared size",
    "security/test_hostile_files.py",
)
def own_hostile(bench: Bench) -> None:
    here = bench.folder / "files"
    here.mkdir()
    for name in ("npy, a pickle", "npz, a bomb", "h5, vast", "h5, a chunk that unpacks too long"):
        row = own.OWN[f"own {name}"]
        row.make(here)
        assert row.reason
        nothing_done(bench, f"sim.path=files/x.{name[:3].strip(',')}", says=row.reason)
    with h5py.File(here / "x.h5", "w") as file:
        file["x"] = h5py.ExternalLink("/etc/passwd", "/")
    nothing_done(bench, "sim.path=files/x.h5", says="'x' is a link to another file")
    assert not (bench.folder / "canary").exists()


@fault(
    37,
    "a data file that has changed since the run began",
    "training continues with other data",
    "the run is refused, naming both digests; the same command starts another run",
    "pipeline/test_own_data.py",
)
def own_changed(bench: Bench) -> None:
    np.save("x.npy", X)
    bench.killed("sirve.training.module.TrainingModule.training_step", 4, *IMPORT, "sim.path=x.npy")
    np.save("x.npy", X + 1)
    done = bench.command(f"resume={bench.run()}", "logger=none")
    refused(done, "was started with data x-", "here")
