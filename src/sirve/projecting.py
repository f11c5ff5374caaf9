"""Training by variable projection as a run: batches, record, progress, checkpoints, signals."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import Logger

from sirve import checkpoints, signals
from sirve.checkpoints import LAST
from sirve.data.states import States
from sirve.data.windows import Windows
from sirve.errors import Stopped
from sirve.forecaster import Forecaster, log_error
from sirve.progress import track
from sirve.saving import Saver
from sirve.varpro import Fit, VarPro


@dataclass(frozen=True)
class Projection:
    """The recurrent weights of a forecaster's core, trained in place; what it may see.

    ``valid`` is contexts as seen, and the clean truth after them. ``folder`` takes last.ckpt
    every ``every`` steps, and where a signal asks to stop: the same command goes on from there,
    bit for bit the run that was never interrupted.
    """

    plan: VarPro
    forecaster: Forecaster
    train: States
    valid: tuple[np.ndarray, np.ndarray]
    seed: int
    folder: Path
    every: int
    loggers: Sequence[Logger]

    def run(self, saved: Path | None = None) -> dict[str, Any]:
        """Train to the plan's last step and keep the best weights; the readout is still to fit.

        Returns what was done, in plain types, ``seconds`` of processor time in it. Raises
        Interrupted, and Stopped for a loss that is not finite.
        """
        fit = self._fit()
        spent = self._restore(fit, saved) if saved else 0.0
        start = time.process_time() - spent
        with signals.deferred():
            for _ in track(range(fit.step, self.plan.steps), "train", self.plan.steps - fit.step):
                row = fit.advance()
                if not np.isfinite(row["train/loss"]):
                    raise Stopped(
                        f"training stopped before step {fit.step}: loss {row['train/loss']:g}; "
                        "raise varpro.ridge or lower the rate (the last checkpoint is untouched)"
                    )
                for logger in self.loggers:
                    logger.log_metrics(row, fit.step)
                asked = signals.received()
                if asked or fit.step % self.every == 0:
                    self._save(fit, time.process_time() - start)
                if asked:
                    raise signals.Interrupted(asked)
        fit.finish()
        return {
            "method": type(self.plan).__name__.lower(),
            "moving": self.plan.moving,
            "weights": sum(weight.numel() for weight in fit.weights),
            "steps": self.plan.steps,
            "seconds": time.process_time() - start,
            "valid_log_error": fit.best,
        }

    def _fit(self) -> Fit:
        forecaster, (context, truth) = self.forecaster, self.valid
        core = forecaster.core.double()
        windows = Windows(self.train, self.plan.length, self.plan.batch, self.seed)
        few = forecaster.read(torch.as_tensor(first(self.train, self.plan.few)))
        read = torch.as_tensor(context)

        def score() -> float:
            return log_error(forecaster.errors(read, truth))

        skip = min(context.shape[1] - 1, few.shape[1] - 2)
        return Fit(
            self.plan, core, lambda step: forecaster.read(windows[step]), few, score, self.seed, skip
        )

    def _save(self, fit: Fit, seconds: float) -> None:
        content = {
            "pytorch-lightning_version": pl.__version__,
            "epoch": 0,
            "global_step": fit.step,
            "state_dict": self.forecaster.state_dict(),
            "callbacks": {
                Saver.__name__: {"best": float("inf"), "seconds": seconds, "done": False}
            },
            "loops": {},
            "optimizer_states": [fit.state_dict()],
            "lr_schedulers": [],
        }
        self.forecaster.on_save_checkpoint(content)
        checkpoints.save(content, self.folder / LAST)

    def _restore(self, fit: Fit, saved: Path) -> float:
        """Go on from a checkpoint; the processor time spent before it."""
        content = checkpoints.load(saved)
        self.forecaster.load_state_dict(content["state_dict"])
        fit.load_state_dict(content["optimizer_states"][0])
        return float(content["callbacks"][Saver.__name__]["seconds"])


def first(states: States, count: int) -> np.ndarray:
    """The first ``count`` trajectories, or all there are."""
    found, held = [], 0
    for block in states.blocks():
        found.append(block)
        held += len(block)
        if held >= count:
            break
    return np.concatenate(found)[:count]
