"""Checkpoints: whole, checked, plain types only."""

import os
import pickle
import resource
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from sirve.errors import Stopped, UserError
from sirve.io import checkpoints

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
    for k in range(60):
        damaged = bytearray(whole)
        damaged[(k * 7919) % len(whole)] ^= 1 << (k % 8)
        path.write_bytes(damaged)
        with pytest.raises(UserError, match="differs from its checksum"):
            checkpoints.load(path)
    for length in (0, 1, 22, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match="differs from its checksum"):
            checkpoints.load(path)


def test_a_failed_save_keeps_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "a.ckpt"
    checkpoints.save(CONTENT, path)
    with pytest.raises((pickle.PicklingError, AttributeError)):
        checkpoints.save({"f": lambda: 0}, path)
    assert checkpoints.load(path)["step"] == 3
    assert len(list(tmp_path.iterdir())) == 2


def in_child(action: Callable[[], None]) -> int:
    """Do it in a process of its own; its exit code, negative for a signal."""
    child = os.fork()
    if child == 0:
        try:
            action()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


INSTANTS = ("open", "replace", "fsync", "unlink")  # of os, or what pathlib opens a file by


def killed_before(number: int, action: Callable[[], None]) -> Callable[[], None]:
    """``action``, killed with -9 before its system call ``number`` that changes the disk."""
    calls = 0

    def counting(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)

        return call

    def run() -> None:
        for name in INSTANTS:
            setattr(os, name, counting(getattr(os, name)))
        action()

    return run


def test_killed_at_every_instant_of_a_save_what_is_there_is_good(tmp_path: Path) -> None:
    """Two good ones before; after a save that was killed anywhere: no torn one, no step back."""
    seen = set()
    for number in range(1, 200):
        folder = tmp_path / str(number)
        last, previous = folder / "last.ckpt", folder / "previous.ckpt"
        for step in (1, 2):
            checkpoints.save({**CONTENT, "step": step}, last)
        code = in_child(
            killed_before(number, lambda: checkpoints.save({**CONTENT, "step": 3}, last))  # noqa: B023
        )
        there = [path for path in (last, previous) if path.exists()]
        assert all(checkpoints.intact(path) for path in there)
        steps = [checkpoints.load(path)["step"] for path in there]
        assert steps[0] >= 2
        seen.add(tuple(steps))
        checkpoints.save({**CONTENT, "step": 4}, last)  # whatever was left is no hindrance
        assert checkpoints.load(last)["step"] == 4
        if code == 0:
            break
    assert code == 0  # the last number was beyond the last call
    assert number > 15
    assert seen == {(2, 1), (2,), (3, 2)}


@pytest.mark.slow
def test_killed_during_a_save_to_another_device(tmp_path: Path) -> None:
    """Where the temporary folder is another device: 0 of 20 torn, 64 MB in the writing."""
    elsewhere = Path("/dev/shm")
    assert elsewhere.stat().st_dev != tmp_path.stat().st_dev
    big = {"w": torch.arange(2**24, dtype=torch.float32)}
    last = tmp_path / "last.ckpt"
    checkpoints.save(big, last)
    start = time.perf_counter()
    checkpoints.save(big, last)
    seconds = time.perf_counter() - start
    for number in range(20):
        child = os.fork()
        if child == 0:
            tempfile.tempdir = str(elsewhere)
            checkpoints.save({"w": big["w"] + number}, last)
            os._exit(0)
        time.sleep(seconds * (number + 0.5) / 20)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        there = [p for p in (last, tmp_path / "previous.ckpt") if p.exists()]
        assert there
        assert all(checkpoints.intact(path) for path in there)


def no_room(folder: Path) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))  # as a quota refuses


def not_ours(folder: Path) -> None:
    folder.chmod(0o755)
    for parent in folder.parents:
        if parent.stat().st_uid == os.getuid() and parent != Path("/tmp"):
            parent.chmod(0o755)
    os.setgroups([])
    os.setuid(65534)  # an ordinary user, nobody


def full(folder: Path) -> None:
    left = shutil.disk_usage(folder).free
    (folder / "ballast").write_bytes(bytes(left))


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [(no_room, "File too large"), (not_ours, "Permission denied"), (full, "No space left")],
)
def test_a_disk_that_refuses_is_told_and_harms_nothing(
    tmp_path: Path, trouble: Callable[[Path], None], reason: str
) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can become somebody else, and mount")
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    if trouble is full:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder], check=True)
    try:
        for step in (1, 2):
            checkpoints.save({**CONTENT, "step": step}, folder / "last.ckpt")
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        told = tmp_path / "told"

        def attempt() -> None:
            with told.open("w") as file:
                trouble(folder)
                try:
                    checkpoints.save({**CONTENT, "step": 3}, folder / "last.ckpt")
                except Stopped as error:
                    file.write(str(error))

        assert in_child(attempt) == 0
        (folder / "ballast").unlink(missing_ok=True)
        assert f"last.ckpt cannot be written ({reason}" in told.read_text()
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    finally:
        if trouble is full:
            subprocess.run(["umount", folder], check=True)


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
    with pytest.raises(UserError, match="a file that only pickle can load is refused"):
        checkpoints.load(path)


def test_a_missing_file_says_what_to_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist; name a run folder"):
        checkpoints.load(tmp_path / "none.ckpt")
