"""Training by gradient descent with Lightning: budget, checkpoints, early stopping, progress."""

import logging
import os
import signal
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
import torch.distributed as dist
from pytorch_lightning.callbacks import Callback, EarlyStopping
from pytorch_lightning.loggers import Logger
from pytorch_lightning.strategies import DDPStrategy
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from sirve.data.states import States
from sirve.data.windows import Windows, load
from sirve.errors import Stopped, one_line
from sirve.io.checkpoints import WholeCheckpointIO
from sirve.runs import run_folder, signals
from sirve.runs.saved import Saved
from sirve.training.bar import Bar
from sirve.training.compiling import compiled
from sirve.training.curve import Doubling, LearningCurve
from sirve.training.module import TrainingModule, TrainingPlan
from sirve.training.saver import Saver

# Lightning's advice on loader workers does not apply: a batch is one gather from memory.
_WARNINGS = (
    "does not have many workers",
    "IterableDataset",
    "isinstance.treespec",
    "litlogger",
    "srun. command is available",  # on the login node of a cluster, without srun
)


RESUME = "the same command resumes from the last checkpoint"
_RANK_VARIABLES = ("LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Hardware:
    """Where training runs: Lightning's accelerator, devices, strategy and precision.

    The other ranks wait ``timeout`` seconds for a silent one. ``loaders`` processes gather batches
    for each rank; with 0 the rank gathers them itself. ``compile`` compiles the core's step.
    """

    accelerator: str = "cpu"
    devices: int = 1
    strategy: str = "auto"
    precision: str = "32-true"
    timeout: float = 300.0
    loaders: int = 0
    compile: bool = False


@dataclass(frozen=True)
class TrainingData:
    """Training states and validation contexts as observed, and the truth after the contexts.

    All are in physical units.
    """

    train: States  # (n, T, *shape)
    valid_context: np.ndarray  # (n, c, *shape)
    valid_truth: np.ndarray  # (n, steps, *shape), clean


@dataclass(frozen=True)
class Monitoring:
    """How often a run is validated (evenly spread) and saved (every so many updates)."""

    validations: int = 12
    patience: int | None = None  # validations without a better one before stopping early
    checkpoint_every: int = 500


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
    _silence_lightning()
    if hardware.precision == "64-true":  # Lightning would convert after it has read a checkpoint
        module.core.double()
    saver = Saver(run / "checkpoints", monitoring.checkpoint_every)
    points = saved.points if saved else ()
    curve = LearningCurve(module.plan, doubling, saver, points) if doubling else None
    begin, trainers = saved.path if saved else None, list[pl.Trainer]()
    with _own_ranks(), signals.deferred(), compiled(module.core, hardware.compile):
        try:
            while True:
                if curve is not None:
                    module.plan, monitoring = curve.plan, replace(monitoring, validations=1)
                callbacks = [curve, saver] if curve else [saver]
                trainer = _trainer(module.plan, run, hardware, loggers, monitoring, callbacks)
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
        except RuntimeError as error:  # gloo and NCCL raise no type of their own
            if not trainers or trainers[-1].world_size == 1:
                raise
            launcher = trainers[0].strategy.launcher  # the first one has started the other ranks
            if launcher is not None:  # on the first rank: end those that hang
                launcher.kill(signal.SIGKILL)
            raise Stopped(f"a rank has failed ({one_line(str(error))}); {RESUME}") from error
    return Trained(trainer, saver, curve)


def _trainer(
    plan: TrainingPlan,
    run: Path,
    hardware: Hardware,
    loggers: Sequence[Logger],
    monitoring: Monitoring,
    callbacks: Sequence[Callback],
) -> pl.Trainer:
    """Build Lightning's trainer with our checkpoints and our progress bar."""
    callbacks = [*callbacks, Bar(plan.updates)]
    if monitoring.patience is not None:
        callbacks.append(EarlyStopping("valid/log_error", patience=monitoring.patience, mode="min"))
    ddp = hardware.strategy == "ddp"
    trainer = pl.Trainer(
        accelerator=hardware.accelerator,
        devices=hardware.devices,
        strategy=DDPStrategy(timeout=timedelta(seconds=hardware.timeout)) if ddp else "auto",
        precision=hardware.precision,  # type: ignore[arg-type]
        max_steps=plan.updates,
        val_check_interval=max(1, plan.updates // monitoring.validations),
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        logger=list(loggers),
        log_every_n_steps=1,
        callbacks=callbacks,
        enable_checkpointing=False,
        plugins=[WholeCheckpointIO()],
        use_distributed_sampler=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=run,
    )
    # Lightning's handlers run collectives inside a signal, and a shell under Slurm: keep ours.
    trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
    return trainer


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


def device(hardware: Hardware) -> torch.device:
    """Return the device on which this process forecasts."""
    return torch.device("cuda" if hardware.accelerator == "gpu" else "cpu")


def device_name(hardware: Hardware) -> str | None:
    """Return the name of the GPU; None without one."""
    return torch.cuda.get_device_name() if hardware.accelerator == "gpu" else None


@contextmanager
def _own_ranks() -> Iterator[None]:
    """Clean up the process group and its variables: the next run of a sweep starts its own."""
    before = {key: os.environ.get(key) for key in _RANK_VARIABLES}
    try:
        yield
    finally:
        if dist.is_available() and dist.is_initialized():
            dist.destroy_process_group()
        for key, value in before.items():
            if value is None:
                os.environ.pop(key, None)


def _silence_lightning() -> None:
    for name in ("pytorch_lightning", "lightning_fabric", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for text in _WARNINGS:
        warnings.filterwarnings("ignore", message=f".*{text}.*")
