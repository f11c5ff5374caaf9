"""trainer.updates=auto: a learning curve, and training until it is flat."""

import json
import shutil
import signal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from support import AIDS, FEW, SMALL, TRAIN, TWO, Command, configure, same
from warm import run_warm

from sirve.io import checkpoints
from sirve.pipeline import checks
from sirve.training.curve import Doubling
from sirve.training.fits import Gradient, GradientRidge

pytestmark = pytest.mark.usefixtures("blank_reports_in_module")

FIRST = 10
AUTO = [
    "sim=lorenz",
    *SMALL["lorenz"],
    *FEW,
    "model.hidden=12",
    "objective.context=10",
    "objective.horizon=4",
    "objective.noise=0.05",
    "trainer.updates=auto",
    f"trainer.first={FIRST}",
    "trainer.ceiling=45",
    "trainer.warmup=2",
    "trainer.checkpoint_every=4",
    "optimizer.lr=0.03",
    "logger=none",
]
SHARE = 0.8  # of the first network's updates: the horizon grows
GROWS = f"objective.horizon_curriculum={SHARE}"
ENV = {"PYTHONPATH": str(AIDS)}


def run(folder: Path, *arguments: str, kill: tuple[str, int] | None = None) -> Any:
    driver = [str(AIDS / "kill_at.py"), kill[0], str(kill[1])] if kill else []
    return run_warm([*driver, TRAIN, *AUTO, GROWS, *arguments], folder, ENV)


def content(folder: Path) -> dict[str, Any]:
    """Return all results of a run but its seconds."""
    (found,) = folder.glob("runs/*/*/")
    states = {path.name: checkpoints.load(path) for path in found.glob("checkpoints/*.ckpt")}
    for state in states.values():
        callbacks = state.get("callbacks", {})
        for spent in ("seconds", "processor"):
            callbacks.get("Saver", {}).pop(spent, None)
            for part in ("aside", "fork"):
                (callbacks.get("LearningCurve", {}).get(part) or {}).pop(spent, None)
        for point in callbacks.get("LearningCurve", {}).get("points", ()):
            point.pop("cpu_seconds")
    fit = json.loads((found / "metrics.json").read_text())["fit"]
    fit.pop("seconds")
    for point in fit["learning_curve"]:
        assert point.pop("cpu_seconds") > 0
    rows = [json.loads(row) for row in (found / "metrics.jsonl").read_text().splitlines()]
    return {**states, "fit": fit, "rows": rows}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The results of the run that is not stopped."""
    folder = tmp_path_factory.mktemp("whole")
    done = run(folder)
    assert done.returncode == 0, done.stderr
    return content(folder)


def test_the_curve_doubles_until_it_is_flat_or_at_the_ceiling(whole: dict[str, Any]) -> None:
    points = whole["fit"]["learning_curve"]
    assert [point["updates"] for point in points] == [FIRST * 2**k for k in range(len(points))]
    assert len(points) in (2, 3)
    assert whole["fit"]["converged"] or 2 * points[-1]["updates"] > 45
    best = min(points, key=lambda point: point["valid_log_error"])
    assert whole["best.ckpt"]["global_step"] == best["updates"]
    assert whole["fit"]["valid_log_error"] == best["valid_log_error"]
    steps = [row["step"] for row in whole["rows"]]
    assert steps == sorted(steps)  # they count the updates of all branches


@pytest.mark.parametrize("number", [pytest.param(0, marks=pytest.mark.slow), -1])
def test_a_point_is_the_network_of_so_many_updates_and_the_linear_schedule(
    whole: dict[str, Any], tmp_path: Path, number: int
) -> None:
    point = whole["fit"]["learning_curve"][number]
    updates = point["updates"]
    fixed = [f"trainer.updates={updates}", "trainer.schedule=linear", "trainer.validations=1"]
    fixed += [f"objective.horizon_curriculum={SHARE * FIRST / updates}"]
    done = run_warm([TRAIN, *AUTO, GROWS, *fixed], tmp_path, ENV)
    assert done.returncode == 0, done.stderr
    (found,) = tmp_path.glob("runs/*/*/")
    fit = json.loads((found / "metrics.json").read_text())["fit"]
    assert fit["valid_log_error"] == point["valid_log_error"]
    assert "learning_curve" not in fit and "converged" not in fit
    if number == -1:
        last = checkpoints.load(found / "checkpoints" / "last.ckpt")
        assert same(last["state_dict"], whole["last.ckpt"]["state_dict"])


STEP = "sirve.training.module.TrainingModule.training_step"
VALIDATION = "sirve.training.module.TrainingModule.validation_step"
CLOSE = "sirve.training.curve.LearningCurve.close_branch"
FORK = "sirve.training.curve.LearningCurve.on_train_batch_start"


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run that was killed in its 9th step, in a branch."""
    folder = tmp_path_factory.mktemp("killed")
    done = run(folder, kill=(STEP, 9))
    assert done.returncode == -signal.SIGKILL, done.stderr
    return folder


@pytest.fixture
def copy(killed: Path, tmp_path: Path) -> Path:
    """A copy of ``killed`` where ``command`` runs."""
    return Path(shutil.copytree(killed, tmp_path, dirs_exist_ok=True))


def killed_and_resumed(folder: Path, *kills: tuple[str, int]) -> dict[str, Any]:
    """Kill the run in ``folder`` at each place in turn, let it end, and return its content."""
    for kill in kills:
        done = run(folder, kill=kill)
        assert done.returncode == -signal.SIGKILL, done.stderr
    done = run(folder)
    assert done.returncode == 0, done.stderr
    assert "resumes from" in done.stdout
    return content(folder)


def test_a_run_killed_in_a_branch_and_at_its_end_gives_the_same_curve(
    whole: dict[str, Any], copy: Path
) -> None:
    assert same(killed_and_resumed(copy, (CLOSE, 1)), whole)


@pytest.mark.slow
@pytest.mark.parametrize("kills", [[(VALIDATION, 1), (STEP, 6)], [(FORK, 5), ("os.replace", 9)]])
def test_a_killed_run_gives_the_same_curve(
    whole: dict[str, Any], tmp_path: Path, kills: list[tuple[str, int]]
) -> None:
    assert same(killed_and_resumed(tmp_path, *kills), whole)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(1, 60, 4))
def test_a_run_killed_at_any_update_gives_the_same_curve(
    whole: dict[str, Any], tmp_path: Path, number: int
) -> None:
    done = run(tmp_path, kill=(STEP, number))
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    assert done.returncode == 0 or run(tmp_path).returncode == 0
    assert same(content(tmp_path), whole)


def test_a_damaged_trunk_is_not_resumed(copy: Path) -> None:
    (trunk,) = copy.rglob("trunk.ckpt")
    trunk.write_bytes(trunk.read_bytes()[:-1])
    done = run(copy, kill=(STEP, 1))
    assert "trunk.ckpt is damaged: it differs from its checksum" in done.stderr
    assert "resumes from the start" in done.stdout


@pytest.mark.slow
def test_two_ranks_train_and_resume_a_curve(tmp_path: Path) -> None:
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    done = run(tmp_path / "whole", *TWO)
    assert done.returncode == 0, done.stderr
    done = run(tmp_path / "killed", *TWO, kill=(STEP, 17))
    assert done.returncode == -signal.SIGKILL, done.stderr
    done = run(tmp_path / "killed", *TWO)
    assert done.returncode == 0, done.stderr
    assert same(content(tmp_path / "whole"), content(tmp_path / "killed"))


@pytest.mark.parametrize(
    ("errors", "flat"),
    [
        ([], False),
        ([0.0], False),
        ([0.0, -0.05], False),
        ([0.0, -0.045], True),
        ([0.0, 0.1], True),
        ([0.0, -0.01, -1.0], False),
        ([0.0, -1.0, -1.0], True),
    ],
)
def test_a_curve_is_flat_where_the_last_doubling_gains_less_than_a_tenth(
    errors: list[float], flat: bool
) -> None:
    """10^-0.0458 = 0.9."""
    points = [{"valid_log_error": error} for error in errors]
    assert Doubling(1, 2).converged(points) is flat
    assert Doubling(1, 2, bound=-2.0).converged(points) is False  # the mean state is better


@pytest.mark.parametrize("fit", [Gradient(), GradientRidge()])
def test_auto_is_taken_with_gradients(fit: Any) -> None:
    trainer = configure("trainer.updates=auto", "trainer.first=300", "trainer.ceiling=600")[
        "trainer"
    ]
    assert checks.doubling(trainer, fit) == Doubling(300, 600)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["fit=ridge"], "trainer.updates=auto needs fit=gradient, but this model is fitted by rid"),
        (["trainer.patience=3"], "trainer.patience=3 would too; leave one of them out"),
        (["trainer.ceiling=19"], "trainer.ceiling=19 allows no network of twice trainer.first=10 "),
        (["trainer.cooldown=1.0"], "trainer.cooldown=1.0 of trainer.first=10 updates leaves none"),
        (["trainer.validations=0"], "trainer.updates=auto needs validation forecasts, but trainer"),
        (["trainer.first=0"], "trainer.first=0 must be a whole number, at least 1"),
        (["trainer.warmup=5"], "trainer.warmup=5 is longer than the 4 updates"),
    ],
)
def test_refusals(command: Command, settings: list[str], words: str) -> None:
    kept = [a for a in AUTO if a.split("=")[0] not in {s.split("=")[0] for s in settings}]
    done = command(*kept, *settings)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert words in done.stderr


def test_another_kind_of_training_is_not_resumed(command: Command, copy: Path) -> None:
    (found,) = copy.glob("runs/*/*/")
    done = command(f"resume={found}", "trainer.updates=30", "accept_changes=true")
    assert done.returncode == 2
    assert "was trained with trainer.updates=auto and trainer.first=10" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("model", ["convrnn", "convgru", "convlstm"])
def test_the_notes_networks_of_images_are_trained_until_the_curve_is_flat(
    command: Command, tmp_path: Path, model: str
) -> None:
    small = ["sim=heat", f"model={model}", *SMALL["heat"], *FEW, "logger=none", "model.hidden=4"]
    auto = ["trainer.updates=auto", "trainer.first=20", "trainer.ceiling=200", "trainer.warmup=2"]
    done = command(*small, *auto)
    assert done.returncode == 0, done.stderr
    (found,) = tmp_path.glob("runs/*/*/")
    content = json.loads((found / "metrics.json").read_text())
    points = content["fit"]["learning_curve"]
    errors = [10 ** point["valid_log_error"] for point in points]
    flat = [now > 0.9 * before for before, now in pairwise(errors)]
    assert len(points) == 4 or content["fit"]["converged"]
    assert content["fit"]["converged"] == (flat[-1] and errors[-1] < 1)
    assert min(errors) == pytest.approx(10 ** content["fit"]["valid_log_error"])
    assert content["scores"]["mean_state"]["diverged"] == 0
