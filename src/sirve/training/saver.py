"""When a run is saved, and how it stops: between two steps, where nothing is half done."""

import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from sirve.errors import Stopped
from sirve.forecasting.forecaster import Forecaster
from sirve.io.checkpoints import BEST, LAST
from sirve.runs import signals


class Saver(Callback):
    """last.ckpt every ``every`` steps, previous.ckpt the one before it, and best.ckpt.

    Best is judged by free rollouts over the validation set, never by one-step loss. A signal is
    noted when it comes; before the next step all ranks agree on it, a checkpoint is written, and
    Interrupted is raised.

    ``seconds`` is the time spent training and ``processor`` that of this rank's processor, over
    all processes that went on with the run, ``done`` whether there is nothing left to train.
    """

    def __init__(self, folder: Path, every: int) -> None:
        self.folder, self.every = folder, every
        self.best, self.seconds, self.processor, self.done = float("inf"), 0.0, 0.0, False
        self._since = time.perf_counter(), time.process_time()

    def state_dict(self) -> dict[str, Any]:
        now = time.perf_counter(), time.process_time()
        self.seconds += now[0] - self._since[0]
        self.processor += now[1] - self._since[1]
        self._since = now
        spent = {"seconds": self.seconds, "processor": self.processor}
        return {"best": self.best, **spent, "done": self.done}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best, self.seconds = state_dict["best"], state_dict["seconds"]
        self.processor = state_dict.get("processor", 0.0)

    def on_train_start(self, trainer: pl.Trainer, *_: Any) -> None:
        self._since = time.perf_counter(), time.process_time()
        self._saved = trainer.global_step

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        # What belongs to the step before, its validation too, has been done.
        step = trainer.global_step
        asked = signals.received()
        stop = trainer.strategy.reduce_boolean_decision(asked is not None, all=False)
        if step > self._saved and (stop or step % self.every == 0):
            trainer.save_checkpoint(self.folder / LAST)
            self._saved = step
        if stop:
            raise signals.Interrupted(asked or signals.SIGNALS[0])

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Lightning has counted the batch that comes next as ready already.

        Left so, it would count it twice when it goes on, and validate one step too early. Its
        count for loggers, too, runs ahead where it goes on from a validation.
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
                assert isinstance(pl_module, Forecaster)
                pl_module.save(self.folder / BEST)

    def finish(self, trainer: pl.Trainer) -> None:
        """The last checkpoint of all: whoever goes on from it has nothing to train."""
        self.done = True
        trainer.save_checkpoint(self.folder / LAST)
