"""When a run is saved, and how it stops: between two steps, where nothing is half done."""

import time
from pathlib import Path
from typing import Any, TypeVar

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from sirve import checkpoints, signals
from sirve.checkpoints import BEST, LAST
from sirve.errors import Stopped, UserError
from sirve.forecaster import Forecaster

T = TypeVar("T")


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


class Saved:
    """The newest checkpoint of a run that is good, to go on from."""

    def __init__(self, path: Path) -> None:
        content = checkpoints.load(path)
        state = _entry(path, _entry(path, content, "callbacks", dict), Saver.__name__, dict)
        for key, kind in _TRAINERS.items():
            _entry(path, content, key, kind)
        self.path, self.step = path, _entry(path, content, "global_step", int)
        self.done = _entry(path, state, "done", bool)
        self.seconds = _entry(path, state, "seconds", float)
        self.processor = _entry(path, {"processor": 0.0} | state, "processor", float)
        self.best = _entry(path, state, "best", float)
        self.has_best = self.best < float("inf")
        for seconds in (self.seconds, self.processor):
            if self.step < 0 or not 0 <= seconds < float("inf"):
                raise UserError(f"{path} counts steps {self.step}, seconds {seconds}; {_OTHER}")


_OTHER = "use another checkpoint"
_TRAINERS: dict[str, type[Any]] = {
    "state_dict": dict,
    "loops": dict,
    "optimizer_states": list,
    "lr_schedulers": list,
}


def _entry(path: Path, content: dict[str, Any], key: str, kind: type[T]) -> T:
    """What a trainer has left under ``key``; UserError where it is something else."""
    found = content.get(key)
    if not isinstance(found, kind) or (kind is int and isinstance(found, bool)):
        raise UserError(f"{path} has no {key} that a trainer would have left; {_OTHER}")
    return found
