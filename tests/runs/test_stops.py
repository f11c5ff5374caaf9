"""Numbers that are not finite and a full disk stop a run; its checkpoints stay good."""

import json
from itertools import product
from pathlib import Path

import pytest
from support import AIDS, DROPPING, FEW, SMALL, Command, quick, small_disk

from sirve.io import checkpoints
from sirve.training import module

BREAKING = [
    "sim=lorenz",
    *SMALL["lorenz"],
    *FEW,
    *DROPPING,
    "model._target_=planted.Breaking",
    "model.hidden=16",
    "trainer.updates=30",
    "trainer.checkpoint_every=8",
    "trainer.validations=3",
    "logger=none",
]


@pytest.fixture(autouse=True)
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(AIDS))


def only_run(folder: Path) -> Path:
    (found,) = folder.glob("runs/*/*/")
    return found


@pytest.mark.usefixtures("blank_report")
@pytest.mark.parametrize(
    ("where", "value"),
    quick(product(["loss", "gradient"], ["nan", "inf"]), ("gradient", "inf")),
)
def test_a_loss_or_gradient_that_is_not_finite_stops_before_the_step(
    command: Command, tmp_path: Path, where: str, value: str
) -> None:
    done = command(*BREAKING, env={"BREAK": f"{where}={value}"})
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "training stopped before step 20: loss " in done.stderr
    assert "lower optimizer.lr or trainer.clip (the last checkpoint is untouched)" in done.stderr
    saved = checkpoints.load(only_run(tmp_path) / "checkpoints" / "last.ckpt")
    assert saved["global_step"] == 16
    assert all(bool(tensor.isfinite().all()) for tensor in saved["state_dict"].values())


@pytest.mark.usefixtures("blank_report")
@pytest.mark.parametrize("value", quick([float("nan"), float("inf")], float("inf")))
def test_a_validation_score_that_is_not_finite_stops_the_run(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    scores = iter([-1.0, value])
    monkeypatch.setattr(module, "log_error", lambda _: next(scores))
    done = command(*BREAKING, env={"BREAK": "nowhere=0"})
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert f"the validation score after step 20 is {value}; lower optimizer.lr" in done.stderr
    assert checkpoints.load(only_run(tmp_path) / "checkpoints" / "best.ckpt")["global_step"] == 10


@pytest.mark.usefixtures("blank_report")
@pytest.mark.parametrize("value", quick(["nan", "inf"], "nan"))
def test_forecasts_that_are_not_finite_are_never_best(
    command: Command, tmp_path: Path, value: str
) -> None:
    """They count as an error of 10 standard deviations, worse than any other forecast."""
    done = command(*BREAKING, env={"BREAK": f"late={value}"})
    assert done.returncode == 0, done.stderr
    run = only_run(tmp_path)
    rows = [json.loads(row) for row in (run / "metrics.jsonl").read_text().splitlines()]
    scores = [row["valid/log_error"] for row in rows if "valid/log_error" in row]
    assert scores[0] < 1
    assert scores[1:] == [1, 1]
    assert checkpoints.load(run / "checkpoints" / "best.ckpt")["global_step"] == 10


def test_a_disk_that_fills_up_stops_training_and_can_be_resumed(
    command: Command, tmp_path: Path
) -> None:
    """The run stops by the next checkpoint, the earlier ones are good, and with room it resumes."""
    with small_disk(tmp_path / "runs", "600k") as grow:
        ballast = tmp_path / "runs" / "ballast"
        ballast.write_bytes(bytes(280_000))
        done = command(*BREAKING, env={"BREAK": "nowhere=0"})
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert "No space left on device" in done.stderr
        run = only_run(tmp_path)
        saved = list(run.glob("checkpoints/*.ckpt"))
        assert saved
        assert all(checkpoints.intact(path) for path in saved)
        ballast.unlink()
        grow()
        done = command(*BREAKING, env={"BREAK": "nowhere=0"})
        assert done.returncode == 0, done.stderr
        assert "resumes from" in done.stdout
        assert only_run(tmp_path) == run
