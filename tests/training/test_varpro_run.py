"""fit=varpro as a run: what it leaves, how it goes on, what it refuses."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from support import AIDS, FEW, SMALL, TRAIN, Command, run_command, same
from warm import run_warm

from sirve.io import checkpoints
from sirve.runs import signals

pytestmark = pytest.mark.usefixtures("blank_reports_in_module")

TINY = [
    "sim=lorenz",
    *SMALL["lorenz"],
    *FEW,
    "fit=varpro",
    "sizes.varpro.hidden=6",
    "varpro.steps=12",
    "varpro.batch=40",
    "varpro.validations=3",
    "varpro.few=4",
    "trainer.checkpoint_every=5",
    "logger=none",
]


def content(folder: Path) -> dict[str, Any]:
    """All that a run has found out, its seconds apart."""
    (run,) = folder.glob("runs/*/*/")
    metrics = json.loads((run / "metrics.json").read_text())
    metrics.pop("seconds")
    metrics["fit"].pop("seconds")
    metrics["fit"]["readout"].pop("seconds")
    return {
        "weights": checkpoints.load(run / "checkpoints" / "best.ckpt")["state_dict"],
        "record": (run / "metrics.jsonl").read_text(),
        "metrics": metrics,
    }


@pytest.mark.parametrize("method", ["lm", pytest.param("soap", marks=pytest.mark.slow)])
def test_stopped_by_a_signal_it_is_the_same_run(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    done = command(*TINY, f"varpro={method}")
    assert done.returncode == 0, done.stderr
    whole = content(tmp_path)
    assert whole["metrics"]["fit"]["kind"] == "varpro"
    assert whole["metrics"]["fit"]["method"] == method
    assert [json.loads(row)["step"] for row in whole["record"].splitlines()] == list(range(1, 13))

    (tmp_path / "runs").rename(tmp_path / "whole")
    with monkeypatch.context() as patch:
        asked = iter([None] * 6 + [signal.SIGTERM])
        patch.setattr(signals, "received", lambda: next(asked))
        stopped = command(*TINY, f"varpro={method}")
    assert stopped.returncode == signals.STOPPED
    assert stopped.stderr.startswith("error: stopped by SIGTERM; the same command goes on")
    done = command(*TINY, f"varpro={method}")
    assert "goes on from last.ckpt, step 7" in done.stdout
    assert same(content(tmp_path), whole)


@pytest.mark.slow
def test_killed_it_is_the_same_run(tmp_path: Path) -> None:
    """Within a step, and while the readout is fitted at the end."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        folder.mkdir()
    assert run_command([TRAIN, *TINY], whole).returncode == 0
    for name, number in (("varpro.descent.Descent.advance", 8), ("ridge.Search.run", 1)):
        kill = [str(AIDS / "kill_at.py"), f"sirve.{name}", str(number)]
        done = run_warm([*kill, TRAIN, *TINY], killed, {"PYTHONPATH": str(AIDS)})
        assert done.returncode == -signal.SIGKILL, done.stderr
    done = run_warm([TRAIN, *TINY], killed)
    assert "goes on from last.ckpt, step 12" in done.stdout
    assert same(content(killed), content(whole))


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (["model=linear"], "one recurrent layer"),
        (["model=persistence"], "one recurrent layer"),
        (["model.layers=2"], "one recurrent layer"),
        (["sim=heat", *SMALL["heat"], "model=convgru"], "one recurrent layer"),
        (["sizes.varpro.hidden=64", "varpro.moving=all"], "at most 4096"),
        (["varpro.batch=100000"], "windows of 15 states"),
        (["varpro.time_scale=[0.5,2]"], "above 1"),
        (["varpro.steps=0"], "steps=0"),
        (["varpro=soap", "varpro.lr=0"], "lr=0"),
        (["trainer=ddp", "trainer.accelerator=cpu"], "one process on the CPU"),
    ],
)
def test_refuses_before_any_work(
    command: Command, tmp_path: Path, wrong: list[str], why: str
) -> None:
    done = command(*TINY, *wrong)
    assert done.returncode == 2
    assert why in done.stderr
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_refuses_the_checkpoint_of_another_fit(command: Command, tmp_path: Path) -> None:
    assert command(*TINY).returncode == 0
    (run,) = tmp_path.glob("runs/*/*/")
    last = run / "checkpoints" / "last.ckpt"
    content = checkpoints.load(last)
    content["callbacks"]["Saver"]["done"] = False
    checkpoints.save(content, last)
    (run / "report.html").unlink()
    done = command(f"resume={run}")
    assert done.returncode == 2
    assert "was not left by variable projection" in done.stderr
    assert done.stderr.count("\n") == 1
