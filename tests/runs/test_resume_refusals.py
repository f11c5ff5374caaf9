"""Resuming a run: from a damaged checkpoint, after a change, and what is refused."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import AIDS, FEW, SMALL, TRAIN, Command, Done, quick
from warm import run_warm

from sirve.io import checkpoints

pytestmark = pytest.mark.usefixtures("blank_reports_in_module")

ARGUMENTS = [
    "sim=lorenz",
    *SMALL["lorenz"],
    *FEW,
    "logger=none",
    "trainer.updates=30",
    "trainer.checkpoint_every=8",
    "trainer.validations=5",
]
SETTING = [argument for argument in ARGUMENTS if argument != "sim=lorenz"]


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run that was killed in its 27th step: checkpoints of steps 24 and 16."""
    folder = tmp_path_factory.mktemp("killed")
    kill_at = [str(AIDS / "kill_at.py"), "sirve.training.module.TrainingModule.training_step"]
    done = run_warm([*kill_at, "27", TRAIN, *ARGUMENTS], folder)
    assert done.returncode == -9, done.stderr
    return folder


@pytest.fixture
def run(killed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of ``killed``, in the folder where ``command`` runs."""
    shutil.copytree(killed, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    (found,) = tmp_path.glob("runs/*/*/")
    return found.relative_to(tmp_path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str]:
    """Weights and record of the same run, not killed."""
    folder = tmp_path_factory.mktemp("whole")
    done = run_warm([TRAIN, *ARGUMENTS], folder)
    assert done.returncode == 0, done.stderr
    (found,) = folder.glob("runs/*/*/")
    return outcome(found)


def outcome(run: Path) -> tuple[dict[str, Any], str]:
    state = checkpoints.load(run / "checkpoints" / "last.ckpt")["state_dict"]
    weights = {key: value.tolist() for key, value in state.items()}
    return weights, (run / "metrics.jsonl").read_text()


def flip(path: Path) -> None:
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "flipped": flip,
    "truncated": lambda path: os.truncate(path, path.stat().st_size - 1),
    "empty": lambda path: os.truncate(path, 0),
    "missing": Path.unlink,
    "no side-car": lambda path: path.with_name("last.ckpt.sha256").unlink(),
    "another's side-car": lambda path: path.with_name("last.ckpt.sha256").write_text("0 last\n"),
}


@pytest.mark.parametrize("damage", quick(DAMAGES, "flipped"))
def test_a_damaged_checkpoint_is_replaced_by_the_one_before(
    command: Command, run: Path, whole: tuple[dict[str, Any], str], damage: str
) -> None:
    DAMAGES[damage](run / "checkpoints" / "last.ckpt")
    done = command(*ARGUMENTS)
    assert done.returncode == 0, done.stderr
    assert f"{run} resumes from previous.ckpt, step 16, 8 steps are repeated" in done.stdout
    if damage != "missing":
        assert "last.ckpt is damaged: it differs from its checksum\n" in done.stderr
    assert outcome(run) == whole


DAMAGED = (["last.ckpt", "previous.ckpt"], ["best.ckpt"])


@pytest.mark.parametrize("names", quick(DAMAGED, DAMAGED[0]))
def test_without_a_good_checkpoint_the_run_starts_again(
    command: Command, run: Path, whole: tuple[dict[str, Any], str], names: list[str]
) -> None:
    for name in names:
        flip(run / "checkpoints" / name)
    done = command(*ARGUMENTS)
    assert done.returncode == 0, done.stderr
    assert f"{run} resumes from the start, step 0, 24 steps are repeated" in done.stdout
    assert done.stderr.count("is damaged") == len(names)
    assert outcome(run) == whole


def test_resume_needs_no_other_option(
    command: Command, run: Path, whole: tuple[dict[str, Any], str]
) -> None:
    done = command(f"resume={run}", "logger=none")
    assert done.returncode == 0, done.stderr
    assert f"{run} resumes from last.ckpt, step 24" in done.stdout
    assert outcome(run) == whole
    done = command(f"resume={run}")
    assert (done.returncode, done.stdout) == (0, f"{run} is finished: nothing is left to do\n")


def test_resume_accepts_the_options_of_its_run(command: Command, run: Path) -> None:
    assert command(f"resume={run}", "sim=lorenz", "model=gru", *SETTING).returncode == 0


def test_resume_never_begins_another_run(command: Command, run: Path) -> None:
    assert command(*ARGUMENTS, "resume=never").returncode == 0
    assert len(list(run.parent.iterdir())) == 2
    assert not (run / "report.html").exists()


def test_another_command_is_another_run(command: Command, run: Path) -> None:
    assert command(*ARGUMENTS, "seed=1").returncode == 0
    assert len(list(run.parent.iterdir())) == 2
    assert not (run / "report.html").exists()


def refused(done: Done, *words: str) -> None:
    """Check that a command was refused before any work, in one line that has these words."""
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    for word in words:
        assert word in done.stderr


def test_what_has_changed_is_refused_and_can_be_accepted(command: Command, run: Path) -> None:
    changed = [f"resume={run}", "logger=none", "data.limits=false"]
    changed += ["trainer.updates=33", "optimizer.lr=0.005"]
    refused(
        command(*changed),
        f"{run} was started with trainer.updates 30 (here 33), optimizer.lr 0.01 (here 0.005): "
        "it would not be the same run",
        "accept_changes=true",
    )
    done = command(*changed, "accept_changes=true")
    assert done.returncode == 0, done.stderr
    assert '"step": 33' in (run / "metrics.jsonl").read_text()
    assert yaml.safe_load((run / "config.yaml").read_text())["trainer"]["updates"] == 33


@pytest.mark.parametrize("key", quick(["code", "torch", "numpy"], "code"))
def test_other_code_is_refused_and_can_be_accepted(command: Command, run: Path, key: str) -> None:
    path = run / "environment.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: "older"}))
    asked = [f"resume={run}", "logger=none", "data.limits=false"]
    refused(command(*asked), f"{run} was started with {key} older (here ", "accept_changes=true")
    done = command(*asked, "accept_changes=true")
    assert done.returncode == 0
    assert done.stderr.startswith(f"warning: {run} was started with {key} older (here ")


def test_another_cpu_is_a_warning(command: Command, run: Path) -> None:
    path = run / "environment.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "cpu": "Z80"}))
    done = command(*ARGUMENTS)
    assert done.returncode == 0
    assert f"warning: {run} was started with cpu Z80 (here " in done.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["model=lstm"], "is not a run of model=lstm; leave model= out, or name another"),
        (["trainer=gpu"], "resume= takes the run's own trainer: leave trainer=gpu out"),
        (["trainer.updatez=3"], "unknown key 'trainer.updatez'; did you mean 'trainer.updates'?"),
        (["trust=[3]"], "trust"),
    ],
)
def test_wrong_options_with_resume_are_refused(
    command: Command, run: Path, arguments: list[str], reason: str
) -> None:
    refused(command(f"resume={run}", *arguments), reason)


@pytest.mark.parametrize("place", quick(["nowhere", "runs", "data", "/"], "runs"))
def test_a_folder_without_a_run_is_refused(command: Command, run: Path, place: str) -> None:
    refused(
        command(f"resume={place}"),
        f"resume={place} is not the folder of a run: it has no config.yaml",
    )


def test_a_run_at_work_in_another_process_is_refused(command: Command, run: Path) -> None:
    import fcntl

    with (run / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused(command(f"resume={run}"), f"{run} is in use by another process")


HOSTILE: dict[str, tuple[tuple[str, ...], Any, str]] = {
    "a function": (("model", "_target_"), "os.system", "outside the trusted packages"),
    "nested": (("model", "cell", "_target_"), "builtins.open", "outside the trusted packages"),
    "an optimizer": (("optimizer", "_target_"), "shutil.rmtree", "outside the trusted packages"),
    "a system": (("sim", "system", "_target_"), "torch.load", "outside the trusted packages"),
    "a name": (("names", "sim"), "../../elsewhere", "must be letters, digits"),
    "a secret": (("sim", "dt"), "${oc.env:HOME}", "refers to the environment"),
    "no outline": (("trainer",), [], "is not the configuration of a run"),
    "a part missing": (("trainer",), {}, "config.yaml has no trainer."),
    "another type": (("sim", "states"), {"a": 1}, "sim.states"),
}


@pytest.mark.parametrize("kind", quick(HOSTILE, "nested", "a name", "a secret", "a part missing"))
def test_a_hostile_configuration_is_refused(command: Command, run: Path, kind: str) -> None:
    (*groups, key), value, reason = HOSTILE[kind]
    path = run / "config.yaml"
    config = node = yaml.safe_load(path.read_text())
    for group in groups:
        node = node[group]
    node[key] = value
    path.write_text(yaml.safe_dump(config))
    refused(command(f"resume={run}"), reason)


def test_a_link_in_a_run_is_not_followed(command: Command, run: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    record = run / "metrics.jsonl"
    record.unlink()
    record.symlink_to(victim)
    refused(command(f"resume={run}"), "metrics.jsonl is a link, which a run's folder must not hold")
    assert victim.read_text() == "precious"
