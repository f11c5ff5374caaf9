"""Variable projection as part of a run: batches, log, progress, checkpoints and signals."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import Logger
from torch import Tensor

from sirve.data.states import States, first
from sirve.data.windows import Windows
from sirve.errors import Stopped, UserError, one_line
from sirve.forecasting import checkpoint as saved_forecaster
from sirve.forecasting.forecaster import Forecaster
from sirve.io import checkpoints
from sirve.io.checkpoints import LAST
from sirve.io.progress import track
from sirve.metrics.validation import log_error
from sirve.runs import signals
from sirve.training.saver import Saver
from sirve.training.varpro import Descent, VarPro


@dataclass(frozen=True)
class Projection:
    """Trains the recurrent weights of a forecaster in place, and saves checkpoints.

    ``valid`` holds the observed contexts and the clean truth after them. last.ckpt is written to
    ``folder`` every ``every`` updates and when a signal arrives: the same command resumes from it,
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

    def run(self, saved: Path | None, details: dict[str, Any]) -> float:
        """Train to the last update and keep the best weights; the readout is not fitted yet.

        Adds what was done to ``details``, where ``seconds`` is CPU time. Returns the seconds
        spent, including those of earlier, interrupted processes. Raises Interrupted, and Stopped
        for a loss that is not finite.
        """
        descent, clock = self._descent(), _Clock()
        if saved is not None:
            self._restore(descent, clock, saved)
        steps = range(descent.step, self.plan.updates)
        with signals.deferred():
            for _ in track(steps, "train", len(steps)):
                row = descent.advance()
                if not np.isfinite(row["train/loss"]):
                    raise Stopped(
                        f"training stopped at step {descent.step}: loss {row['train/loss']:g}; "
                        "raise fit.ridge, or lower fit.lr of fit=varpro_soap (the last checkpoint "
                        "is untouched)"
                    )
                for logger in self.loggers:
                    logger.log_metrics(row, descent.step)
                asked = signals.received()
                if asked or "valid/log_error" in row or descent.step % self.every == 0:
                    self._save(descent.step, clock.read()[0], [descent.state_dict(), clock.read()])
                if asked:
                    raise signals.Interrupted(asked)
        descent.finish()
        seconds, processor = clock.read()
        details |= {
            "method": type(self.plan).__name__.lower(),
            "trainable": self.plan.trainable,
            "weights": sum(weight.numel() for weight in descent.weights),
            "updates": self.plan.updates,
            "seconds": processor,
            "valid_log_error": descent.best,
        }
        return seconds

    def finish(self, seconds: float) -> None:
        """Write the final checkpoint, which says that nothing is left to train."""
        self._save(self.plan.updates, seconds, [], done=True)

    def _descent(self) -> Descent:
        forecaster, (context, truth) = self.forecaster, self.valid
        core = forecaster.core.double()
        windows = Windows(self.train, self.plan.length, self.plan.batch, self.seed)
        fitted = first(self.train.blocks(), self.plan.readout_size)
        trajectories = forecaster.read(torch.as_tensor(fitted))
        read = torch.as_tensor(context)

        def score() -> float:
            return log_error(forecaster.errors(read, truth))

        skip = min(context.shape[1] - 1, trajectories.shape[1] - 2)

        def batch(step: int) -> Tensor:
            return forecaster.read(windows[step])

        return Descent(self.plan, core, batch, trajectories, score, self.seed, skip)

    def _save(self, step: int, seconds: float, states: list[Any], done: bool = False) -> None:
        """Write last.ckpt in the form that ``Saved`` reads."""
        best = 0.0 if done else float("inf")  # Saved takes a finite score for an existing best.ckpt
        content = {
            "pytorch-lightning_version": pl.__version__,
            "epoch": 0,
            "global_step": step,
            "state_dict": self.forecaster.state_dict(),
            "callbacks": {Saver.__name__: {"best": best, "seconds": seconds, "done": done}},
            "loops": {},
            "optimizer_states": states,
            "lr_schedulers": [],
        }
        content["sirve"] = saved_forecaster.describe(self.forecaster)
        checkpoints.save(content, self.folder / LAST)

    def _restore(self, descent: Descent, clock: "_Clock", saved: Path) -> None:
        content = checkpoints.load(saved)
        try:
            self.forecaster.load_state_dict(content["state_dict"])
            state, spent = content["optimizer_states"]
            descent.load_state_dict(state)
            clock.spent = [float(seconds) for seconds in spent]
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise UserError(
                f"{saved} was not written by variable projection ({one_line(str(error))}); use "
                "another checkpoint"
            ) from error


class _Clock:
    """Counts wall and CPU seconds, including those of earlier processes."""

    def __init__(self) -> None:
        self.spent = [0.0, 0.0]
        self._start = [time.perf_counter(), time.process_time()]

    def read(self) -> list[float]:
        now = [time.perf_counter(), time.process_time()]
        return [a + b - c for a, b, c in zip(self.spent, now, self._start, strict=True)]
