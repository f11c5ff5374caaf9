"""Files of strangers: refused in one line, nothing of them is run, no memory is taken for them."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hostile_files import TABLE
from support import ROOT, environment, run_command


def by_pickle(path: Path) -> None:
    with path.open("rb") as file:
        pickle.load(file)["state_dict"].close()


def by_numpy(path: Path) -> None:
    with np.load(path, allow_pickle=True) as file:
        file["a"][0].close()


def by_torch(path: Path) -> None:
    torch.load(path, weights_only=False)["state_dict"].close()


LOADERS = {
    "pickle in .ckpt": by_pickle,
    "pickle in .pt, old": by_torch,
    "pickle in .pt": by_torch,
    "pickle in .npz": by_numpy,
}


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """What became of each of the table."""
    root = tmp_path_factory.mktemp("hostile")
    for number, row in enumerate(TABLE.values()):
        (root / str(number)).mkdir()
        row.make(root / str(number))
    path = environment({"PYTHONPATH": f"{ROOT}:{ROOT}/tests"})
    done = run_command([str(ROOT / "tests/aids/reading.py"), str(root)], root, path)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("[")]
    return root, dict(zip(TABLE, map(json.loads, lines), strict=True))


@pytest.mark.parametrize("name", TABLE)
def test_it_cannot_hurt(read: tuple[Path, dict[str, Any]], name: str) -> None:
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
    assert seconds < 5
    assert memory < 500


def test_the_payload_is_real(tmp_path: Path) -> None:
    """By what trusts a file, it opens the canary, from each of the files it is put in."""
    canary = tmp_path / "canary"
    for name, load in LOADERS.items():
        folder = tmp_path / name
        folder.mkdir()
        TABLE[name].make(folder)
        assert not canary.exists()
        load(folder / "x.ckpt")
        assert canary.exists(), name
        canary.unlink()
