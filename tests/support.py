"""What several tests share: composing a configuration, and a command run as a user runs it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from simulators import Family, Simulator
from sirve.cores import Core
from sirve.data.dataset import SPLITS
from sirve.data.simulated.recipe import Recipe
from sirve.errors import UserError
from sirve.evaluation.rollout_files import FileOptions, read_rollouts
from sirve.evaluation.score import flat, score_rollouts
from sirve.io.instantiate import build

ROOT = Path(__file__).resolve().parents[1]
CONF = ROOT / "conf"


RIVALS = {"fno": "neuralop", "unet": "monai", "mamba": "mambapy"}  # models of the extra "rivals"
MISSING = [model for model, module in RIVALS.items() if not find_spec(module)]


def quick(cases: Iterable[Any], *few: Any) -> list[Any]:
    """Return the cases of a test as parameters of which all but ``few`` are slow."""
    cases = list(cases)
    assert all(case in cases for case in few)
    return [
        case
        if case in few
        else pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.slow)
        for case in cases
    ]


def members(group: str) -> list[str]:
    """The choices of a config group, without models whose package is not installed."""
    found = sorted(path.stem for path in (CONF / group).glob("*.yaml"))
    return [name for name in found if group != "model" or name not in MISSING]


def on_frames(model: str) -> bool:
    """Whether a model reads fields only, and refuses vectors."""
    try:
        build(model_node(model), Core, place="model", shape=(3,))
    except UserError:
        return True
    return False


def _small(sim: str) -> list[str]:
    training = yaml.safe_load((CONF / "training" / f"{sim}.yaml").read_text())
    window = training["context"] + training["horizon"]
    return [f"sim.states={window + 10}", "sim.steps=30", "sim.valid_steps=12", "data.batch=4"]


VECTORS = ("ngrc", "esn", "random_features", "mamba")  # models that refuse frames
SYSTEMS = [sim for sim in members("sim") if sim != "file"]  # what is simulated

# A run of seconds: every size small, nothing left out.
SMALL = {sim: _small(sim) for sim in SYSTEMS} | {
    "lorenz": ["sim.states=80", "sim.steps=60", "sim.valid_steps=30", "data.batch=16"],
    "pendulum": ["sim.states=80", "sim.steps=60", "sim.valid_steps=30", "data.batch=16"],
    "heat": ["sim.states=20", "sim.steps=30", "sim.valid_steps=12", "data.batch=4"],
}
FEW = [
    "sim.trajectories={train: 8, valid: 4, test: 4}",
    "data.block=4",
    "data.workers=1",
    "fit=gradient",
    "trainer.updates=12",
    "trainer.validations=2",
    "trainer.log_every=3",
    "data.limits=false",
    "inside=false",
]


def few(fit: str) -> list[str]:
    """Return FEW with another fit: a group is given once."""
    return [f"fit={fit}" if option.startswith("fit=") else option for option in FEW]


TWO = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2"]


def configure(*overrides: str) -> dict[str, Any]:
    """The composed and resolved configuration, of one's own."""
    return deepcopy(_composed(*overrides))


@cache
def _composed(*overrides: str) -> dict[str, Any]:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", overrides=list(overrides))
    return OmegaConf.to_container(config, resolve=True)  # type: ignore[return-value]


def model_node(model: str) -> dict[str, Any]:
    """Return ``configure(f"model={model}")["model"]`` in a tenth of its time."""
    path = CONF / "model" / f"{model}.yaml"
    own = OmegaConf.load(path)
    others = [OmegaConf.load(path.with_stem(name)) for name in own.pop("defaults", [])]
    config = _default().copy()
    config.model = OmegaConf.merge(*others, own)
    return OmegaConf.to_container(config.model, resolve=True)  # type: ignore[return-value]


@cache
def _default() -> DictConfig:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("train")


def recipe(sim: Simulator, name: str = "system", dt: float = 0.1, **changes: Any) -> Recipe:
    """Of one system, the same for every split."""
    settings = {"states": dict.fromkeys(SPLITS, 5), "seed": 0, "block": 2} | changes
    draws = settings.pop("draws", {})
    return Recipe(name, dict.fromkeys(SPLITS, Family(sim, draws)), dt, **settings)


def check_rescored(run: Path) -> None:
    """rollouts.h5 alone gives the numbers of metrics.json again, every bit of them."""
    content = json.loads((run / "metrics.json").read_text())
    ensemble = content.get("ensemble", {})
    of_model = ("spread_kind", "one_step_log_likelihood", "seconds_per_step")
    written = {**content["scores"]["model"]}
    if ensemble:
        written["ensemble"] = {k: v for k, v in ensemble.items() if k not in of_model}
    rollouts, _ = read_rollouts(run, FileOptions())
    scored = score_rollouts(rollouts)
    found, left_out = flat(scored.scores), scored.left_out
    for name, value in flat(written).items():
        if name in found and name.startswith("ensemble/standardised_error"):
            value = pytest.approx(value, rel=1e-5)  # of states, which frames store in float32
        if value is None and name not in found:
            assert any(name.startswith(left) for left in left_out), name
        else:
            assert found[name] == value, name
    assert not found.keys() & left_out.keys()
    assert all(left_out.values())


class Done(NamedTuple):
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


Command = Callable[..., Done]


def environment(more: dict[str, str]) -> dict[str, str]:
    """This process's, without what a run or W&B may have left in it."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("SIRVE_", "WANDB_"))}
    return {**clean, **more}


AIDS = ROOT / "tests" / "aids"
TRAIN = str(ROOT / "train.py")
DROPPING = ["model._target_=planted.Dropping", "~model.layers", "~model.residual", "~model.squares"]


@contextmanager
def started(folder: Path, *arguments: str, pause: float = 0.1) -> Iterator[subprocess.Popen[str]]:
    """train.py at work, ``pause`` seconds a batch where DROPPING; it has ended afterwards."""
    process = subprocess.Popen(
        [sys.executable, TRAIN, *arguments],
        cwd=folder,
        env=environment({"PYTHONPATH": str(AIDS), "PAUSE": str(pause)}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def until_step(folder: Path, step: int) -> None:
    """Wait until the run in ``folder`` has recorded a step."""
    for _ in range(600):
        records = list(folder.glob("runs/*/*/metrics.jsonl"))
        if records and f'"step": {step}' in records[0].read_text():
            return
        time.sleep(0.1)
    raise AssertionError(f"never came to step {step}")


def ranks(process: subprocess.Popen[str]) -> list[int]:
    """The further ranks of a run."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [int(pid) for pid in children if "train.py" in Path(f"/proc/{pid}/cmdline").read_text()]


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Callable[[], None]]:
    """A disk of its own at ``folder``, and how it gets room; skips where none can be mounted."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("not allowed to mount a small disk here")

    def grow() -> None:
        subprocess.run(["mount", "-o", "remount,size=20m", str(folder)], check=True)

    try:
        yield grow
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def same(a: Any, b: Any) -> bool:
    """Whether all tensors and values within are equal, bit for bit."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


def run_command(
    arguments: Sequence[str], folder: Path, env: dict[str, str] | None = None, timeout: float = 300
) -> Done:
    """Run Python with ``arguments`` in ``folder``, and wait."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment(env or {}),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def inspected(folder: Path) -> list[dict[str, Any]]:
    """Every record of the offline run in ``folder``, as ``wandb leet inspect`` shows it."""
    (run,) = folder.rglob("offline-run-*")
    done = subprocess.run(
        [str(Path(sys.executable).with_name("wandb")), "leet", "inspect", "--json", str(run)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def items(records: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """Those of one kind."""
    return [record[kind]["item"] for record in records if record.get("type") == kind]
