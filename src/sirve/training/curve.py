"""The learning curve of trainer.updates=auto: finished networks of more and more updates."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from sirve.io.checkpoints import TRUNK
from sirve.training.module import TrainingModule, TrainingPlan
from sirve.training.saver import Saver

GAIN = 0.1  # share of the error by which twice the updates must lower it


Point = dict[str, Any]  # updates, cpu_seconds, valid_log_error


@dataclass(frozen=True)
class Doubling:
    """Updates of the networks on a learning curve: ``first``, and then twice as many each time.

    Training ends where twice the updates lower the error of the forecasts of the validation set by
    less than 10 %, or where a network would have more updates than ``ceiling``. The ceiling counts
    updates rather than seconds, so that a curve is the same on every machine. ``bound`` is the mean
    log10 error of the mean training state: a curve that is flat above it is not learned yet, and
    goes on.
    """

    first: int
    ceiling: int
    bound: float = math.inf

    def updates(self, number: int) -> int:
        """Return the updates of network ``number``, counted from 0."""
        return self.first * 2**number

    def converged(self, points: Sequence[Point]) -> bool:
        """Return whether the last doubling has lowered the validation error by less than 10 %."""
        if len(points) < 2:
            return False
        before, now = (point["valid_log_error"] for point in points[-2:])
        return bool(10 ** (now - before) > 1 - GAIN and now < self.bound)

    def summary(self, points: Sequence[Point]) -> dict[str, Any]:
        """Return the entries of a learning curve in metrics.json."""
        return {"learning_curve": list(points), "converged": self.converged(points)}


class LearningCurve(Callback):
    """Trains one trunk at a constant rate, with a branch for each network of the curve.

    The branch of a network of n updates leaves the trunk after n - ``plan.falling`` updates, and
    its rate falls linearly to zero: it is the network of the schedule "linear" with n updates, bit
    for bit. Where it leaves, the trunk is saved as trunk.ckpt, and resumes from there for the next
    network. So all networks together cost at most 1 + ``plan.cooldown`` times the updates of the
    last one, and not twice as many.

    One fit of Lightning is one lap: the trunk from its checkpoint on, and the branch that ends it.

    ``points`` has for each network its updates, the CPU time that it alone would have cost, and
    the mean log10 error of its forecasts of the validation set. ``aside`` is what the branches
    before the present one have cost: updates, seconds and CPU time.
    """

    def __init__(
        self, plan: TrainingPlan, doubling: Doubling, saver: Saver, points: Sequence[Point] = ()
    ) -> None:
        self._plan, self._doubling, self._saver = plan, doubling, saver
        self.points = list(points)
        self.aside: dict[str, Any] = {"updates": 0, "seconds": 0.0, "processor": 0.0}
        self._score = math.nan
        self.fork: dict[str, float] | None = None  # seconds and CPU time where the branch began

    def state_dict(self) -> dict[str, Any]:
        first = {"first": self._doubling.first}
        return {**first, "points": list(self.points), "aside": dict(self.aside), "fork": self.fork}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the curve of a checkpoint, unless this one is longer: then the trunk resumes."""
        if len(state_dict["points"]) >= len(self.points):
            self.points, self.aside = list(state_dict["points"]), dict(state_dict["aside"])
            self.fork = state_dict["fork"]

    @property
    def plan(self) -> TrainingPlan:
        """The plan of the network that comes next."""
        return replace(self._plan, updates=self._doubling.updates(len(self.points)))

    @property
    def finished(self) -> bool:
        """Is true when the curve has converged or its next network would pass the ceiling."""
        return self._doubling.converged(self.points) or self.plan.updates > self._doubling.ceiling

    def on_train_batch_start(
        self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any
    ) -> None:
        """Save the trunk before the first update of the branch."""
        assert isinstance(module, TrainingModule)
        module.aside = self.aside["updates"]
        if self.fork is None and trainer.global_step >= self.plan.updates - self.plan.falling:
            self._saver.count()
            self.fork = {"seconds": self._saver.seconds, "processor": self._saver.processor}
            trainer.save_checkpoint(self._saver.folder / TRUNK)

    def on_validation_end(self, trainer: pl.Trainer, *_: Any) -> None:
        self._saver.count()
        self._score = float(trainer.callback_metrics["valid/log_error"])

    def close_branch(self) -> Path:
        """Add the network that is finished to the curve; return the checkpoint of the trunk."""
        assert self.fork is not None
        saver, plan = self._saver, self.plan
        spent = {"cpu_seconds": saver.processor, "valid_log_error": self._score}
        self.points.append({"updates": plan.updates, **spent})
        self.aside["updates"] += plan.falling
        self.aside["seconds"] += saver.seconds - self.fork["seconds"]
        self.aside["processor"] += saver.processor - self.fork["processor"]
        self.fork = None
        return saver.folder / TRUNK
