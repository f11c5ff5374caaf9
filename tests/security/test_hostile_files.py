"""Hostile files are refused in one line; nothing in them is run, no memory is allocated."""

import json
import os
import pickle
import re
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from hostile_files import TABLE
from hostile_files.hdf5 import shard
from support import ROOT, run_command
from warm import run_warm

from sirve.errors import UserError
from sirve.io.hdf5 import reading


def load_by_pickle(path: Path) -> None:
    with path.open("rb") as file:
        pickle.load(file)["state_dict"].close()


def load_by_numpy(path: Path) -> None:
    with np.load(path, allow_pickle=True) as file:
        file["a"][0].close()


def load_by_torch(path: Path) -> None:
    torch.load(path, weights_only=False)["state_dict"].close()


OPEN = """
import sys, pathlib
from sirve.io.hdf5 import reading
try:
    reading(pathlib.Path(sys.argv[1]), "mend it").__enter__()
except ValueError as error:
    print(error)
"""
LOADERS = {
    "pickle in .ckpt": load_by_pickle,
    "pickle in .pt, old": load_by_torch,
    "pickle in .pt": load_by_torch,
    "pickle in .npz": load_by_numpy,
}


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder of all files, and the result of reading each of the table."""
    root = tmp_path_factory.mktemp("hostile")
    for number, row in enumerate(TABLE.values()):
        (root / str(number)).mkdir()
        row.make(root / str(number))
    path = {"PYTHONPATH": f"{ROOT}:{ROOT}/tests"}
    done = run_warm([str(ROOT / "tests/aids/reading.py"), str(root)], root, path)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("[")]
    return root, dict(zip(TABLE, map(json.loads, lines), strict=True))


@pytest.mark.parametrize("name", TABLE)
def test_a_hostile_file_does_no_harm(read: tuple[Path, dict[str, Any]], name: str) -> None:
    root, found = read
    raised, seconds, memory = found[name]
    if TABLE[name].reason is None:
        assert raised is None
    else:
        assert raised is not None
        assert raised.isprintable()
        assert TABLE[name].reason in raised
        assert len(raised) < 700
    assert not (root / "canary").exists()
    assert seconds < 60  # of a processor: reading has an end, on a slow machine too
    assert memory < 500


def test_the_payload_is_real(tmp_path: Path) -> None:
    """A loader that trusts the file creates the canary, for each kind of file."""
    canary = tmp_path / "canary"
    for name, load in LOADERS.items():
        folder = tmp_path / name
        folder.mkdir()
        TABLE[name].make(folder)
        assert not canary.exists()
        load(folder / "x.ckpt")
        assert canary.exists(), name
        canary.unlink()


def test_exceptions_pass_unchanged_through_an_open_file(tmp_path: Path) -> None:
    path = shard(tmp_path)
    for error in (KeyError("mine"), OSError("mine"), ZeroDivisionError("mine")):
        with pytest.raises(type(error), match="mine"), reading(path, "mend it"):
            raise error
    with pytest.raises(UserError, match=r"is no file; mend it"), reading(tmp_path, "mend it"):
        pass
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match=r"is no file"), reading(tmp_path / "pipe", "mend it"):
        pass


@pytest.mark.parametrize("code", [11, 37, 524, 30])
def test_a_lock_that_fails_names_the_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """Code 11 is a real lock; the others need special file systems, so HDF5's text is faked."""
    path = shard(tmp_path)
    reason = r"cannot be locked \(.*\); wait, or set HDF5_USE_FILE_LOCKING=FALSE"
    if code == 11:
        with h5py.File(path, "a"):
            done = run_command(["-c", OPEN, str(path)], tmp_path)
        assert re.search(reason, done.stdout), done.stderr
        return

    def fail(*_: object, **__: object) -> None:
        raise OSError(f"Unable to open file (unable to lock file, errno = {code}, error message)")

    monkeypatch.setattr(h5py, "File", fail)
    with pytest.raises(UserError, match=reason), reading(path, "mend it"):
        pass


def test_checking_a_file_takes_little_time(tmp_path: Path) -> None:
    path = shard(tmp_path)
    start = time.perf_counter()
    for _ in range(20):
        with reading(path, ""):
            pass
    assert (time.perf_counter() - start) / 20 < 1
