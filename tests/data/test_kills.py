"""Processes that are killed or stopped while a dataset is made: no finished shard is lost."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from support import ROOT, Done, environment, quick, recipe
from warm import run_warm

from simulators import Pendulum
from sirve.data.dataset import SPLITS, Manifest
from sirve.data.simulated.generate import generate
from sirve.io.files import sha256

SCRIPT = str(ROOT / "scripts" / "simulate.py")
SLOW = [  # ten blocks of a fraction of a second each
    *("sim=lorenz", "sim.states=300", "sim.steps=60", "sim.valid_steps=30", "data.block=2"),
    *("sim.system.rtol=1e-9", "sim.system.atol=1e-9", "data.limits=false", "data.workers=2"),
    "sim.trajectories={train: 16, valid: 2, test: 2}",
]
LOCKS = (".lock", ".workers")


class Making:
    """A running scripts/simulate.py that writes to ``root``, in its own process group."""

    def __init__(self, root: Path) -> None:
        self.root, before = root, len(shards(root))
        self.errors = root.with_name(
            f"{time.monotonic_ns()}.err"
        )  # a pipe would stay open until the workers end
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, SCRIPT, *SLOW, f"data.root={root}"],
                env=environment({}),
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
            )
        self.found: set[int] = set()
        self.until(lambda: len(self.workers()) == 2 or len(shards(root)) > before)

    def until(self, happened: Callable[[], object]) -> None:
        for _ in range(6000):
            if happened() or self.process.poll() is not None:
                return
            time.sleep(0.01)
        raise AssertionError("nothing happened for a minute")

    def workers(self) -> list[int]:
        pid = self.process.pid
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            found = [c for c in children if "popen_loky" in Path(f"/proc/{c}/cmdline").read_text()]
        except OSError:
            return []
        self.found |= set(map(int, found))
        return list(map(int, found))

    def kill(self, target: str, number: int = signal.SIGKILL) -> Done:
        """Kill the parent, a worker or all, and wait until the parent has ended."""
        workers = self.workers()
        if target == "group":
            os.killpg(self.process.pid, number)
        elif target == "parent":
            os.kill(self.process.pid, number)
        elif workers:
            with suppress(ProcessLookupError):
                os.kill(workers[-1], number)
        return self.end()

    def end(self) -> Done:
        code = self.process.wait(timeout=120)
        return Done(code, "", self.errors.read_text())

    def require_no_orphans(self) -> None:
        """Check that all workers have ended, or end within seconds."""
        start = time.monotonic()
        while any(map(alive, self.found)):
            assert time.monotonic() - start < 20
            time.sleep(0.1)
        pid = self.process.pid  # remove joblib's semaphores, which no process would
        for pattern in (f"sem.loky-{pid}-*", f"joblib_memmapping_folder_{pid}_*"):
            for path in Path("/dev/shm").glob(pattern):
                with suppress(FileNotFoundError):
                    path.rmdir() if path.is_dir() else path.unlink()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except OSError:
        return False


def shards(root: Path) -> dict[Path, str]:
    """The shards in the manifest so far, with their checksums."""
    for folder in root.glob("lorenz-*"):
        manifest = Manifest.load(folder)
        if manifest is not None:
            return {folder / "data" / name: value for name, value in manifest.shards.items()}
    return {}


def contents(root: Path) -> dict[str, str]:
    """The checksum of every file except the locks."""
    (folder,) = root.iterdir()
    files = [p for p in folder.rglob("*") if p.is_file() and p.name not in LOCKS]
    return {str(path.relative_to(folder)): sha256(path) for path in files}


def times(root: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in shards(root)}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], float]:
    """The files of an undisturbed command, and its seconds once the workers have started."""
    root = tmp_path_factory.mktemp("undisturbed")
    making = Making(root)
    start = time.monotonic()
    assert making.end().returncode == 0
    seconds = time.monotonic() - start
    assert len(contents(root)) == 12
    return contents(root), seconds


def killed(making: Making, target: str, delay: float) -> bool:
    """Kill after ``delay`` and check the shards in the manifest; False if it had ended before."""
    time.sleep(delay)
    if making.process.poll() is not None:
        return False
    done = making.kill(target)
    if target == "worker" and done.returncode != 0:
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1, done.stderr
        assert "a worker process was ended from outside" in done.stderr
    for path, checksum in shards(making.root).items():
        assert sha256(path) == checksum
    return done.returncode != 0


def finished(root: Path, kept: dict[Path, int], expected: dict[str, str]) -> None:
    """Check that the same command makes the missing shards and nothing else."""
    done = run_warm([SCRIPT, *SLOW, f"data.root={root}"], root.parent)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert contents(root) == expected
    assert kept.items() <= times(root).items()


@pytest.mark.slow
def test_after_several_kills_the_files_are_the_undisturbed_ones(
    tmp_path: Path, undisturbed: tuple[dict[str, str], float]
) -> None:
    expected, seconds = undisturbed
    root, rng = tmp_path / "data", np.random.default_rng(0)
    kept: dict[Path, int] = {}
    ended: list[Making] = []
    for target in ("parent", "worker", "group", "parent"):
        making = Making(root)
        killed(making, target, rng.uniform(0, seconds / 5))
        assert kept.items() <= times(root).items()
        kept = times(root)
        ended.append(making)
    finished(root, kept, expected)
    for making in ended:
        making.require_no_orphans()


@pytest.mark.slow
def test_thirty_random_kills(tmp_path: Path, undisturbed: tuple[dict[str, str], float]) -> None:
    expected, seconds = undisturbed
    rng, hits = np.random.default_rng(1), 0
    for number in range(60):
        root = tmp_path / str(number)
        making = Making(root)
        target = str(rng.choice(["parent", "worker", "group"]))
        hits += killed(making, target, rng.uniform(0, seconds))
        finished(root, times(root), expected)
        making.require_no_orphans()
        if hits == 30:
            return
    raise AssertionError(f"only {hits} of 60 came while it was running")


SIGNALS = [("SIGUSR1", "group", 75), ("SIGINT", "group", 130), ("SIGTERM", "parent", 75)]


@pytest.mark.parametrize("signals", quick([SIGNALS[:1], SIGNALS], SIGNALS[:1]))
def test_a_signal_ends_it_with_one_line(
    tmp_path: Path,
    undisturbed: tuple[dict[str, str], float],
    signals: list[tuple[str, str, int]],
) -> None:
    """Slurm signals every process of a job; Ctrl-C in a terminal those of the command."""
    root = tmp_path / "data"
    for name, target, code in signals:
        making = Making(root)
        done = making.kill(target, signal.Signals[name])
        assert done.returncode == code, done.stderr
        assert done.stderr == f"error: stopped by {name}; the same command resumes it\n"
        making.require_no_orphans()
    finished(root, times(root), undisturbed[0])


def test_the_next_command_waits_for_a_remaining_worker(tmp_path: Path) -> None:
    made = recipe(Pendulum())
    half = tmp_path / made.folder / "data" / "train" / ".00000.hdf5.1.made.tmp"
    half.parent.mkdir(parents=True)
    half.touch()
    with ThreadPoolExecutor(1) as pool:
        with (tmp_path / made.folder / ".workers").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
            done = pool.submit(generate, made, dict.fromkeys(SPLITS, 2), tmp_path)
            time.sleep(0.5)
            assert half.exists()
            assert not done.done()
        done.result(60)
    assert not half.exists()
