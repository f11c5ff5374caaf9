"""Checkpoints: whole, checked, plain types only."""

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from sirve import checkpoints
from sirve.errors import UserError

CONTENT = {"state_dict": {"w": torch.arange(2000.0)}, "step": 3, "note": {"a": [1, None, "b"]}}


def test_round_trip_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints" / "last.ckpt"
    checkpoints.save(CONTENT, path)
    assert {p.name for p in path.parent.iterdir()} == {"last.ckpt", "last.ckpt.sha256"}
    found = checkpoints.load(path)
    assert torch.equal(found["state_dict"]["w"], CONTENT["state_dict"]["w"])  # type: ignore[index]
    assert found["note"] == CONTENT["note"]


def test_every_flipped_bit_and_truncation_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.ckpt"
    checkpoints.save(CONTENT, path)
    whole = path.read_bytes()
    for k in range(20):
        damaged = bytearray(whole)
        damaged[(k * 7919) % len(whole)] ^= 1 << (k % 8)
        path.write_bytes(damaged)
        with pytest.raises(UserError, match="differs from its checksum"):
            checkpoints.load(path)
    path.write_bytes(whole[:-1])
    with pytest.raises(UserError, match="differs from its checksum"):
        checkpoints.load(path)


def test_a_failed_save_keeps_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "a.ckpt"
    checkpoints.save(CONTENT, path)
    with pytest.raises((pickle.PicklingError, AttributeError)):
        checkpoints.save({"f": lambda: 0}, path)
    assert checkpoints.load(path)["step"] == 3
    assert len(list(tmp_path.iterdir())) == 2


class Payload:
    """Unpickled, it would call."""

    def __reduce__(self) -> Any:
        return (pytest.fail, ("a pickle was run",))


@pytest.mark.parametrize("sidecar", [True, False])
def test_a_pickle_is_refused(tmp_path: Path, sidecar: bool) -> None:
    path = tmp_path / "evil.ckpt"
    checkpoints.save({"state_dict": Payload()}, path)
    if not sidecar:
        (tmp_path / "evil.ckpt.sha256").unlink()
    with pytest.raises(UserError, match="only a pickle could load is refused"):
        checkpoints.load(path)


def test_a_missing_file_says_what_to_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist; name a run folder"):
        checkpoints.load(tmp_path / "none.ckpt")
