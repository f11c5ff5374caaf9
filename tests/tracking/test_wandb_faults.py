"""Whatever W&B does, the run is bitwise the same, with one warning, and loses little time."""

import json
import os
import socket
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from support import FEW, ROOT, SMALL, Done
from warm import run_warm

from sirve.tracking.wandb_folder import has_end, new_id, stored_id
from sirve.tracking.wandb_tracker import WandB

ARGUMENTS = ["sim=lorenz", "model=gru", *SMALL["lorenz"], *FEW]
TRAIN = str(ROOT / "train.py")
AIDS = ROOT / "tests" / "aids"
LOG, FINISH = "sirve.tracking.wandb_tracker.WandB.log", "sirve.tracking.wandb_tracker.WandB.finish"
START = "sirve.tracking.wandb_tracker.WandB.start"
SLOW = pytest.mark.slow
LIMIT = 6.0  # seconds that W&B may hold a run up: wait=4, its end, and a busy machine


def faulty(folder: Path, fault: tuple[str, int, str], *more: str, **env: str) -> Done:
    where, number, name = fault
    driver = [str(AIDS / "fault_at.py"), where, str(number), name]
    return run_warm([*driver, TRAIN, *ARGUMENTS, *more], folder, env)


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
    done = run_warm([TRAIN, *ARGUMENTS, "logger=none"], folder)
    assert done.returncode == 0, done.stderr
    return outcome(folder)


def check(done: Done, folder: Path, plain: Any, reason: str) -> None:
    """Require the right result, one line on what happened, and little lost time."""
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith(f"warning: W&B stopped tracking ({reason}"), done.stderr
    assert done.stderr.endswith("; the run continues and metrics.jsonl is complete\n")
    assert done.stderr.count("\n") == 1
    weights, rows = outcome(folder)
    assert rows == plain[1]
    assert weights.keys() == plain[0].keys()
    assert all(torch.equal(weights[key], plain[0][key]) for key in weights)
    lost(folder)


def lost(folder: Path) -> None:
    """Require that W&B took little time, as tests/aids/fault_at.py measured it."""
    seconds = Counter(json.loads((folder / "seconds.json").read_text()))
    print(dict(seconds))
    seconds["WandB.finish"] -= seconds["media_of"]  # drawing is ours
    for name in ("start", "finish", "abort"):
        assert seconds[f"WandB.{name}"] < LIMIT, seconds
    assert seconds["WandB.log"] < LIMIT, seconds
    assert seconds["exit"] < LIMIT, seconds


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        pytest.param((START, 1, "no_folder"), "FileExistsError: ", marks=SLOW, id="no folder"),
        pytest.param((LOG, 3, "killed"), "ConnectionResetError: ", id="killed in training"),
        pytest.param((FINISH, 1, "killed"), "ConnectionResetError: ", marks=SLOW, id="at the end"),
        pytest.param(
            (LOG, 3, "stopped"), "TimeoutError: not done after 4.5 s", marks=SLOW, id="stopped"
        ),
        pytest.param((LOG, 3, "limited"), "OSError: ", marks=SLOW, id="a file cut short"),
    ],
)
def test_offline(tmp_path: Path, plain: Any, fault: tuple[str, int, str], reason: str) -> None:
    check(faulty(tmp_path, fault), tmp_path, plain, reason)


@SLOW
def test_a_full_disk(tmp_path: Path, plain: Any) -> None:
    """W&B does not report a full disk, or reports it on every line."""
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


@SLOW
def test_no_network(tmp_path: Path, plain: Any) -> None:
    env = {
        "WANDB_API_KEY": "planted0" * 5,
        "WANDB_BASE_URL": f"http://me:planted-word@127.0.0.1:{closed_port()}",
        "HOME": str(tmp_path),
    }
    done = faulty(tmp_path, (LOG, 1, "nothing"), "logger.mode=online", **env)
    check(done, tmp_path, plain, "")
    assert "planted" not in done.stderr + done.stdout


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Give the folder of a run, in an environment without W&B's settings."""
    for key in [key for key in os.environ if key.startswith("WANDB_")]:
        monkeypatch.delenv(key)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.syspath_prepend(str(AIDS))
    run = tmp_path / "run"
    run.mkdir()
    return run


NAMES = {"sim": "lorenz", "model": "gru"}


@pytest.mark.parametrize(
    ("tracker", "reason"),
    [
        (WandB(mode="online"), "RuntimeError: no API key: wandb login"),
        (WandB(project="a/b"), "UsageError: Invalid project name"),
    ],
)
def test_it_cannot_start(
    here: Path, capfd: pytest.CaptureFixture[str], tracker: WandB, reason: str
) -> None:
    (logger,) = tracker.start(here, NAMES, "seed: 0")
    logger.log_metrics({"train/loss": 1.0}, 1)
    tracker.finish(here, {})
    tracker.abort()
    out, err = capfd.readouterr()
    assert err.startswith(f"warning: W&B stopped tracking ({reason}")
    assert (out, err.count("\n")) == ("", 1)


@pytest.mark.parametrize(
    "fault", ["nothing", pytest.param("killed", marks=SLOW), pytest.param("stopped", marks=SLOW)]
)
def test_abort_is_quick_and_silent(
    here: Path, capfd: pytest.CaptureFixture[str], fault: str
) -> None:
    import fault_at

    tracker = WandB()
    (logger,) = tracker.start(here, NAMES, "seed: 0")
    logger.log_metrics({"train/loss": 1.0}, 1)
    pid = fault_at.service()
    getattr(fault_at, fault)()
    start = time.monotonic()
    tracker.abort()
    assert time.monotonic() - start < LIMIT
    assert capfd.readouterr() == ("", "")
    assert not Path(f"/proc/{pid}").exists()
    (folder,) = here.glob("wandb/offline-run-*")
    assert has_end(folder) == (fault == "nothing")


@pytest.mark.slow
def test_the_next_run_of_a_sweep_is_tracked(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A failure of W&B in one run does not affect the next run in the same process."""
    import fault_at

    for fault, wait, folder in (("stopped", 1, here), ("nothing", 4, here / "next")):
        folder.mkdir(exist_ok=True)
        tracker = WandB(wait=wait)
        (logger,) = tracker.start(folder, NAMES, "seed: 0")
        getattr(fault_at, fault)()
        logger.log_metrics({"train/loss": 1.0}, 1)
        tracker.abort()
    (tracked,) = (here / "next").glob("wandb/offline-run-*")
    assert has_end(tracked)
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_a_slow_wandb_does_not_delay_the_run(
    here: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each call is short, but all calls left at the end would take half a minute."""
    import wandb

    quick = wandb.Run.log

    def slow(*args: Any, **kwargs: Any) -> None:
        time.sleep(0.3)
        quick(*args, **kwargs)

    monkeypatch.setattr(wandb.Run, "log", slow)
    tracker = WandB(wait=1)
    (logger,) = tracker.start(here, NAMES, "seed: 0")
    start = time.monotonic()
    for step in range(100):
        logger.log_metrics({"train/loss": 1.0}, step)
    assert time.monotonic() - start < 5
    tracker.abort()
    assert time.monotonic() - start < 15
    assert capfd.readouterr() == ("", "")


def test_a_run_that_is_stopped_ends_its_wandb_run(tmp_path: Path) -> None:
    done = faulty(tmp_path, (LOG, 3, "end"))
    assert done.returncode == 75
    assert done.stderr.startswith("error: stopped by SIGTERM")
    assert done.stderr.count("\n") == 1
    lost(tmp_path)
    (folder,) = tmp_path.glob("runs/*/*/wandb/offline-run-*")
    assert b"train/loss" in next(folder.glob("run-*.wandb")).read_bytes()
    assert has_end(folder)


@SLOW
def test_a_resumed_run_is_one_wandb_run(tmp_path: Path, plain: Any) -> None:
    killed = run_warm([str(AIDS / "kill_at.py"), LOG, "3", TRAIN, *ARGUMENTS], tmp_path)
    assert killed.returncode == -9
    done = run_warm([TRAIN, *ARGUMENTS], tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    folders = sorted(path.name for path in only_run(tmp_path).glob("wandb/offline-run-*"))
    assert len(folders) == 2
    assert len({name.rpartition("-")[2] for name in folders}) == 1
    assert (only_run(tmp_path) / "wandb" / "run_id").read_text() == folders[0].rpartition("-")[2]
    assert outcome(tmp_path)[1] == plain[1]


def test_online_the_data_arrive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(AIDS))
    from fake_wandb import Backend

    with Backend() as backend:
        env = {"WANDB_API_KEY": "planted0" * 5, "WANDB_BASE_URL": backend.url}
        env["HOME"] = str(tmp_path)
        done = faulty(tmp_path, (LOG, 1, "nothing"), "logger.mode=online", **env)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{backend.url}/team/sirve/runs/" in done.stdout
    rows = backend.rows()
    assert sum("train/loss" in row for row in rows) == 4
    assert sum("rollout/model" in row for row in rows) == 60
    assert any(path.endswith(".png") for path in backend.uploads)
    lost(tmp_path)


def test_the_id_of_a_wandb_run_is_found_again(tmp_path: Path) -> None:
    assert stored_id(tmp_path) is None
    (tmp_path / "offline-run-20261129_105400-abcd1234").mkdir()  # of an older run
    assert stored_id(tmp_path) == "abcd1234"
    new = new_id(tmp_path)
    assert stored_id(tmp_path) == new
    (tmp_path / "run_id").write_text("../../etc")
    assert stored_id(tmp_path) is None
