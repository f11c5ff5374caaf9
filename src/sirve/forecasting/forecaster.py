"""The forecaster: a core with its normaliser inside, physical units outside."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from sirve import metrics
from sirve.cores import Core
from sirve.cores.spread import spread_of
from sirve.data.shards import Info
from sirve.errors import Stopped, UserError
from sirve.forecasting.normaliser import Normaliser as Normaliser
from sirve.forecasting.rollout import pieces
from sirve.forecasting.sampling import futures
from sirve.io import checkpoints
from sirve.metrics import ensemble as probabilistic
from sirve.training.objectives.squared_error import SquaredError

Array = TypeVar("Array", np.ndarray, Tensor)


@dataclass(frozen=True)
class Training:
    """How a forecaster learns: objective, optimizer and budget in steps."""

    objective: SquaredError
    optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
    steps: int
    seed: int = 0
    warmup: int = 100
    schedule: str = "cosine"
    clip: float = 1.0
    log_every: int = 50

    def rate(self, step: int) -> float:
        """Factor of the learning rate: a linear warm-up, then constant or a cosine to zero."""
        warm = min(1.0, (step + 1) / max(1, self.warmup))
        if self.schedule == "constant":
            return warm
        return warm * 0.5 * (1 + math.cos(math.pi * min(1.0, step / self.steps)))


class Forecaster(pl.LightningModule):
    """normaliser, core, and how they are trained.

    ``model`` is the plain config the core was built from and ``info`` what the data say of
    themselves: with them a checkpoint is complete. ``std`` (C,) is the unit of errors, the
    deviation of each clean training channel.

    Laws: a core that calls the simulator scores the solver's own error; saved and loaded, it
    gives the same forecast bit for bit.
    """

    def __init__(
        self,
        core: Core,
        normaliser: Normaliser,
        model: dict[str, Any],
        info: Info,
        std: Sequence[float],
        training: Training | None = None,
    ) -> None:
        super().__init__()
        self.core, self.normaliser, self.model_config = core, normaliser, model
        self.info, self.std, self.training_plan = info, [float(s) for s in std], training
        self._last: dict[str, Tensor] = {}
        self._errors: list[np.ndarray] = []

    def forecast(
        self, context: Array, steps: int, covariates: Mapping[str, Any] | None = None
    ) -> Array:
        """The ``steps`` states after ``context``, in physical units.

        ``context`` is (c, *shape) or (B, c, *shape), NumPy or torch, c >= 1; the result has the
        same kind, floating type and batch. ``covariates`` are the parameters that the model was given
        in training, such as ``{"rho": 28.0}``: numbers, or one each of a batch. Raises UserError
        for another shape, a value that is not finite, a parameter too many or missing, or
        ``steps`` < 1.
        """
        return self._like(context, self._roll(self._taken(context, steps, covariates), steps))

    def ensemble(
        self,
        context: Array,
        steps: int,
        members: int = 16,
        seed: int = 0,
        covariates: Mapping[str, Any] | None = None,
    ) -> Array:
        """``members`` futures of each context, drawn state by state from p(x_t | past).

        (members, [B,] steps, *shape), all else as ``forecast``. A function of ``seed``: more
        members leave those that there were as they are. Raises UserError, too, for a model
        without a deviation.
        """
        if members < 1:
            raise UserError(f"members={members} must be at least 1")
        if self.core.spread is None:
            raise UserError(
                "this model has no deviation to draw from: train it with ensemble.members=16, or "
                "with objective=log_likelihood"
            )
        x = self.read(self._taken(context, steps, covariates))
        with torch.inference_mode():
            y = futures(self.core, x, steps, members, seed)
            return self._like(context, self.normaliser.back(y))

    def trusted_steps(self, ensemble: Array, threshold: float = metrics.THRESHOLD) -> np.ndarray:
        """How many leading steps of an ``ensemble`` to trust: whole numbers, ([B]).

        Those before its spread exceeds ``threshold`` standard deviations.
        """
        states = torch.as_tensor(ensemble).cpu().numpy()
        single = states.ndim == len(self.info.shape) + 2
        states = states[:, None] if single else states
        spread = probabilistic.spread(states, np.asarray(self.std))
        steps = metrics.valid_steps(spread, threshold)
        return steps[0] if single else steps

    def _taken(self, context: Array, steps: int, covariates: Mapping[str, Any] | None) -> Tensor:
        """``context`` as (B, c, C + known, *space) where the core is; UserError."""
        x = torch.as_tensor(context)
        x = x if x.ndim == len(self.info.shape) + 2 else x[None]
        self._check(x, tuple(context.shape), steps)
        return self.with_covariates(x, covariates or {}).to(self.device)

    def _like(self, context: Array, future: Tensor) -> Array:
        """``future`` (..., B, steps, *shape) of the kind, type and batch of ``context``."""
        x = torch.as_tensor(context)
        future = future.to(x.device, x.dtype if x.is_floating_point() else torch.float64)
        if x.ndim == len(self.info.shape) + 1:
            future = future.squeeze(-len(self.info.shape) - 2)
        return future.numpy() if isinstance(context, np.ndarray) else future

    @torch.inference_mode()
    def _roll(self, context: Tensor, steps: int, state: Any = None) -> Tensor:
        read, first = self.read(context), 0
        shape = (len(read), steps, self.core.shape[0], *read.shape[3:])
        future = torch.empty(shape, dtype=torch.float64, device=read.device)
        for y in pieces(self.core, read, steps, state=state):
            future[:, first : first + y.shape[1]] = self.core.predicted(self.normaliser.back(y))
            first += y.shape[1]
        return future

    def errors(self, context: Tensor, truth: np.ndarray, state: Any = None) -> np.ndarray:
        """e_k (B, steps) of the forecasts after ``context`` (known channels included).

        ``state`` is the core's memory before it.
        """
        prediction = self._roll(context, truth.shape[1], state).cpu().numpy()
        return metrics.normalised_error(truth, prediction, np.asarray(self.std))

    def states(self, x: np.ndarray, covariates: Mapping[str, Any]) -> Tensor:
        """x (B, T, *shape) in physical units as the core reads it."""
        return self.read(self.with_covariates(torch.as_tensor(x), covariates).to(self.device))

    def read(self, x: Tensor) -> Tensor:
        """Normalised in float64, then cast to the core's type."""
        return self.normaliser(x.double()).to(self.core.scale.dtype)

    def _check(self, x: Tensor, given: tuple[int, ...], steps: int) -> None:
        shape = tuple(self.info.shape)
        fits = x.ndim == len(shape) + 2 and self.core.accepts_shape(tuple(x.shape[2:]))
        if not fits or x.shape[1] < 1:
            channels = ", ".join(self.info.channels)
            raise UserError(
                f"context has shape {given}; give (c, {', '.join(map(str, shape))}) or a batch of "
                f"it, c >= 1, channels {channels}"
            )
        if not torch.isfinite(x).all():
            raise UserError("context holds a value that is not finite; remove or fill it first")
        if steps < 1:
            raise UserError(f"steps={steps} must be at least 1")

    def with_covariates(self, x: Tensor, covariates: Mapping[str, Any]) -> Tensor:
        """x (B, c, *shape) with the known parameters as further, constant channels."""
        names = self.info.covariates
        if set(covariates) != set(names):
            given = ", ".join(covariates) or "none"
            raise UserError(f"known has {given}; this model was given {', '.join(names) or 'none'}")
        if not names:
            return x
        columns = torch.empty(len(x), len(names), dtype=torch.float64)
        for i, name in enumerate(names):
            columns[:, i] = torch.as_tensor(covariates[name], dtype=torch.float64)
        if not torch.isfinite(columns).all():
            raise UserError(f"known={covariates} holds a value that is not finite; give numbers")
        columns = columns.reshape(len(x), 1, len(names), *[1] * (x.ndim - 3))
        shape = (len(x), x.shape[1], len(names), *x.shape[3:])
        return torch.cat([x, columns.expand(shape).to(x)], dim=2)

    # Learning, called by Lightning.

    def configure_optimizers(self) -> Any:
        plan = self._plan()
        optimizer = plan.optimizer(self.core.parameters())
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, plan.rate)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }

    def on_train_batch_start(self, *_: Any) -> None:
        """Whatever a core draws, by dropout for one, is a function of (seed, step, rank)."""
        key = (self.global_step, 2, self.global_rank)
        draw = np.random.SeedSequence(self._plan().seed, spawn_key=key)
        number = int(draw.generate_state(1)[0])
        # torch.manual_seed would format a stack and keep it for GPUs that are not there.
        torch.default_generator.manual_seed(number)
        if self.device.type == "cuda":
            torch.cuda.manual_seed(number)
        noise = np.random.SeedSequence(self._plan().seed, spawn_key=(self.global_step, 1))
        self._rng = np.random.default_rng(noise)

    def training_step(self, window: Tensor, _index: int) -> Tensor:
        plan = self._plan()
        passed = self.global_step / plan.steps
        loss = plan.objective(self.core, self.read(window), self._normal, passed)
        self._last["loss"] = loss.detach()
        return loss

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        norm = nn.utils.clip_grad_norm_(self.core.parameters(), self._plan().clip)
        if not torch.isfinite(norm + self._last["loss"]):
            raise Stopped(
                f"training stopped before step {self.global_step + 1}: loss "
                f"{float(self._last['loss']):g}, gradient norm {float(norm):g}; lower optimizer.lr "
                "or trainer.clip (the last checkpoint is untouched)"
            )
        self._last["grad_norm"] = norm
        self._last["lr"] = torch.tensor(optimizer.param_groups[0]["lr"])

    def on_train_batch_end(self, *_: Any) -> None:
        if self.global_step % self._plan().log_every == 0:
            self._record({f"train/{key}": float(value) for key, value in self._last.items()})

    def _normal(self, x: Tensor) -> Tensor:
        """Standard normal numbers for this rank's share x of the batch, others at each call: a

        function of (seed, step), whatever the number of ranks and what else has drawn numbers.
        """
        draws = self._rng.normal(size=(self.trainer.world_size, *x.shape))[self.global_rank]
        return torch.as_tensor(draws).to(x)

    def validation_step(self, batch: tuple[Tensor, Tensor], _index: int) -> None:
        context, truth = batch
        self._errors.append(self.errors(context, truth.cpu().numpy()))

    def on_validation_epoch_end(self) -> None:
        error = np.concatenate(self._errors)
        self._errors.clear()
        score = log_error(error)
        time = metrics.valid_time(error, metrics.THRESHOLD, self.info.dt, self.info.unit)
        self.log("valid/log_error", score, logger=False, sync_dist=True)  # equal on all ranks
        self._record({"valid/log_error": score, "valid/valid_time": time["median"]})

    def _record(self, row: dict[str, float]) -> None:
        for logger in self.loggers:
            logger.log_metrics(row, self.global_step)

    def _plan(self) -> Training:
        assert self.training_plan is not None, "this forecaster was not made for training"
        return self.training_plan

    # Saving and loading.

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["sirve"] = self.about()

    def about(self) -> dict[str, Any]:
        """What with the weights is the whole forecaster, in plain types."""
        return {
            "model": self.model_config,
            "info": asdict(self.info),
            "std": self.std,
            "spread": spread_of(self.core),
            "dtype": str(self.core.scale.dtype).removeprefix("torch."),
        }

    def save(self, path: Path) -> None:
        """A checkpoint without a trainer's state: enough to forecast, not to go on training."""
        content: dict[str, Any] = {
            "pytorch-lightning_version": pl.__version__,
            "epoch": self.current_epoch,
            "global_step": self.global_step,
            "state_dict": self.state_dict(),
        }
        self.on_save_checkpoint(content)
        checkpoints.save(content, path)


def log_error(error: np.ndarray) -> float:
    """Mean over rollouts and steps of log10 of the error, between 1e-12 and 10: lower is better.

    It grows with every step at which a forecast is worse, whether the error explodes as in chaos
    or creeps as in diffusion; one-step loss can fall while it rises.
    """
    return float(np.log10(np.clip(error, 1e-12, 10.0)).mean())
