"""Rows of the fault table: simulation and datasets."""

import fcntl
import json
import subprocess
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from faults.table import (
    SHORT,
    Bench,
    fault,
    flip,
    refused,
    told,
)
from support import AIDS, small_disk
from warm import started_warm

from sirve.data.dataset import Dataset
from sirve.data.simulated.verify import verify
from sirve.errors import UserError
from sirve.io.files import sha256

FAULTY = ["sim.system._target_=planted.Faulty", "~sim.system.sigma", "~sim.system.rho"]
FAULTY += ["~sim.system.beta", "~sim.system.method", "~sim.system.rtol", "~sim.system.atol"]


def dataset(bench: Bench) -> Path:
    """Make a dataset by a run that trains nothing."""

    def make() -> None:
        assert bench.command(*SHORT, "model=persistence").returncode == 0

    bench.begin("dataset", make)
    (folder,) = (bench.folder / "data").iterdir()
    return folder


def sums(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): sha256(p) for p in sorted(folder.rglob("*.hdf5"))}


def never_written(bench: Bench, how: str, reason: str) -> None:
    bench.plant()
    start = time.process_time()
    done = bench.command(*SHORT, *FAULTY, f"+sim.system.how={how}")
    assert time.process_time() - start < 5
    refused(done, reason, "split train, trajectory", "data.seed=0")
    assert not list(bench.folder.rglob("*.hdf5"))


@fault(
    1,
    "a parameter or an initial state that is not finite",
    "SciPy refuses the state only",
    "one line that names it, before any work",
    "cli/test_train.py simulators/test_laws.py",
)
def parameter(bench: Bench) -> None:
    refused(bench.command(*SHORT, "sim.system.rho=nan"), "sim.system: rho=nan must be")
    never_written(bench, "state", "the initial state is not finite")
    assert not list(bench.folder.glob("runs/*/*/checkpoints"))


@fault(
    2,
    "right-hand side NaN from the start",
    "RK45 and DOP853 hang",
    "stops within 5 s, naming trajectories, seed and time; nothing is written",
    "simulators/test_ode.py",
)
def nan_at_start(bench: Bench) -> None:
    never_written(bench, "start", "the right-hand side is not finite at t=0")


@fault(
    3,
    "right-hand side NaN later",
    "LSODA: success, with NaN in the result",
    "the same",
    "simulators/test_ode.py",
)
def nan_later(bench: Bench) -> None:
    never_written(bench, "later", "the right-hand side is not finite at t=0.")


@fault(
    4,
    "blow-up in finite time",
    "a short result, or no end",
    "the same, with the time reached",
    "simulators/test_ode.py",
)
def blow_up(bench: Bench) -> None:
    never_written(bench, "blow-up", " at t=")


@fault(
    5,
    "invalid sizes: dt ≤ 0, no trajectories, windows longer than a trajectory",
    "an error in the middle",
    "one line, before any work",
    "cli/test_train.py",
)
def sizes(bench: Bench) -> None:
    refused(bench.command(*SHORT, "sim.dt=-1"), "sim.dt=-1 must be a positive number")
    refused(bench.command(*SHORT, "sim.trajectories.train=0"), "sim.trajectories.train=0")
    refused(bench.command(*SHORT, "objective.context=90"), "longer than the training trajectories")
    assert not list(bench.folder.iterdir())


@fault(
    6,
    "kill -9 while data are made",
    "unreadable HDF5",
    "the same command makes the rest; finished shards are untouched, the dataset is the same",
    "data/test_kills.py data/test_generate.py",
)
def killed_generator(bench: Bench) -> None:
    bench.killed("sirve.data.simulated.generate.write_shard", 3, *SHORT)
    (folder,) = (bench.folder / "data").iterdir()
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.hdf5")}
    assert len(before) == 2
    assert bench.command(*SHORT).returncode == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert not list(folder.rglob(".*.tmp"))
    found = sums(folder)
    folder.rename(bench.folder / "first")
    assert bench.command(*SHORT, "resume=never").returncode == 0
    assert sums(folder) == found


@fault(
    7,
    "disk full while data are made",
    "a partial file",
    "one line; no partial file; resumes when there is room",
    "io/test_files.py",
)
def full_while_simulating(bench: Bench) -> None:
    with small_disk(bench.folder / "data", "60k") as grow:
        told(bench.command(*SHORT), 1, "No space left on device")
        for path in (bench.folder / "data").rglob("*.hdf5"):
            h5py.File(path).close()
        assert not list((bench.folder / "data").rglob(".*.tmp"))
        grow()
        assert bench.command(*SHORT).returncode == 0


@fault(
    8,
    "two commands make the same data",
    "they overwrite each other",
    "the second waits until the data are made",
    "data/test_generate.py",
)
def two_generators(bench: Bench) -> None:
    folder = dataset(bench)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.hdf5")}
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with started_warm(bench.folder, *SHORT, "sim.trajectories.train=12") as process:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(2)
            assert {p: p.stat().st_mtime_ns for p in folder.rglob("*.hdf5")} == before
            fcntl.flock(lock, fcntl.LOCK_UN)
            process.communicate(60)
    assert process.returncode == 0
    assert before.items() <= {p: p.stat().st_mtime_ns for p in folder.rglob("*.hdf5")}.items()


@fault(
    9,
    "another configuration with existing data",
    "mixed data",
    "another dataset: the folder's name is a digest of everything that fixes the numbers",
    "data/test_generate.py",
)
def another_configuration(bench: Bench) -> None:
    before = sums(dataset(bench))
    assert bench.command(*SHORT, "sim.system.rho=29", "resume=never").returncode == 0
    folders = list((bench.folder / "data").iterdir())
    assert len(folders) == 2
    assert before in [sums(folder) for folder in folders]


def made_again(bench: Bench, **damages: bytes | None) -> None:
    """Check that reading names file and remedy, and that the command makes the same bits again."""
    folder = dataset(bench)
    before = sums(folder)
    path = folder / "data" / "train" / "00001.hdf5"
    for damage, content in damages.items():
        if damage == "renamed":
            path.rename(path.with_name("00002.hdf5"))
        elif content is None:
            path.unlink()
        else:
            path.write_bytes(content)
        with pytest.raises(UserError, match=r"00001.hdf5 .*; run the command again"):
            Dataset(folder).read("train", 8)
        assert str(path) in " ".join(damage.line for damage in verify(folder))
        done = bench.command(*SHORT, "resume=never")
        assert done.returncode == 0
        assert "00001.hdf5 is damaged or missing; it is made again" in done.stderr
        assert before.items() <= sums(folder).items()


@fault(
    10,
    "a shard truncated by a byte, empty, or text",
    "a trace from HDF5",
    "detected before training by its checksum and by `sirve simulate verify`; named, made again "
    "with the same bits",
    "data/test_verify.py security/test_hostile_files.py",
)
def truncated(bench: Bench) -> None:
    made_again(bench, truncated=b"\x89HDF\r\n\x1a\n" + bytes(500), empty=b"", text=b"hello\n" * 400)


@fault(
    11,
    "a flipped bit in the data",
    "0 of 60 found by plain HDF5",
    "60 of 60 detected before training, and by `sirve simulate verify`",
    "data/test_verify.py",
)
def flipped_data(bench: Bench) -> None:
    folder = dataset(bench)
    path = folder / "data" / "train" / "00000.hdf5"
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for bit in rng.integers(0, 8 * len(whole), 60):
        path.write_bytes(whole)
        flip(path, int(bit))
        with pytest.raises(UserError, match="differs from its checksum"):
            Dataset(folder).read("train", 8)
    path.write_bytes(whole)
    Dataset(folder).read("train", 8)


@fault(
    12,
    "a shard missing or renamed",
    "KeyError later",
    "detected at the start by the manifest; made again with the same bits",
    "data/test_verify.py",
)
def missing(bench: Bench) -> None:
    made_again(bench, missing=None, renamed=None)


@fault(
    13,
    "data of another shape or system under the right name",
    "a shape error in mid-epoch",
    "the checksum differs, or, if the manifest was changed too, the shape: one line, before "
    "training",
    "data/test_verify.py",
)
def foreign(bench: Bench) -> None:
    folder = dataset(bench)
    path = folder / "data" / "train" / "00000.hdf5"
    with h5py.File(path, "w") as file:
        file["t0_fields/x"] = np.zeros((4, 80, 7))
    with pytest.raises(UserError, match="differs from its checksum"):
        Dataset(folder).read("train", 8)
    accept(folder, path)
    refused(bench.command(*SHORT), "00000.hdf5", "delete")


@fault(
    14,
    "NaN written into a data file",
    "a NaN loss later",
    "only finite numbers are written; after a later change the checksum differs; if the "
    "manifest was changed too, `sirve simulate verify` names trajectory, state and channel",
    "data/test_verify.py",
)
def nan_in_data(bench: Bench) -> None:
    folder = dataset(bench)
    path = folder / "data" / "train" / "00000.hdf5"
    with h5py.File(path, "r+") as file:
        file["t0_fields/x"][2, 5] = np.nan
    with pytest.raises(UserError, match=r"00000.hdf5 .*differs from its checksum"):
        Dataset(folder).read("train", 8)
    accept(folder, path)
    refused(bench.command(*SHORT), "00000.hdf5", "not finite", "delete")
    (damage,) = verify(folder)
    assert "the first in trajectory 2 of the shard, state 5, channel x" in damage.line


def accept(folder: Path, path: Path) -> None:
    """Write the checksum of a damaged shard into the manifest."""
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["shards"][f"train/{path.name}"] = sha256(path)
    (folder / "manifest.json").write_text(json.dumps(manifest))


@fault(
    15,
    "a file system or a program that locks HDF5 files",
    "errno 11 and a trace",
    "one line with the cause and the setting that helps",
    "security/test_hostile_files.py",
)
def locked(bench: Bench) -> None:
    folder = dataset(bench)
    path = folder / "data" / "train" / "00000.hdf5"
    with path.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        refused(bench.process(*SHORT), "00000.hdf5", "HDF5_USE_FILE_LOCKING=FALSE")


@fault(
    38,
    "a worker process is killed, for example for lack of memory",
    "waits forever, or a trace",
    "one line, exit code 1; the same command resumes",
    "data/test_kills.py",
)
def killed_worker(bench: Bench) -> None:
    options = [*SHORT, *FAULTY, "data.workers=2"]
    done = bench.process(*options, "+sim.system.how=killed", env={"PYTHONPATH": str(AIDS)})
    told(done, 1, "a worker process was ended from outside", "data.workers=1")
