"""Rows of the fault table: training, checkpoints, ranks, tracking."""

import json
import os
import signal

import pytest
import torch
from faults.table import (
    LONG,
    STEP,
    Bench,
    fault,
    flip,
    refused,
    told,
    weights,
)
from support import AIDS, DROPPING, TWO, ranks, same, small_disk, started, until_step
from warm import started_warm

from sirve.errors import UserError
from sirve.io import checkpoints


def uninterrupted(bench: Bench, *arguments: str) -> tuple[dict[str, torch.Tensor], str]:
    """Return weights and record of the same run, not stopped."""
    whole = (bench.folder if arguments else bench.shared) / "whole"
    if not whole.exists():
        done = bench.command(*LONG, *arguments, f"runs={whole}", "resume=never")
        assert done.returncode == 0, done.stderr
    (run,) = whole.glob("*/*/")
    return weights(run), (run / "metrics.jsonl").read_text()


def resumed(bench: Bench, *arguments: str) -> str:
    """Check that the same command ends as the run that was not stopped; return what it printed."""
    done = bench.command(*LONG, *arguments)
    assert done.returncode == 0, done.stderr
    expected, record = uninterrupted(bench, *arguments)
    assert same(weights(bench.run()), expected)
    assert (bench.run() / "metrics.jsonl").read_text() == record
    return done.stdout + done.stderr


@fault(
    16,
    "a checkpoint flipped, truncated or empty",
    "0 of 60 flips found",
    "60 of 60 found before a weight is used; the one before is taken, and what it costs is said",
    "io/test_checkpoints.py runs/test_resume_refusals.py",
)
def damaged_checkpoint(bench: Bench) -> None:
    last = bench.interrupted() / "checkpoints" / "last.ckpt"
    whole = last.read_bytes()
    for k in range(60):
        flip(last, k * 104729)
        with pytest.raises(UserError, match=r"last.ckpt is damaged"):
            checkpoints.load(last)
        last.write_bytes(whole)
    flip(last)
    said = resumed(bench)
    assert "last.ckpt is damaged: it differs from its checksum" in said
    assert "resumes from previous.ckpt, step 16, 8 steps are repeated" in said


@fault(
    17,
    "kill -9 while a checkpoint is saved",
    "torn 4 of 4 times, to another device",
    "never torn, whatever the instant; the last good one is there",
    "io/test_checkpoints.py",
)
def killed_in_a_save(bench: Bench) -> None:
    bench.killed("sirve.io.checkpoints._keep", 2, *LONG)
    for path in bench.run().glob("checkpoints/*.ckpt"):
        assert checkpoints.intact(path)
    assert "resumes from last.ckpt, step 16" in resumed(bench)


@fault(
    18,
    "kill -9 in mid-epoch",
    "24 of 40 samples seen after resuming, without a word",
    "the same command resumes, bit for bit as if nothing had been",
    "runs/test_resume.py",
)
def killed_in_mid_epoch(bench: Bench) -> None:
    bench.interrupted()
    assert "resumes from last.ckpt, step 24" in resumed(bench)


@fault(
    19,
    "killed again in the same epoch; other loader processes",
    "another order of samples",
    "bit for bit the same",
    "runs/test_resume.py",
)
def killed_twice(bench: Bench) -> None:
    bench.interrupted()
    bench.killed(STEP, 3, *LONG, "data.loaders=2")
    assert "resumes from last.ckpt, step 24" in resumed(bench)


@fault(
    20,
    "resuming with another model, configuration, code or library",
    "a size mismatch, or silence",
    "refused, naming what differs; `accept_changes=true` resumes it",
    "runs/test_resume_refusals.py",
)
def changed(bench: Bench) -> None:
    run = bench.interrupted().relative_to(bench.folder)
    asked = [f"resume={run}", "logger=none", "data.limits=false"]
    refused(bench.command(*asked, "seed=7"), "seed 0 (here 7)", "accept_changes=true")
    refused(bench.command(*asked, "model=lstm"), "not a run of model=lstm")
    path = run / "environment.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "code": "older"}))
    refused(bench.command(*asked), "code older (here ")
    assert bench.command(*asked, "accept_changes=true").returncode == 0


@fault(
    21,
    "SIGTERM or SIGUSR1, before a time limit",
    "a hang, or a checkpoint of half a step",
    "a checkpoint after the step, exit code 75, nothing done again; a second signal ends at once",
    "runs/test_resume.py",
)
def asked_to_stop(bench: Bench) -> None:
    bench.plant()
    with started_warm(bench.folder, *LONG, *DROPPING) as process:
        until_step(bench.folder, 9)
        process.send_signal(signal.SIGUSR1)
        _, stderr = process.communicate(timeout=10)
    assert process.returncode == 75
    assert "stopped by SIGUSR1; the same command resumes it" in stderr
    assert "steps are repeated" not in resumed(bench, *DROPPING)


@fault(
    22,
    "the disk is full, a quota is used up, the folder is read-only",
    "saved nothing, without a word",
    "stops by the next checkpoint, exit code 1; the checkpoints before are good",
    "io/test_checkpoints.py runs/test_stops.py",
)
def no_room(bench: Bench) -> None:
    with small_disk(bench.folder / "runs", "300k") as grow:
        told(bench.command(*LONG), 1, "No space left on device")
        for path in bench.run().glob("checkpoints/*.ckpt"):
            assert checkpoints.intact(path)
        grow()
        resumed(bench)


@fault(
    23,
    "a loss, gradient or validation score that is not finite",
    "trains on",
    "stops before the step; the checkpoint before is good; never chosen as best",
    "runs/test_stops.py",
)
def not_finite(bench: Bench) -> None:
    bench.plant()
    breaking = [*DROPPING, "model._target_=planted.Breaking"]
    done = bench.command(*LONG, *breaking, env={"BREAK": "loss=nan"})
    told(done, 1, "training stopped before step 20: loss nan")
    saved = checkpoints.load(bench.run() / "checkpoints" / "last.ckpt")
    assert saved["global_step"] == 16


@fault(
    24,
    "a rank dies or falls silent",
    "30 minutes of waiting",
    "all end within `trainer.timeout` and 15 s; the same command resumes",
    "runs/test_resume.py",
)
def lost_rank(bench: Bench) -> None:
    with started(bench.folder, *LONG, *DROPPING, *TWO) as process:
        until_step(bench.folder, 9)
        (rank,) = ranks(process)
        os.kill(rank, signal.SIGKILL)
        process.communicate(timeout=15)
    assert process.returncode != 0
    for runs in ("runs", "whole"):
        two = [*LONG, *DROPPING, *TWO, f"runs={runs}"]
        done = bench.process(*two, env={"PYTHONPATH": str(AIDS)})
        assert done.returncode == 0, done.stderr
        assert ("resumes from last.ckpt, step " in done.stdout) == (runs == "runs")
    (whole,) = bench.folder.glob("whole/*/*/")
    assert same(weights(bench.run()), weights(whole))


@fault(
    25,
    "W&B missing, broken, killed; its disk full; no network",
    "the run ends, or its last records are lost",
    "one warning; the same bits; metrics.jsonl is complete",
    "tracking/test_wandb.py tracking/test_wandb_faults.py tracking/test_network.py",
)
def no_wandb(bench: Bench) -> None:
    broken = bench.folder / "broken" / "wandb"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('no wandb here')")
    tracked = [argument for argument in LONG if argument != "logger=none"]
    done = bench.process(*tracked, env={"PYTHONPATH": str(broken.parent)})
    assert done.returncode == 0
    assert done.stderr.count("warning: ") == done.stderr.count("no wandb here") == 1
    expected, record = uninterrupted(bench)
    assert same(weights(bench.run()), expected)
    assert (bench.run() / "metrics.jsonl").read_text() == record
