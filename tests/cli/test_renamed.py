"""Old names on the command line: each is refused before any work, in one line with the new form."""

from pathlib import Path

import pytest
from support import Command

from sirve.cli import hydra_errors
from sirve.cli.hydra_errors import RENAMED, RENAMED_CHOICES, RENAMED_IN_GRID, renamed
from sirve.errors import UserError

OLD = {
    "ridge.grid=null": "ridge.grid is now called fit.grid: give fit.grid=null",
    "ridge.noise=[0.0,1e-6]": "ridge.noise is now called fit.noise: give fit.noise=[0.0,1e-6]",
    "ridge.path=[1e-6]": "ridge.path is now called fit.path: give fit.path=[1e-6]",
    "ridge.few=8": "ridge.few is now called fit.screening_size: give fit.screening_size=8",
    "ridge.keep=2": "ridge.keep is now called fit.finalists: give fit.finalists=2",
    "ridge.perturbation=0": "ridge.perturbation is now called fit.perturbation: "
    "give fit.perturbation=0",
    "ridge=mine": "ridge is now called fit: give fit=mine",
    "ridge=default": "ridge=default is now called fit=ridge: give fit=ridge",
    "varpro=soap": "varpro=soap is now called fit=varpro_soap: give fit=varpro_soap",
    "varpro=lm": "varpro=lm is now called fit=varpro: give fit=varpro",
    "varpro.steps=9": "varpro.steps is now called fit.updates: give fit.updates=9",
    "varpro.few=8": "varpro.few is now called fit.readout_size: give fit.readout_size=8",
    "varpro.moving=all": "varpro.moving is now called fit.trainable: give fit.trainable=all",
    "search=vectors": "search is now called hparams_search: give hparams_search=vectors",
    "+search=tpe": "search is now called hparams_search: give +hparams_search=tpe",
    "sim.training.batch=8": "sim.training.batch is now called training.batch: "
    "give training.batch=8",
    "sim.training.steps=8": "sim.training.steps is now called training.updates: "
    "give training.updates=8",
    "trainer.steps=100": "trainer.steps is now called trainer.updates: give trainer.updates=100",
    "trainer.steps=1,2": "trainer.steps is now called trainer.updates: give trainer.updates=1,2",
    "objective.growth=0.5": "objective.growth is now called objective.horizon_curriculum: "
    "give objective.horizon_curriculum=0.5",
    "sim.system.walls=periodic": "sim.system.walls is now called sim.system.boundary: "
    "give sim.system.boundary=periodic",
    "sim.walls=periodic": "sim.walls is now called sim.boundary: give sim.boundary=periodic",
    "model.connections=5": "model.connections is now called model.connectivity: "
    "give model.connectivity=5",
    "fit=gradient+ridge": "fit=gradient+ridge is now called fit=gradient_ridge: "
    "give fit=gradient_ridge",
    "+fit.grid.gain=[0.1]": "gain is now called input_scaling: give +fit.grid.input_scaling=[0.1]",
    "fit.grid={radius: [0.5], memory: [[1,9]]}": "radius is now called spectral_radius: "
    "give fit.grid={spectral_radius: [0.5], time_scale: [[1,9]]}",
    "ridge.grid={gain:[0.1]}": "ridge.grid is now called fit.grid: "
    "give fit.grid={input_scaling:[0.1]}",
}
NEW = [
    *("fit=gradient_ridge", "fit.grid={input_scaling:[0.1]}", "hparams_search=vectors"),
    *("training.batch=8", "trainer.updates=9", "trainer=cpu", "model.memory=3", "runs=search"),
    *("sim.trajectories.train=8", "researched=1", "+ridges=2", "fit.grid=null", "seed=0"),
]


def test_every_renamed_name_is_tried() -> None:
    tried = [argument.lstrip("+") for argument in OLD]
    for old in RENAMED:
        assert any(t.startswith((f"{old}=", f"{old}.")) for t in tried), old
    assert RENAMED_CHOICES.keys() <= set(tried)
    assert all(any(word in t for t in tried) for word in RENAMED_IN_GRID)


@pytest.mark.parametrize(("argument", "line"), OLD.items())
def test_an_old_name_gives_the_new_form(argument: str, line: str) -> None:
    assert renamed(argument) == line
    assert renamed(line.partition(": give ")[2]) is None, "the new form is right"


@pytest.mark.parametrize("argument", NEW)
def test_a_name_of_today_is_left_alone(argument: str) -> None:
    assert renamed(argument) is None


@pytest.mark.parametrize("sweep", [[], ["-m"]])
def test_the_command_refuses_an_old_name_before_any_work(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sweep: list[str]
) -> None:
    (tmp_path / "conf" / "fit").mkdir(parents=True)
    monkeypatch.setattr(hydra_errors, "CONF", tmp_path / "conf")
    message = "error: search is now called hparams_search: give hparams_search=vectors\n"
    assert command(*sweep, "model=gru", "search=vectors") == (2, "", message)
    assert [path.name for path in tmp_path.iterdir()] == ["conf"]


def test_a_secret_is_not_repeated(command: Command) -> None:
    done = command("search=vectors", "+varpro.token=hunter2")
    assert done.returncode == 2
    assert "hunter2" not in done.stderr


def test_the_first_old_name_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "fit").mkdir()
    monkeypatch.setattr(hydra_errors, "CONF", tmp_path)
    with pytest.raises(UserError, match=r"ridge\.few is now called fit\.screening_size"):
        hydra_errors.refuse_renamed(["model=gru", "ridge.few=3", "search=x"])
