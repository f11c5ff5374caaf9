"""The LightningModule that trains a forecaster by gradient descent."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from sirve import metrics
from sirve.errors import Stopped
from sirve.forecasting import checkpoint as saved
from sirve.forecasting.forecaster import Forecaster
from sirve.metrics.validation import log_error
from sirve.training.objectives.base import Objective


@dataclass(frozen=True)
class TrainingPlan:
    """How a forecaster learns: objective, optimizer and the budget in updates.

    ``cooldown`` is the share of the updates over which the schedule "linear" falls to zero.
    ``shared`` is the number of updates whose shares an objective is told, such as the share over
    which a horizon grows; None means ``updates``.
    """

    objective: Objective
    optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
    updates: int
    seed: int = 0
    warmup: int = 100
    schedule: str = "cosine"
    cooldown: float = 0.6
    shared: int | None = None
    clip: float = 1.0
    log_every: int = 50

    @property
    def falling(self) -> int:
        """Number of last updates over which the schedule "linear" falls to zero."""
        return max(1, round(self.cooldown * self.updates))

    def rate(self, step: int) -> float:
        """Return the factor of the learning rate before update ``step``, counted from 0.

        After a linear warm-up it is constant, or falls to zero as half a cosine, or is constant
        and falls linearly to zero over the last ``falling`` updates.
        """
        warm = min(1.0, (step + 1) / max(1, self.warmup))
        if self.schedule == "constant":
            return warm
        if self.schedule == "linear":
            return warm * min(1.0, max(0, self.updates - step) / self.falling)
        return warm * 0.5 * (1 + math.cos(math.pi * min(1.0, step / self.updates)))


class TrainingModule(pl.LightningModule):
    """Trains a forecaster in place; its weights have the names that a forecaster's have."""

    def __init__(self, forecaster: Forecaster, plan: TrainingPlan) -> None:
        super().__init__()
        self.core, self.normaliser = forecaster.core, forecaster.normaliser
        self._forecaster = (forecaster,)  # in a tuple: not a submodule, its weights are above
        self.plan = plan
        self.aside = 0  # updates of finished branches, which the step of a logged row counts too
        self._last: dict[str, Tensor] = {}
        self._errors: list[np.ndarray] = []

    @property
    def forecaster(self) -> Forecaster:
        return self._forecaster[0]

    def configure_optimizers(self) -> Any:
        optimizer = self.plan.optimizer(self.core.parameters())
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, self.plan.rate)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }

    def on_train_batch_start(self, *_: Any) -> None:
        """Seed whatever a core draws, such as dropout, by (seed, step, rank)."""
        key = (self.global_step, 2, self.global_rank)
        sequence = np.random.SeedSequence(self.plan.seed, spawn_key=key)
        number = int(sequence.generate_state(1)[0])
        # torch.manual_seed would format a stack and keep it for GPUs that are not there.
        torch.default_generator.manual_seed(number)
        if self.device.type == "cuda":
            torch.cuda.manual_seed(number)
        noise = np.random.SeedSequence(self.plan.seed, spawn_key=(self.global_step, 1))
        self._rng = np.random.default_rng(noise)

    def training_step(self, window: Tensor, _index: int) -> Tensor:
        passed = self.global_step / (self.plan.shared or self.plan.updates)
        x = self.forecaster.read(window)
        loss = self.plan.objective(self.core, x, self._normal, passed)
        self._last["loss"] = loss.detach()
        return loss

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        norm = nn.utils.clip_grad_norm_(self.core.parameters(), self.plan.clip)
        if not torch.isfinite(norm + self._last["loss"]):
            raise Stopped(
                f"training stopped before step {self.global_step + 1}: loss "
                f"{float(self._last['loss']):g}, gradient norm {float(norm):g}; lower optimizer.lr "
                "or trainer.clip (the last checkpoint is untouched)"
            )
        self._last["grad_norm"] = norm
        self._last["lr"] = torch.tensor(optimizer.param_groups[0]["lr"])

    def on_train_batch_end(self, *_: Any) -> None:
        if self.global_step % self.plan.log_every == 0:
            self._record({f"train/{key}": float(value) for key, value in self._last.items()})

    def validation_step(self, batch: tuple[Tensor, Tensor], _index: int) -> None:
        context, truth = batch
        self._errors.append(self.forecaster.errors(context, truth.cpu().numpy()))

    def on_validation_epoch_end(self) -> None:
        error = np.concatenate(self._errors)
        self._errors.clear()
        score, info = log_error(error), self.forecaster.info
        time = metrics.valid_time(error, metrics.THRESHOLD, info.dt, info.unit)
        self.log("valid/log_error", score, logger=False, sync_dist=True)  # equal on all ranks
        self._record({"valid/log_error": score, "valid/valid_time": time["median"]})

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["sirve"] = saved.describe(self.forecaster)

    def _normal(self, x: Tensor) -> Tensor:
        """Return standard normal numbers for this rank's share x of the batch.

        They differ at each call and are a function of (seed, step), whatever the number of ranks
        and whatever else has drawn numbers.
        """
        numbers = self._rng.normal(size=(self.trainer.world_size, *x.shape))[self.global_rank]
        return torch.as_tensor(numbers).to(x)

    def _record(self, row: dict[str, float]) -> None:
        for logger in self.loggers:
            logger.log_metrics(row, self.global_step + self.aside)
