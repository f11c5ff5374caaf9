"""Training by gradient descent with Lightning: budget, checkpoints, early stopping, progress."""

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import Logger
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from sirve.data.states import States
from sirve.data.windows import Windows, load
from sirve.errors import Stopped, one_line
from sirve.runs import run_folder, signals
from sirve.runs.saved import Saved
from sirve.training.compiling import compiled
from sirve.training.curve import Doubling, LearningCurve
from sirve.training.lightning import Hardware, Monitoring, build_trainer, own_ranks, silence
from sirve.training.module import TrainingModule, TrainingPlan
from sirve.training.saver import Saver

RESUME = "the same command resumes from the last checkpoint"


@dataclass(frozen=True)
class TrainingData:
    """Training states and validation contexts as observed, and the truth after the contexts.

    All are in physical units.
    """

    train: States  # (n, T, *shape)
    valid_context: np.ndarray  # (n, c, *shape)
    valid_truth: np.ndarray  # (n, steps, *shape), clean


@dataclass(frozen=True)
class Trained:
    """Holds the results of a training: Lightning's last trainer, the saver, and the curve if any.

    The saver knows the best score.
    """

    trainer: pl.Trainer
    saver: Saver
    curve: LearningCurve | None

    @property
    def seconds(self) -> tuple[float, float]:
        """Seconds spent training, and CPU time of this rank, over all branches."""
        aside = self.curve.aside if self.curve else {"seconds": 0.0, "processor": 0.0}
        spent = self.saver.seconds, self.saver.processor
        return spent[0] + aside["seconds"], spent[1] + aside["processor"]


def train(
    module: TrainingModule,
    data: TrainingData,
    run: Path,
    hardware: Hardware,
    loggers: Sequence[Logger],
    batch: int,
    monitoring: Monitoring,
    saved: Saved | None = None,
    after: Callable[[pl.Trainer], None] | None = None,
    doubling: Doubling | None = None,
) -> Trained:
    """Train to the budget of the module's plan, leaving checkpoints/best.ckpt and last.ckpt.

    A run that resumes from the checkpoint ``saved`` is bit for bit the run that was never
    interrupted: batches, noise and whatever a core draws are functions of (seed, step).

    Args:
        module: the forecaster and its plan.
        data: training and validation states.
        run: the folder of the run.
        hardware: where to train.
        loggers: receive every logged row.
        batch: windows in an update, over all ranks.
        monitoring: how often to validate and save.
        saved: the checkpoint to resume from.
        after: called with the trainer on all ranks when training is over.
        doubling: train a learning curve, and not the number of updates of the plan.

    Returns:
        The trainer, the saver and the learning curve.

    Raises:
        Interrupted: on a signal, after the update and a checkpoint.
        Stopped: where a rank has died.
    """
    silence()
    if hardware.precision == "64-true":  # Lightning would convert after it has read a checkpoint
        module.core.double()
    saver = Saver(run / "checkpoints", monitoring.checkpoint_every)
    points = saved.points if saved else ()
    curve = LearningCurve(module.plan, doubling, saver, points) if doubling else None
    callbacks = [curve, saver] if curve else [saver]
    begin, trainers = saved.path if saved else None, list[pl.Trainer]()
    fast = compiled(module.core, hardware.compile)
    with own_ranks(), signals.deferred(), fast, _stopping_all_ranks(trainers):
        while True:
            if curve is not None:
                module.plan, monitoring = curve.plan, replace(monitoring, validations=1)
            trainer = build_trainer(module.plan, run, hardware, loggers, monitoring, callbacks)
            trainers.append(trainer)
            batches, truth = _loaders(module.plan, data, hardware, batch, trainer)
            trainer.fit(module, batches, truth, ckpt_path=begin)
            if curve is None:
                break
            begin, saver.due = curve.close_branch(), True
            if curve.finished:
                break
        if after is not None:
            after(trainer)
        saver.finish(trainer)
    return Trained(trainer, saver, curve)


@contextmanager
def _stopping_all_ranks(trainers: Sequence[pl.Trainer]) -> Iterator[None]:
    """If a rank fails, end the ranks that wait for it, and raise Stopped."""
    try:
        yield
    except RuntimeError as error:  # gloo and NCCL raise no type of their own
        if not trainers or trainers[-1].world_size == 1:
            raise
        launcher = trainers[0].strategy.launcher  # the first one has started the other ranks
        if launcher is not None:  # on the first rank: end those that hang
            launcher.kill(signal.SIGKILL)
        raise Stopped(f"a rank has failed ({one_line(str(error))}); {RESUME}") from error


def _loaders(
    plan: TrainingPlan, data: TrainingData, hardware: Hardware, batch: int, trainer: pl.Trainer
) -> tuple[DataLoader[Tensor], DataLoader[tuple[Tensor, ...]]]:
    """Return the training windows from the trainer's step on, and the validation set."""
    windows = Windows(
        data.train if hardware.loaders else data.train.to(trainer.strategy.root_device),
        plan.objective.length,
        batch,
        plan.seed,
        trainer.global_rank,
        trainer.world_size,
    )
    batches = load(windows, lambda: trainer.global_step, hardware.loaders, _as_loader)
    truth = TensorDataset(torch.as_tensor(data.valid_context), torch.as_tensor(data.valid_truth))
    return batches, DataLoader(truth, batch_size=64)


def _as_loader(_number: int) -> None:
    """Prepare a process that gathers batches: it ignores signals and does not own the folder."""
    signals.ignore()
    run_folder.release()
