"""Whatever W&B does, the run is bitwise the same, says so once, and loses little time. Real W&B."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from support import FEW, ROOT, SMALL, Done, environment, run_command

from sirve.tracking import WandB

ARGUMENTS = ["sim=lorenz", "model=gru", *SMALL["lorenz"], *FEW]
TRAIN = str(ROOT / "train.py")
AIDS = ROOT / "tests" / "aids"
LOG, FINISH = "sirve.tracking.WandB.log", "sirve.tracking.WandB.finish"
START = "sirve.tracking.WandB.start"
LIMIT = 6.0  # seconds that W&B may hold a run up: wait=4, its end, and a busy machine


def faulty(folder: Path, fault: tuple[str, int, str], *more: str, **env: str) -> Done:
    where, number, name = fault
    driver = [str(AIDS / "fault_at.py"), where, str(number), name]
    return run_command([*driver, TRAIN, *ARGUMENTS, *more], folder, env)


def only_run(folder: Path) -> Path:
    (found,) = folder.glob("runs/*/*/")
    return found


def outcome(folder: Path) -> tuple[dict[str, torch.Tensor], str]:
    run = only_run(folder)
    state = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    return state, (run / "metrics.jsonl").read_text()


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, torch.Tensor], str]:
    folder = tmp_path_factory.mktemp("plain")
    done = run_command([TRAIN, *ARGUMENTS, "logger=none"], folder)
    assert done.returncode == 0, done.stderr
    return outcome(folder)


def check(done: Done, folder: Path, plain: Any, reason: str) -> None:
    """The run is right, one line says what happened, and little time was lost."""
    ended = time.time()
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith(f"warning: W&B stopped tracking ({reason}"), done.stderr
    assert done.stderr.endswith("; the run goes on and metrics.jsonl is complete\n")
    assert done.stderr.count("\n") == 1
    weights, rows = outcome(folder)
    assert rows == plain[1]
    assert weights.keys() == plain[0].keys()
    assert all(torch.equal(weights[key], plain[0][key]) for key in weights)
    seconds = json.loads((folder / "seconds.json").read_text())
    seconds["end"] = ended - seconds["end"]
    print(seconds)
    assert sum(seconds.values()) < LIMIT + 2, seconds  # to its end Python itself needs a second
    assert seconds.get("log", 0) < LIMIT


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ((START, 1, "no_folder"), "FileExistsError: "),
        ((LOG, 3, "killed"), "ConnectionResetError: "),
        ((FINISH, 1, "killed"), "ConnectionResetError: "),
        ((LOG, 3, "stopped"), "TimeoutError: no answer for 4.5 s"),
    ],
    ids=["no folder", "killed in training", "killed at the end", "stopped"],
)
def test_offline(tmp_path: Path, plain: Any, fault: tuple[str, int, str], reason: str) -> None:
    check(faulty(tmp_path, fault), tmp_path, plain, reason)


def test_a_full_disk(tmp_path: Path, plain: Any) -> None:
    """W&B's service is silent about it."""
    probe = tmp_path / "probe"
    probe.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=32k", "none", str(probe)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("not allowed to mount a small disk here")
    subprocess.run(["umount", str(probe)], check=True)
    try:
        done = faulty(tmp_path, (START, 1, "small_disk"))
    finally:
        for folder in tmp_path.glob("runs/*/*/wandb"):
            subprocess.run(["umount", str(folder)], check=False)
    check(done, tmp_path, plain, "OSError: ")


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_no_network(tmp_path: Path, plain: Any) -> None:
    env = {
        "WANDB_API_KEY": "planted0" * 5,
        "WANDB_BASE_URL": f"http://me:planted-word@127.0.0.1:{closed_port()}",
        "HOME": str(tmp_path),
    }
    done = faulty(tmp_path, (LOG, 1, "nothing"), "logger.mode=online", **env)
    check(done, tmp_path, plain, "")
    assert "planted" not in done.stderr + done.stdout
