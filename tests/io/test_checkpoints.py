"""Checkpoints: complete or absent, checked, of plain types only."""

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


def test_saving_and_loading_leaves_no_other_files(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints" / "last.ckpt"
    checkpoints.save(CONTENT, path)
    assert {p.name for p in path.parent.iterdir()} == {"last.ckpt", "last.ckpt.sha256"}
    found = checkpoints.load(path)
    assert torch.equal(found["state_dict"]["w"], CONTENT["state_dict"]["w"])  # type: ignore[index]
    assert found["note"] == CONTENT["note"]


def test_every_flipped_bit_and_truncation_is_detected(tmp_path: Path) -> None:
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


def test_a_failed_save_keeps_the_old_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "a.ckpt"
    checkpoints.save(CONTENT, path)
    with pytest.raises((pickle.PicklingError, AttributeError)):
        checkpoints.save({"f": lambda: 0}, path)
    assert checkpoints.load(path)["step"] == 3
    assert len(list(tmp_path.iterdir())) == 2


def in_child(action: Callable[[], None]) -> int:
    """Run ``action`` in a child process; returns its exit code, negative for a signal."""
    child = os.fork()
    if child == 0:
        try:
            action()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


INSTANTS = ("open", "replace", "fsync", "unlink")  # functions of os, which pathlib uses too


def killed_before(number: int, action: Callable[[], None]) -> Callable[[], None]:
    """Return ``action``, killed with -9 before its call ``number`` that changes the disk."""
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


def test_a_save_killed_at_any_instant_leaves_intact_checkpoints(tmp_path: Path) -> None:
    """With two intact checkpoints before, a killed save leaves no damaged one and loses no step."""
    found = set()
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
        found.add(tuple(steps))
        checkpoints.save(
            {**CONTENT, "step": 4}, last
        )  # leftover files do not disturb the next save
        assert checkpoints.load(last)["step"] == 4
        if code == 0:
            break
    assert code == 0  # the last number was beyond the last call
    assert number > 15
    assert found == {(2, 1), (2,), (3, 2)}


@pytest.mark.slow
def test_killed_during_a_save_to_another_device(tmp_path: Path) -> None:
    """With the temporary folder on another device, 0 of 20 killed saves of 64 MB are damaged."""
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
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))  # like a quota


def not_writable(folder: Path) -> None:
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
    [(no_room, "File too large"), (not_writable, "Permission denied"), (full, "No space left")],
)
def test_a_disk_error_is_reported_and_changes_nothing(
    tmp_path: Path, trouble: Callable[[Path], None], reason: str
) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can change its user, and mount")
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    if trouble is full:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder], check=True)
    try:
        for step in (1, 2):
            checkpoints.save({**CONTENT, "step": step}, folder / "last.ckpt")
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        report = tmp_path / "report"

        def attempt() -> None:
            with report.open("w") as file:
                trouble(folder)
                try:
                    checkpoints.save({**CONTENT, "step": 3}, folder / "last.ckpt")
                except Stopped as error:
                    file.write(str(error))

        assert in_child(attempt) == 0
        (folder / "ballast").unlink(missing_ok=True)
        assert f"last.ckpt cannot be written ({reason}" in report.read_text()
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    finally:
        if trouble is full:
            subprocess.run(["umount", folder], check=True)


class Payload:
    """An object that makes the test fail when it is unpickled."""

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


def test_a_missing_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist; name a run folder"):
        checkpoints.load(tmp_path / "none.ckpt")
