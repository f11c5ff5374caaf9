"""An interrupted run gives the same results, for every model that learns and other settings."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import FEW, SMALL, Command, members, on_frames, quick, same

from sirve.io import checkpoints
from sirve.runs.signals import Interrupted
from sirve.training.module import TrainingModule

pytestmark = pytest.mark.usefixtures("blank_reports_in_module")

UNLEARNED = ("persistence", "climatology", "linear", "polynomial", "ngrc", "esn")
UNLEARNED += ("random_features", "context_mean", "dmd", "mean_state", "analogue", "parrot")
OTHERS: dict[str, list[str]] = {
    "adamw": ["optimizer=adamw"],
    "float64": ["trainer.precision=64-true"],
    "bfloat16": ["trainer.precision=bf16-mixed"],
    "constant rate": ["trainer.schedule=constant", "trainer.warmup=0"],
    "states read from disk, under noise": ["data.memory=0", "observe.noise=0.01"],
    "sum": ["objective.reduction=sum"],
    "stopping early": ["trainer.patience=1", "optimizer.lr=0.3"],
    "two threads": ["trainer.threads=2"],
}
CASES = {
    **{model: [f"model={model}"] for model in members("model") if model not in UNLEARNED},
    **OTHERS,
}


def state(folder: Path) -> tuple[dict[str, Any], str]:
    (run,) = folder.glob("*/*/")
    last = checkpoints.load(run / "checkpoints" / "last.ckpt")
    for spent in ("seconds", "processor"):
        last["callbacks"]["Saver"].pop(spent)
    last["best"] = checkpoints.load(run / "checkpoints" / "best.ckpt")
    return last, (run / "metrics.jsonl").read_text()


QUICK = ("convlstm", "states read from disk, under noise")


@pytest.mark.parametrize("case", quick(CASES, *QUICK))
def test_an_interrupted_run_gives_the_same_results(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    sim = "heat" if case in members("model") and on_frames(case) else "lorenz"
    small = [f"sim={sim}", *SMALL[sim], *FEW, "logger=none", *CASES[case]]
    arguments = [*small, "trainer.updates=20", "trainer.validations=5"]
    arguments += ["trainer.checkpoint_every=3"]
    assert command(*arguments, "runs=whole").returncode == 0
    with monkeypatch.context() as patch:
        patch.setattr(
            TrainingModule, "training_step", interrupted_at(11, TrainingModule.training_step)
        )
        assert command(*arguments).returncode == 75
    done = command(*arguments)
    assert done.returncode == 0, done.stderr
    assert "resumes from last.ckpt, step 9" in done.stdout
    whole, again = state(tmp_path / "whole"), state(tmp_path / "runs")
    assert same(whole, again)


def interrupted_at(number: int, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that is ``function``, but raises Interrupted at call ``number``."""
    calls = 0

    def step(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == number:
            raise Interrupted(signal.SIGTERM)
        return function(*args)

    return step
