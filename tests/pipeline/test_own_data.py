"""Data of one's own trains and scores by one command, as any system does."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from aids import well_file
from support import FEW, SMALL, Command, quick, same

from sirve.data.dataset import SPLITS, Dataset
from sirve.io import checkpoints
from sirve.training.module import TrainingModule
from tests.cli.test_train import check_scores_from_rollouts, only_run
from tests.runs.test_resume_laws import interrupted_at

SHORT = ["sim=file", "logger=none", "trainer.updates=12", "trainer.validations=2"]
SMALLER = ["model=convgru", "model.hidden=8"]
RNG = np.random.default_rng(0)


def waves(*space: int) -> np.ndarray:
    """(12, 40, *space): each trajectory a wave of its own phase and speed."""
    t, cells = 0.2 * np.arange(40.0), np.indices(space or (1,)).sum(0)
    speed, phase = RNG.uniform(0.5, 1.5, 12), RNG.uniform(0, 6, 12)
    angle = np.multiply.outer(speed, t) + phase[:, None]
    return np.sin(angle.reshape(12, 40, *[1] * cells.ndim) + cells)


def scored(done: Any, folder: Path, name: str) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    run = only_run(folder)
    assert run.parent.name == name
    assert (run / "report.html").stat().st_size > 10_000
    check_scores_from_rollouts(run)
    return dict(json.loads((run / "metrics.json").read_text()))


def test_three_lines_of_numpy_and_one_command(command: Command, tmp_path: Path) -> None:
    t = np.linspace(0, 8, 400)
    x = np.stack([[np.sin(t + phase), np.cos(t + phase)] for phase in RNG.uniform(0, 6, 20)])
    np.save(tmp_path / "my.npy", x.transpose(0, 2, 1))
    done = command(*SHORT, "sim.path=my.npy", "sim.dt=0.02")
    metrics = scored(done, tmp_path, "my-gru")
    assert metrics["sim"] == "my"
    assert (metrics["context"], metrics["steps"], metrics["time_unit"]) == (10, 390, "step")
    assert metrics["channels"] == [{"name": "x0", "unit": "1"}, {"name": "x1", "unit": "1"}]
    assert metrics["scores"]["model"]["invariants"] == {}
    for line in ("axes trajectory 20, time 400, channel 2 (guessed", "train 14 of 14", "x1 "):
        assert line in done.stdout
    (folder,) = (tmp_path / "data").iterdir()
    assert Dataset(folder).read("test", 3).shape == (3, 400, 2)


@pytest.mark.parametrize("inside", quick(["false", "true"], "false"))
def test_frames_in_hdf5_with_words_beside_them(
    command: Command, tmp_path: Path, inside: str
) -> None:
    with h5py.File(tmp_path / "run 7.h5", "w") as file:
        file.create_dataset("u", data=waves(6, 5), compression="gzip", chunks=True)
        file["note"] = "of someone else"
    named = ["sim.path='run 7.h5'", "sim.axes=[trajectory,time,x,y]", "sim.dt=0.2"]
    named += ["sim.channels=[u]", "sim.units=[m]", "sim.boundary=periodic", "sim.steps=20"]
    named += ["sim.time_unit=period", "sim.unit=6.28"]
    done = command(*SHORT, *named, *SMALLER, f"inside={inside}")
    metrics = scored(done, tmp_path, "run-7-convgru")
    assert (metrics["steps"], metrics["unit"]) == (20, 6.28)
    assert metrics["channels"] == [{"name": "u", "unit": "m"}]


def test_a_folder_in_the_layout_of_the_well(command: Command, tmp_path: Path) -> None:
    x, v = waves(6, 5), np.stack([waves(6, 5)] * 2, axis=-1)
    for name, rows in (("train", slice(8)), ("valid", slice(8, 10)), ("test", slice(10, 12))):
        fields = {0: {"u": x[rows]}, 1: {"v": v[rows]}}
        path = tmp_path / "mini" / "data" / name / "a.hdf5"
        well_file.write(path, fields, {"x": 6, "y": 5}, compression="gzip", shuffle=True)
    metrics = scored(
        command(*SHORT, "sim.path=mini", *SMALLER, "inside=false"), tmp_path, "mini-convgru"
    )
    assert [channel["name"] for channel in metrics["channels"]] == ["u", "v_x", "v_y"]
    assert (metrics["dt"], metrics["steps"]) == (0.1, 30)


@pytest.mark.usefixtures("blank_report")
def test_a_system_brought_as_a_file_is_that_system(command: Command, tmp_path: Path) -> None:
    """Weights, optimizer, normaliser and scores are the same, bit for bit."""
    small = [*FEW, *SMALL["lorenz"], "logger=none", "observe.noise=0.01", "sim.context=50"]
    assert command("sim=lorenz", *small).returncode == 0
    (folder,) = (tmp_path / "data").iterdir()
    counts = {"train": 8, "valid": 4, "test": 4}
    arrays = {name: Dataset(folder).read(name, counts[name]) for name in SPLITS}
    np.savez(tmp_path / "mine.npz", **arrays)
    sizes = [a for a in small if not a.startswith(("sim.states", "sim.steps", "sim.valid"))]
    training = ["sim.dt=0.02", "sim.channels=[x,y,z]", "sim.time_unit=lyapunov time"]
    training += [f"sim.unit={1 / 0.9056}", "training.horizon=1", "training.context=50"]
    done = command("sim=file", "sim.path=mine.npz", *training, *sizes)
    assert done.returncode == 0, done.stderr
    (one,), (other,) = (
        list((tmp_path / "runs" / f"{n}-gru").iterdir()) for n in ("lorenz", "mine")
    )
    last = [checkpoints.load(run / "checkpoints" / "last.ckpt") for run in (one, other)]
    assert same(last[0]["state_dict"], last[1]["state_dict"])
    assert same(last[0]["optimizer_states"], last[1]["optimizer_states"])
    assert any("mean" in key for key in last[0]["state_dict"])
    scores = [
        json.loads((run / "metrics.json").read_text())["scores"]["model"] for run in (one, other)
    ]
    assert scores[0] == scores[1]
    assert torch.tensor([scores[0]["nrmse"]["1"]]).isfinite()


@pytest.mark.usefixtures("blank_report")
def test_a_run_goes_on_only_with_the_data_it_began_with(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(tmp_path / "my.npy", waves(3))
    arguments = [*SHORT, "sim.path=my.npy", "sim.dt=0.2", "trainer.checkpoint_every=3"]
    with monkeypatch.context() as patch:
        patch.setattr(
            TrainingModule, "training_step", interrupted_at(8, TrainingModule.training_step)
        )
        assert command(*arguments).returncode == 75
    (run,) = (tmp_path / "runs" / "my-gru").iterdir()
    whole = (tmp_path / "my.npy").read_bytes()
    np.save(tmp_path / "my.npy", waves(3))
    done = command(f"resume={run}", "logger=none")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"{run} was started with data my-" in done.stderr
    (tmp_path / "my.npy").unlink()
    done = command(f"resume={run}", "logger=none")
    assert (done.returncode, "my.npy cannot be read" in done.stderr) == (2, True)
    (tmp_path / "my.npy").write_bytes(whole)
    done = command(*arguments)
    assert done.returncode == 0, done.stderr
    assert "resumes from last.ckpt, step 6" in done.stdout
    assert only_run(tmp_path) == run
