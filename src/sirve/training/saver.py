"""Saves checkpoints during training, and stops a run between two updates."""

import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from sirve.errors import Stopped
from sirve.forecasting import checkpoint as saved
from sirve.io.checkpoints import BEST, LAST
from sirve.runs import signals
from sirve.training.module import TrainingModule


class Saver(Callback):
    """Writes last.ckpt every ``every`` updates, previous.ckpt (the one before) and best.ckpt.

    The best weights are those whose free rollouts over the validation set are best, never those
    with the lowest one-step loss. When a signal has arrived, all ranks agree on it before the next
    update, write a checkpoint and raise Interrupted.

    ``seconds`` is the time spent training and ``processor`` the CPU time of this rank, summed over
    all processes that resumed the run; ``done`` says that nothing is left to train. ``due`` asks
    for a checkpoint before the next update.
    """

    def __init__(self, folder: Path, every: int) -> None:
        self.folder, self.every = folder, every
        self.best, self.seconds, self.processor, self.done = float("inf"), 0.0, 0.0, False
        self.due = False
        self._since = time.perf_counter(), time.process_time()

    def count(self) -> None:
        """Add the time since the last call."""
        now = time.perf_counter(), time.process_time()
        self.seconds += now[0] - self._since[0]
        self.processor += now[1] - self._since[1]
        self._since = now

    def state_dict(self) -> dict[str, Any]:
        self.count()
        spent = {"seconds": self.seconds, "processor": self.processor}
        return {"best": self.best, **spent, "done": self.done}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = min(self.best, state_dict["best"])  # a trunk that resumes knows less
        self.seconds = state_dict["seconds"]
        self.processor = state_dict.get("processor", 0.0)

    def on_train_start(self, trainer: pl.Trainer, *_: Any) -> None:
        self._since = time.perf_counter(), time.process_time()
        self._saved = trainer.global_step

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        # The update before, and its validation, are complete here.
        step = trainer.global_step
        asked = signals.received()
        stop = trainer.strategy.reduce_boolean_decision(asked is not None, all=False)
        if self.due or (step > self._saved and (stop or step % self.every == 0)):
            trainer.save_checkpoint(self.folder / LAST)
            self._saved, self.due = step, False
        if stop:
            raise signals.Interrupted(asked or signals.SIGNALS[0])

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Correct Lightning's counters, so that a resumed run does the same updates.

        Lightning has already counted the next batch as ready. Without this it would count that
        batch twice after resuming, and validate one step too early. Its counter for loggers also
        runs ahead when it resumes from a validation.
        """
        loops = checkpoint["loops"]["fit_loop"]
        for part in ("total", "current"):
            progress = loops["epoch_loop.batch_progress"][part]
            progress["ready"] = progress["completed"]
        loops["epoch_loop.state_dict"]["_batches_that_stepped"] = trainer.global_step

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        score = float(trainer.callback_metrics["valid/log_error"])
        if not abs(score) < float("inf"):
            raise Stopped(
                f"the validation score after step {trainer.global_step} is {score}; lower "
                "optimizer.lr (the last checkpoint is untouched)"
            )
        if score < self.best:
            self.best = score
            if trainer.is_global_zero:
                assert isinstance(pl_module, TrainingModule)
                saved.save(pl_module.forecaster, self.folder / BEST, trainer.global_step)

    def finish(self, trainer: pl.Trainer) -> None:
        """Write the final checkpoint, which says that nothing is left to train."""
        self.done = True
        trainer.save_checkpoint(self.folder / LAST)
