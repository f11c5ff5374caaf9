"""A run that is stopped, at any instant and any number of times, gives the same results."""

import json
import os
import random
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from support import (
    AIDS,
    DROPPING,
    FEW,
    SMALL,
    TRAIN,
    TWO,
    Done,
    quick,
    ranks,
    run_command,
    same,
    started,
    until_step,
)
from warm import run_warm, started_warm

from sirve.io import checkpoints

pytestmark = pytest.mark.usefixtures("blank_reports_in_module")

# Whatever could make two runs differ: dropout, noise, a schedule, a horizon that grows, an
# optimizer with a long memory, validations and checkpoints out of step with each other.
ALL = [
    "sim=lorenz",
    *SMALL["lorenz"],
    *FEW,
    *DROPPING,
    "model.hidden=16",
    "objective.context=10",
    "objective.horizon=4",
    "objective.warmup=3",
    "objective.horizon_curriculum=0.7",
    "objective.noise=0.05",
    "trainer.updates=60",
    "trainer.checkpoint_every=8",
    "trainer.validations=3",
    "logger=none",
]
ENV = {"PYTHONPATH": str(AIDS)}
LIMIT = 10  # seconds from a signal to the end


def run(folder: Path, *arguments: str, kill: tuple[str, int] | None = None) -> Done:
    """The command, killed before a call of a function if ``kill`` names one and its number."""
    driver = [str(AIDS / "kill_at.py"), kill[0], str(kill[1])] if kill else []
    return run_warm([*driver, TRAIN, *ALL, *arguments], folder, ENV)


def only_run(folder: Path) -> Path:
    (found,) = folder.glob("runs/*/*/")
    return found


def content(folder: Path) -> dict[str, Any]:
    """Return all results of a run but its seconds; check that all of its files load."""
    found = only_run(folder)
    states = {path.name: checkpoints.load(path) for path in found.glob("checkpoints/*.ckpt")}
    for state in states.values():
        for spent in ("seconds", "processor"):
            state.get("callbacks", {}).get("Saver", {}).pop(spent, None)
    scores = json.loads((found / "metrics.json").read_text())
    scores.pop("seconds")
    scores["fit"].pop("seconds", None)
    assert not list(found.rglob(".*.tmp"))
    return {
        **states,
        "scores": scores,
        "record": (found / "metrics.jsonl").read_text(),
        "rollouts": (found / "rollouts.h5").stat().st_size,
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The results of the run that is not stopped."""
    folder = tmp_path_factory.mktemp("whole")
    done = run_command([TRAIN, *ALL], folder, ENV)  # a new interpreter: its string hashes differ
    assert done.returncode == 0, done.stderr
    return content(folder)


STEP = "sirve.training.module.TrainingModule.training_step"
SLOW = pytest.mark.slow
VALIDATION = "sirve.training.module.TrainingModule.validation_step"


@pytest.mark.parametrize(
    ("loaders", "kills"),
    [
        (0, [(STEP, 18), ("os.replace", 12)]),
        pytest.param(
            0, [(STEP, 5), (STEP, 18), (STEP, 4), (VALIDATION, 1), ("os.replace", 12)], marks=SLOW
        ),
        pytest.param(2, [(STEP, 19), (STEP, 3)], marks=SLOW),
    ],
)
def test_a_run_killed_at_any_instant_gives_the_same_results(
    whole: dict[str, Any], tmp_path: Path, loaders: int, kills: list[tuple[str, int]]
) -> None:
    """Before the first checkpoint, in mid-epoch, twice in the same, in a validation, in a save."""
    reached = 0
    for kill in kills:
        done = run(tmp_path, f"data.loaders={loaders}", kill=kill)
        assert done.returncode == -signal.SIGKILL, done.stderr
        for path in tmp_path.rglob("*.ckpt"):
            checkpoints.load(path)
        again = step_after(done.stdout)
        assert reached - again <= 8  # at most one interval is done again
        reached = last_step(tmp_path)
    done = run(tmp_path, f"data.loaders={loaders}")
    assert done.returncode == 0, done.stderr
    assert "resumes from last.ckpt" in done.stdout
    assert same(content(tmp_path), whole)


def step_after(output: str) -> int:
    """Return the step that a run says it resumes from, 0 for a new run."""
    _, _, rest = output.partition(", step ")
    return int(rest.split()[0].rstrip(",")) if rest else 0


def last_step(folder: Path) -> int:
    rows = (only_run(folder) / "metrics.jsonl").read_text().splitlines()
    return max((json.loads(row)["step"] for row in rows), default=0)


@pytest.mark.slow
@pytest.mark.parametrize("loaders", [0, 2])
def test_runs_killed_at_random_times_give_the_same_results(
    whole: dict[str, Any], tmp_path: Path, loaders: int
) -> None:
    """10 runs for each number of loaders, each killed by the clock up to three times."""
    rng = random.Random(loaders)
    for number in range(10):
        folder = tmp_path / str(number)
        folder.mkdir()
        for _ in range(rng.randint(1, 3)):
            work = started(folder, *ALL, f"data.loaders={loaders}", pause=0.03)
            with work as process, suppress(subprocess.TimeoutExpired):
                process.wait(rng.uniform(3, 8))
            if list(folder.glob("runs/*/*/report.html")):
                break
        else:
            assert run(folder, f"data.loaders={loaders}").returncode == 0
        assert same(content(folder), whole)


@pytest.mark.parametrize("number", quick([signal.SIGTERM, signal.SIGINT], signal.SIGTERM))
def test_a_signal_stops_a_run_between_two_steps(
    whole: dict[str, Any], tmp_path: Path, number: signal.Signals
) -> None:
    with started_warm(tmp_path, *ALL) as process:
        until_step(tmp_path, 15)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=LIMIT)
    assert process.returncode == (130 if number == signal.SIGINT else 75)
    assert stderr.count("\n") == 1
    assert f"stopped by {number.name}; the same command resumes it, or resume=" in stderr
    saved = checkpoints.load(only_run(tmp_path) / "checkpoints" / "last.ckpt")
    assert saved["global_step"] >= last_step(tmp_path)  # nothing is done again
    if number == signal.SIGTERM:
        assert run(tmp_path).returncode == 0
        assert same(content(tmp_path), whole)


def test_a_signal_while_simulating_stops_a_run_at_once(tmp_path: Path) -> None:
    many = ["sim.trajectories={train: 100000, valid: 4, test: 4}", "data.workers=2"]
    with started_warm(tmp_path, *ALL, *many) as process:
        for _ in range(600):
            if list(tmp_path.rglob("00003.hdf5")):
                break
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=LIMIT)
    assert process.returncode == 75
    assert stderr.startswith("error: stopped by SIGTERM; the same command resumes")
    assert stderr.count("\n") == 1


def test_a_second_signal_ends_a_run_at_once(tmp_path: Path) -> None:
    with started_warm(tmp_path, *ALL, pause=60) as process:
        for _ in range(600):
            if list(tmp_path.glob("runs/*/*/metrics.jsonl")):
                break
            time.sleep(0.1)
        time.sleep(1)  # in the pause of the first batch, which the first signal does not end
        process.send_signal(signal.SIGTERM)
        time.sleep(1)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=2)
    assert process.returncode == 128 + signal.SIGTERM


def alive(pid: int) -> bool:
    """Return whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture(scope="module")
def whole_of_two(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The results of two ranks that are not stopped."""
    folder = tmp_path_factory.mktemp("two")
    done = run(folder, *TWO)
    assert done.returncode == 0, done.stderr
    return content(folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "first", "second"),
    [(signal.SIGTERM, 1, 0), (signal.SIGKILL, 0, 1), (signal.SIGKILL, 1, 1)],
)
def test_two_ranks_stop_together_and_resume(
    whole_of_two: dict[str, Any], tmp_path: Path, number: signal.Signals, first: int, second: int
) -> None:
    """One of them is killed, or asked to stop, then the other: no rank is left, nothing is lost."""
    for rank, step in ((first, 12), (second, 33)):
        with started(tmp_path, *ALL, *TWO) as process:
            until_step(tmp_path, step)
            victims = [process.pid, *ranks(process)]
            os.kill(victims[rank], number)
            process.communicate(timeout=15)  # its pipes are those of both ranks
        assert process.returncode != 0
        assert process.returncode == 75 or number == signal.SIGKILL
    done = run(tmp_path, *TWO)
    assert done.returncode == 0, done.stderr
    assert same(content(tmp_path), whole_of_two)


@pytest.mark.slow
def test_a_silent_rank_ends_the_run_after_the_timeout(tmp_path: Path) -> None:
    with started(tmp_path, *ALL, *TWO, "trainer.timeout=20") as process:  # to start takes 6 s
        until_step(tmp_path, 12)
        (rank,) = ranks(process)
        os.kill(rank, signal.SIGSTOP)
        _, stderr = process.communicate(timeout=20 + 15)
    assert process.returncode == 1
    assert stderr.count("\n") == 1
    assert "a rank has failed (" in stderr
    assert "the same command resumes from the last checkpoint" in stderr
    assert not alive(rank)
