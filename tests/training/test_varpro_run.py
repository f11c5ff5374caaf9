"""fit=varpro as a run: the files it writes, resuming, and refusals."""

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from support import AIDS, SMALL, TRAIN, Command, few, run_command, same
from warm import run_warm

from sirve.io import checkpoints
from sirve.runs import signals

pytestmark = pytest.mark.usefixtures("blank_reports_in_module")


def tiny(fit: str = "varpro", sim: str = "lorenz") -> list[str]:
    """Return the overrides of a run of a second."""
    return [
        f"sim={sim}",
        *SMALL[sim],
        *few(fit),
        "fit.hidden=6",
        "fit.updates=12",
        "fit.batch=40",
        "fit.validations=3",
        "fit.readout_size=4",
        "trainer.checkpoint_every=5",
        "logger=none",
    ]


TINY = tiny()


def content(folder: Path, runs: str = "runs") -> dict[str, Any]:
    """All that a run has found out, its seconds apart."""
    (run,) = folder.glob(f"{runs}/*/*/")
    metrics = json.loads((run / "metrics.json").read_text())
    metrics.pop("seconds")
    metrics["fit"].pop("seconds")
    metrics["fit"]["readout"].pop("seconds")
    return {
        "weights": checkpoints.load(run / "checkpoints" / "best.ckpt")["state_dict"],
        "record": (run / "metrics.jsonl").read_text(),
        "metrics": metrics,
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run of TINY."""
    folder = tmp_path_factory.mktemp("finished")
    done = run_warm([TRAIN, *TINY], folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("fit", ["varpro", pytest.param("varpro_soap", marks=pytest.mark.slow)])
def test_stopped_by_a_signal_it_is_the_same_run(
    command: Command, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fit: str
) -> None:
    if fit == "varpro":
        whole = content(finished)
    else:
        assert command(*tiny(fit), "runs=whole").returncode == 0
        whole = content(tmp_path, "whole")
    assert whole["metrics"]["fit"]["kind"] == "varpro"
    assert whole["metrics"]["fit"]["method"] == {"varpro": "lm", "varpro_soap": "soap"}[fit]
    assert [json.loads(row)["step"] for row in whole["record"].splitlines()] == list(range(1, 13))

    with monkeypatch.context() as patch:
        asked = iter([None] * 6 + [signal.SIGTERM])
        patch.setattr(signals, "received", lambda: next(asked))
        stopped = command(*tiny(fit))
    assert stopped.returncode == signals.STOPPED
    assert stopped.stderr.startswith("error: stopped by SIGTERM; the same command resumes it")
    done = command(*tiny(fit))
    assert "resumes from last.ckpt, step 7" in done.stdout
    assert same(content(tmp_path), whole)


@pytest.mark.slow
def test_killed_it_is_the_same_run(tmp_path: Path) -> None:
    """Within a step, and while the readout is fitted at the end."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        folder.mkdir()
    assert run_command([TRAIN, *TINY], whole).returncode == 0
    for name, number in (
        ("training.varpro.descent.Descent.advance", 8),
        ("training.ridge_search.Search.run", 1),
    ):
        kill = [str(AIDS / "kill_at.py"), f"sirve.{name}", str(number)]
        done = run_warm([*kill, TRAIN, *TINY], killed, {"PYTHONPATH": str(AIDS)})
        assert done.returncode == -signal.SIGKILL, done.stderr
    done = run_warm([TRAIN, *TINY], killed)
    assert "resumes from last.ckpt, step 12" in done.stdout
    assert same(content(killed), content(whole))


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (["model=linear"], "one recurrent layer"),
        (["model=persistence"], "one recurrent layer"),
        (["model.layers=2"], "one recurrent layer"),
        (["model=convgru", "sim=heat"], "one recurrent layer"),
        (["fit.hidden=64", "fit.trainable=all"], "at most 4096"),
        (["fit.batch=100000"], "windows of 15 states"),
        (["fit.time_scale=[0.5,2]"], "above 1"),
        (["fit.updates=0"], "updates=0"),
        (["fit=varpro_soap", "fit.lr=0"], "lr=0"),
        (["trainer=ddp", "trainer.accelerator=cpu"], "one process on the CPU"),
    ],
)
def test_refuses_before_any_work(
    command: Command, tmp_path: Path, wrong: list[str], why: str
) -> None:
    groups = dict(option.split("=", 1) for option in wrong if option.startswith(("sim=", "fit=")))
    rest = [option for option in wrong if not option.startswith(("sim=", "fit="))]
    done = command(*tiny(**groups), *rest)
    assert done.returncode == 2
    assert why in done.stderr
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_refuses_the_checkpoint_of_another_fit(
    command: Command, finished: Path, tmp_path: Path
) -> None:
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    (run,) = tmp_path.glob("runs/*/*/")
    last = run / "checkpoints" / "last.ckpt"
    content = checkpoints.load(last)
    content["callbacks"]["Saver"]["done"] = False
    checkpoints.save(content, last)
    (run / "report.html").unlink()
    done = command(f"resume={run}")
    assert done.returncode == 2
    assert "was not written by variable projection" in done.stderr
    assert done.stderr.count("\n") == 1
