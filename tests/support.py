"""What several tests share: composing a configuration, and a command run as a user runs it."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

ROOT = Path(__file__).resolve().parents[1]
CONF = ROOT / "conf"

# A run of seconds: every size small, nothing left out.
SMALL = {
    "lorenz": ["sim.states=80", "sim.steps=60", "sim.valid_steps=30", "data.batch=16"],
    "pendulum": ["sim.states=80", "sim.steps=60", "sim.valid_steps=30", "data.batch=16"],
    "heat": ["sim.states=20", "sim.steps=30", "sim.valid_steps=12", "data.batch=4"],
}
FEW = [
    "sim.trajectories={train: 8, valid: 4, test: 4}",
    "data.block=4",
    "data.workers=1",
    "trainer.steps=12",
    "trainer.validations=2",
    "trainer.log_every=3",
]


TWO = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2"]


def members(group: str) -> list[str]:
    """The choices of a config group."""
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def configure(*overrides: str) -> dict[str, Any]:
    """The composed and resolved configuration."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", overrides=list(overrides))
    return OmegaConf.to_container(config, resolve=True)  # type: ignore[return-value]


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
