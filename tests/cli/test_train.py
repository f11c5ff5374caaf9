"""``sirve train`` as a user runs it: the files of a run, and the messages for wrong input."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
import yaml
from support import (
    FEW,
    ROOT,
    SMALL,
    SYSTEMS,
    TRAIN,
    Command,
    Done,
    check_rescored,
    configure,
    quick,
    run_command,
)
from warm import run_warm

import sirve
from sirve import metrics

RUN_FILES = {
    "config.yaml",
    "metrics.json",
    "metrics.jsonl",
    "rollouts.h5",
    "report.html",
    "checkpoints/best.ckpt",
    "checkpoints/best.ckpt.sha256",
    "checkpoints/last.ckpt",
    "checkpoints/last.ckpt.sha256",
    "figures/error.png",
    "figures/rollout.png",
}


def only_run(folder: Path) -> Path:
    (run,) = [path.parent for path in folder.rglob("metrics.json")]
    return run


PAIRS = [(sim, model) for sim in ("lorenz", "pendulum") for model in ("gru", "linear")]
PAIRS += [("heat", model) for model in ("convlstm", "lstm", "persistence", "climatology")]
PAIRS += [("burgers", "convgru")]  # a field of one dimension


@pytest.mark.slow
@pytest.mark.parametrize("sim", [sim for sim in SYSTEMS if sim not in dict(PAIRS)])
def test_every_system_runs_through(command: Command, tmp_path: Path, sim: str) -> None:
    """Every system in conf/sim is run, and its limits are measured."""
    boundary = configure(f"sim={sim}")["sim"]["system"].get("size")
    model = "convgru" if boundary else "gru"
    done = command(
        f"sim={sim}", f"model={model}", "logger=none", *SMALL[sim], *FEW, "data.limits=true"
    )
    assert done.returncode == 0, done.stderr
    check_scores_from_rollouts(only_run(tmp_path))


QUICK = [("lorenz", "gru"), ("heat", "convlstm")]


@pytest.mark.parametrize(("sim", "model"), quick(PAIRS, *QUICK))
def test_a_run_writes_all_its_files(command: Command, tmp_path: Path, sim: str, model: str) -> None:
    done = command(f"sim={sim}", f"model={model}", "logger=none", *SMALL[sim], *FEW)
    assert done.returncode == 0, done.stderr
    run = only_run(tmp_path)
    assert run.parent == tmp_path / "runs" / f"{sim}-{model}"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d", run.name)
    there = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    trained = model not in ("linear", "persistence", "climatology")
    assert there >= RUN_FILES
    assert bool((run / "metrics.jsonl").read_text()) == trained
    assert not [name for name in there if "tmp" in name]
    for word in (model, "persistence", "linear", "valid for", "report"):
        assert word in done.stdout
    assert "Error" not in done.stderr
    check_scores_from_rollouts(run)


def check_scores_from_rollouts(run: Path) -> None:
    """Check that rollouts.h5 alone gives the numbers of metrics.json."""
    content = json.loads((run / "metrics.json").read_text())
    with h5py.File(run / "rollouts.h5") as file:
        truth, prediction = file["truth"][:], file["prediction"][:]
        std, dt, unit = file.attrs["std"], file.attrs["dt"], file.attrs["unit"]
        np.testing.assert_allclose(file["time"][:], dt * np.arange(1, truth.shape[1] + 1))
        assert file.attrs["sim"] == content["sim"]
        context = file["context"][:]
    assert context.shape[1] == content["context"]
    assert truth.shape[1] == content["steps"]
    check_rescored(run)
    error = metrics.normalised_error(truth, prediction, std)
    scores = content["scores"]["model"]
    baselines = ["persistence", "climatology", "linear", *["mean_state"] * (truth.ndim > 3)]
    assert set(content["scores"]) == {"model", *baselines}
    for horizon, value in scores["nrmse"].items():
        assert value == pytest.approx(metrics.nrmse(error)[int(horizon) - 1], rel=1e-4)
    for level in ("0.3", "0.4", "0.5", "0.9"):
        again = metrics.valid_time(error, float(level), dt, unit)
        assert scores["valid_time"][level] == pytest.approx(again)
    forecaster = sirve.load(run)
    future = forecaster.forecast(context, content["steps"])
    np.testing.assert_allclose(future, prediction, rtol=1e-4, atol=1e-4)
    assert content["parameters"] == sum(p.numel() for p in forecaster.core.parameters())


@pytest.mark.usefixtures("blank_report")
def test_the_metrics_log_and_the_checkpoints(command: Command, tmp_path: Path) -> None:
    done = command("logger=none", *SMALL["lorenz"], *FEW)
    assert done.returncode == 0, done.stderr
    run = only_run(tmp_path)
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "train/loss" in row] == [3, 6, 9, 12]
    assert [row["step"] for row in rows if "valid/log_error" in row] == [6, 12]
    assert 0 < rows[-2]["train/lr"] < 0.03 * 0.01  # the schedule ends near zero
    best = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    scores = {r["step"]: r["valid/log_error"] for r in rows if "valid/log_error" in r}
    assert best["global_step"] == min(scores, key=lambda step: scores[step])
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["trainer"]["updates"] == 12
    assert "${" not in (run / "config.yaml").read_text()


# A process forked from a warm one, or a new interpreter, whose string hashes differ.
PROCESSES = quick([run_warm, run_command], run_warm)


@pytest.mark.usefixtures("blank_report")
@pytest.mark.parametrize("process", PROCESSES)
def test_the_same_command_twice_gives_the_same_bits(
    command: Command, tmp_path: Path, process: Callable[..., Done]
) -> None:
    def started(*arguments: str) -> Done:
        return process([TRAIN, *arguments], tmp_path)

    weights, records = [], []
    for name, run_it in (("a", command), ("b", started)):
        done = run_it("logger=none", f"runs={name}", *SMALL["lorenz"], *FEW)
        assert done.returncode == 0, done.stderr
        run = only_run(tmp_path / name)
        weights.append(torch.load(run / "checkpoints/last.ckpt", weights_only=True)["state_dict"])
        records.append((run / "metrics.jsonl").read_text())
    assert records[0] == records[1]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


@pytest.mark.usefixtures("blank_report")
def test_observation_can_be_limited(command: Command, tmp_path: Path) -> None:
    limited = ["observe.channels=[x]", "observe.stride=2", "observe.noise=0.1"]
    done = command("logger=none", *limited, *SMALL["lorenz"], *FEW)
    assert done.returncode == 0, done.stderr
    with h5py.File(only_run(tmp_path) / "rollouts.h5") as file:
        assert file["truth"].shape == (4, 60, 1)
        assert file.attrs["dt"] == pytest.approx(0.04)
        # the context is measured with noise, the truth is clean and therefore smooth
        assert np.abs(np.diff(file["truth"][:], 3, axis=1)).mean() < 0.5
        assert np.abs(np.diff(file["context"][:], 3, axis=1)).mean() > 1


@pytest.mark.usefixtures("blank_report")
def test_float64_from_end_to_end(command: Command, tmp_path: Path) -> None:
    done = command("logger=none", "trainer.precision=64-true", *SMALL["lorenz"], *FEW)
    assert done.returncode == 0, done.stderr
    assert sirve.load(only_run(tmp_path)).core.scale.dtype == torch.float64


@pytest.mark.parametrize("process", PROCESSES)
def test_wrong_input_of_a_process(tmp_path: Path, process: Callable[..., Done]) -> None:
    done = process([TRAIN, "logger=none", "model.hidden=0"], tmp_path)
    assert done == (2, "", "error: model: hidden=0 must be a positive whole number\n")


@pytest.mark.usefixtures("blank_report")
def test_a_secret_from_the_environment_stays_a_reference(command: Command, tmp_path: Path) -> None:
    done = command(
        "logger=none",
        "runs=${oc.env:SECRET_PLACE}",
        "data.root=${runs}/data",
        *SMALL["lorenz"],
        *FEW,
        env={"SECRET_PLACE": "s"},
    )
    assert done.returncode == 0, done.stderr
    config = (only_run(tmp_path / "s") / "config.yaml").read_text()
    assert "runs: ${oc.env:SECRET_PLACE}" in config
    assert "root: ${oc.env:SECRET_PLACE}/data" in config  # through another key
    assert list((tmp_path / "s" / "data").iterdir())


WRONG = [
    ("fit=rigde", "unknown fit 'rigde'; choose from: gradient, gradient_ridge, ridge, varpro"),
    ("fit.path=[-1.0]", "path=[-1.0] must be numbers, none of them negative"),
    ("data.frames=float16", "data.frames=float16; take float32"),
    ("model=gruu", "unknown model 'gruu'; choose from: analogue, climatology, context_mean,"),
    ("sim=lorentz", "unknown sim 'lorentz'; choose from: advection"),
    ("model.hiden=3", "unknown key 'model.hiden'; did you mean 'model.hidden'?"),
    ("+model.hiden=3", "did you mean 'hidden'?"),
    ("fit.grid={a:[1]} fit.grid={b:[1]}", "'fit.grid' is given twice"),
    ("experiment=mine", "unknown experiment 'mine'; choose from:"),
    ("model.hidden=0", "hidden=0 must be a positive whole number"),
    ("model.hidden=-4", "hidden=-4 must be a positive whole number"),
    ("model.layers=0", "layers=0 must be"),
    ("sim.trajectories.test=0", "sim.trajectories.test=0 must be a whole number, at least 1"),
    ("sim.steps=-1", "sim.steps=-1 must be"),
    ("sim.dt=0", "sim.dt=0 must be a positive number"),
    ("sim.system.rho=nan", "sim.system: rho=nan must be a positive number"),
    ("objective.horizon=4000", "longer than the training trajectories (sim.states=1000); shorten"),
    ("objective.context=4000", "longer than the training trajectories (sim.states=1000); shorten"),
    ("data.batch=200000", "data.batch=200000 is more than the 121600 windows"),
    ("model=convlstm", "a convolutional core needs frames"),
    ("trainer=gpu", "no GPU is visible; take trainer=cpu"),
    ("trainer.devices=64", "trainer.devices=64, but"),
    (
        "data.batch=63 trainer.devices=2 trainer.strategy=ddp",
        "data.batch=63 cannot be shared evenly by 2 ranks",
    ),
    ("runs=/proc/nowhere", "is not writable"),
    ("data.root=/proc/nowhere", "is not writable"),
    ("model._target_=os.system", "os.system is not a kind of Core"),
    ("model.cell._target_=subprocess.Popen", "subprocess.Popen is not a kind of Cell"),
    ("sim.system._target_=builtins.open", "builtins.open is not a kind of Simulator"),
    ("optimizer._target_=torch.nn.GRU", "torch.nn.GRU is not a kind of Optimizer"),
    ("observe.channels=[w]", "lorenz has no channel 'w'; choose from: x, y, z"),
    ("trainer.precision=7", "trainer.precision=7; choose from: 32-true"),
    ("trainer.accelerator=tpu", "trainer.accelerator=tpu; choose from: cpu, gpu"),
    ("trainer.strategy=fsdp", "trainer.strategy=fsdp; choose from: auto, ddp"),
    ("trainer.devices=2", "trainer.devices=2 needs trainer.strategy=ddp"),
    ("optimizer.lr=-1", "optimizer: "),
    ("model=convgru sim=heat model.kernel=67", "kernel=67 is wider than the field"),
    ("runs=2024", "runs=2024 must be a folder's name"),
    ("sim.trajectories=8", "sim.trajectories=8 must be counts"),
    ("observe.channels=xz", "channels=xz must be a list of names"),
    ("sim.system.rho=abc", "rho=abc must be a positive number"),
    ("sim.system.sigma=1e300", "the Lyapunov exponent of lorenz cannot be computed"),
    ("seed=-1", "seed=-1 must be a whole number"),
    ("nonsense", "missing EQUAL"),
    (f"++seed={'[' * 400 + ']' * 400}", "is nested too deeply"),
]
SOME = WRONG[::4]  # of every kind: choices, keys, sizes, folders, targets, devices


@pytest.mark.parametrize(("override", "message"), quick(WRONG, *SOME), ids=lambda word: word[:50])
def test_wrong_input_is_one_line_and_exit_code_2(
    command: Command, tmp_path: Path, override: str, message: str
) -> None:
    if override == "trainer=gpu" and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    done = command("logger=none", *override.split())
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.rglob("*.hdf5")), "work had begun"
    assert not list(tmp_path.rglob("config.yaml")), "work had begun"


def test_help_reads_like_a_manual_and_imports_no_torch() -> None:
    code = (
        "import sys; sys.argv = ['train.py', '--help']\n"
        "from sirve.cli.train import main\n"
        "try:\n    main()\n"
        "finally:\n    assert 'torch' not in sys.modules, 'slow'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for word in (
        "model=gru sim=lorenz",
        "model: analogue,",
        "sim: advection,",
        "trainer.updates=",
    ):
        assert word in done.stdout


def test_completion_knows_choices_and_keys() -> None:
    for line, words in (("model=g", ["model=gru"]), ("model.hi", ["model.hidden="])):
        done = subprocess.run(
            [sys.executable, str(ROOT / "train.py"), "-sc", "query=bash"],
            env={"COMP_LINE": f"train.py {line}", "COMP_POINT": "99", "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout.split() == words, done.stderr


@pytest.mark.usefixtures("blank_report")
@pytest.mark.parametrize("model", quick(["linear", "rnn"], "linear"))
def test_a_sweep_is_one_run_each(command: Command, tmp_path: Path, model: str) -> None:
    sweep = ["-m", f"model={model},persistence", "seed=0,1", "logger=none"]
    done = command(*sweep, *SMALL["lorenz"], *FEW)
    assert done.returncode == 0, done.stderr
    runs = {path.parent.parent.name for path in tmp_path.rglob("metrics.json")}
    assert runs == {f"lorenz-{model}", "lorenz-persistence"}
    assert len(list(tmp_path.rglob("metrics.json"))) == 4


@pytest.mark.usefixtures("blank_report")
@pytest.mark.parametrize("launcher", ["local", pytest.param("joblib", marks=pytest.mark.slow)])
def test_a_refused_run_does_not_end_a_sweep(
    process: Command, tmp_path: Path, launcher: str
) -> None:
    sweep = ["-m", "model=convgru,persistence", f"launcher={launcher}", "logger=none"]
    done = process(*sweep, *SMALL["lorenz"], *FEW)
    assert done.returncode == 2
    assert done.stderr.count("a convolutional core needs frames") == 1
    assert "Traceback" not in done.stderr
    assert only_run(tmp_path).parent.name == "lorenz-persistence"


@pytest.mark.usefixtures("blank_report")
def test_training_that_explodes_stops_before_the_step(command: Command, tmp_path: Path) -> None:
    done = command("logger=none", "optimizer.lr=1e30", "optimizer=adamw", *SMALL["lorenz"], *FEW)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert re.match(r"error: training stopped before step \d+: loss .*; lower optimizer.lr", last)
    assert "Traceback" not in done.stderr
