"""Training a forecaster with Lightning: budget, checkpoints, early stopping, progress."""

import logging
import os
import signal
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
import torch.distributed as dist
from pytorch_lightning.callbacks import Callback, EarlyStopping
from pytorch_lightning.loggers import Logger
from pytorch_lightning.strategies import DDPStrategy
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch.utils.data import DataLoader, TensorDataset

from sirve.data.states import States
from sirve.data.windows import Windows, load
from sirve.errors import Stopped, one_line
from sirve.forecasting.forecaster import Forecaster, Training
from sirve.io.checkpoints import WholeCheckpointIO
from sirve.runs import run_folder, signals
from sirve.training.saver import Saver

# One rank's share is a gather from memory: Lightning's advice on loader workers does not apply.
_NOISE = (
    "does not have many workers",
    "IterableDataset",
    "isinstance.treespec",
    "litlogger",
    "srun. command is available",  # on the login node of a cluster, where one machine is meant
)


CONTINUE = "the same command goes on from the last checkpoint"
_RANK_VARIABLES = ("LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Hardware:
    """Where training runs: Lightning's accelerator, devices, strategy and precision.

    ``timeout`` is how many seconds a silent rank is waited for, ``loaders`` how many processes
    gather batches beside each rank, which gathers them itself if there are none.
    """

    accelerator: str = "cpu"
    devices: int = 1
    strategy: str = "auto"
    precision: str = "32-true"
    timeout: float = 300.0
    loaders: int = 0


@dataclass(frozen=True)
class Seen:
    """What the model may see, in physical units: training states, and contexts with their truth."""

    train: States  # (n, T, *shape)
    valid_context: np.ndarray  # (n, c, *shape)
    valid_truth: np.ndarray  # (n, steps, *shape), clean


@dataclass(frozen=True)
class Rhythm:
    """How often, over a run: validations evenly spread, checkpoints every so many steps."""

    validations: int = 12
    patience: int | None = None  # validations without a better one before stopping early
    checkpoint_every: int = 500


def fit(
    forecaster: Forecaster,
    seen: Seen,
    run: Path,
    hardware: Hardware,
    loggers: Sequence[Logger],
    batch: int,
    rhythm: Rhythm,
    saved: Path | None = None,
    after: Callable[[pl.Trainer], None] | None = None,
) -> tuple[pl.Trainer, float]:
    """Train to the budget of the forecaster's plan; leaves checkpoints/best.ckpt and last.ckpt.

    From the checkpoint ``saved`` on, it is bit for bit the run that was never interrupted: batches,
    noise and whatever else a core draws are functions of (seed, step). ``after`` is called on all
    ranks when training is over. Returns the trainer and the seconds spent training. Raises
    Interrupted on a signal, after the step and a checkpoint, and Stopped where a rank has died.
    """
    plan = forecaster.training_plan
    assert plan is not None
    _quiet()
    if hardware.precision == "64-true":  # Lightning would do so after it has read a checkpoint
        forecaster.core.double()
    saver = Saver(run / "checkpoints", rhythm.checkpoint_every)
    trainer = _trainer(plan, run, hardware, loggers, rhythm, saver)
    windows = Windows(
        seen.train if hardware.loaders else seen.train.to(trainer.strategy.root_device),
        plan.objective.length,
        batch,
        plan.seed,
        trainer.global_rank,
        trainer.world_size,
    )
    batches = load(windows, lambda: trainer.global_step, hardware.loaders, _as_loader)
    truth = TensorDataset(torch.as_tensor(seen.valid_context), torch.as_tensor(seen.valid_truth))
    with _own_ranks(), signals.deferred():
        try:
            trainer.fit(forecaster, batches, DataLoader(truth, batch_size=64), ckpt_path=saved)
            if after is not None:
                after(trainer)
            saver.finish(trainer)
        except RuntimeError as error:  # gloo and NCCL have no type of their own for it
            if trainer.world_size == 1:
                raise
            if trainer.strategy.launcher is not None:  # on the first rank: one that hangs stays
                trainer.strategy.launcher.kill(signal.SIGKILL)
            raise Stopped(f"a rank has failed ({one_line(str(error))}); {CONTINUE}") from error
    return trainer, saver.seconds


def _trainer(
    plan: Training,
    run: Path,
    hardware: Hardware,
    loggers: Sequence[Logger],
    rhythm: Rhythm,
    saver: Saver,
) -> pl.Trainer:
    """Lightning's trainer, counting steps, with our checkpoints and our progress bar."""
    callbacks: list[Callback] = [saver, Bar(plan.steps)]
    if rhythm.patience is not None:
        callbacks.append(EarlyStopping("valid/log_error", patience=rhythm.patience, mode="min"))
    ddp = hardware.strategy == "ddp"
    trainer = pl.Trainer(
        accelerator=hardware.accelerator,
        devices=hardware.devices,
        strategy=DDPStrategy(timeout=timedelta(seconds=hardware.timeout)) if ddp else "auto",
        precision=hardware.precision,  # type: ignore[arg-type]
        max_steps=plan.steps,
        val_check_interval=max(1, plan.steps // rhythm.validations),
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
    # Lightning's own handlers run collectives inside a signal, and a shell under Slurm; ours stay.
    trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
    return trainer


def _as_loader(_number: int) -> None:
    """In a process that gathers batches: it neither stops by itself nor owns the run's folder."""
    signals.ignore()
    run_folder.release()


def device(hardware: Hardware) -> torch.device:
    """Where this process forecasts."""
    return torch.device("cuda" if hardware.accelerator == "gpu" else "cpu")


def device_name(hardware: Hardware) -> str | None:
    """The GPU's, None without one."""
    return torch.cuda.get_device_name() if hardware.accelerator == "gpu" else None


@contextmanager
def _own_ranks() -> Iterator[None]:
    """Leave no process group and no rank behind: the next run of a sweep starts its own."""
    before = {key: os.environ.get(key) for key in _RANK_VARIABLES}
    try:
        yield
    finally:
        if dist.is_available() and dist.is_initialized():
            dist.destroy_process_group()
        for key, value in before.items():
            if value is None:
                os.environ.pop(key, None)


def _quiet() -> None:
    for name in ("pytorch_lightning", "lightning_fabric", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for text in _NOISE:
        warnings.filterwarnings("ignore", message=f".*{text}.*")


class Bar(Callback):
    """One line: steps done, loss, the last validation."""

    def __init__(self, steps: int) -> None:
        self.progress = Progress(
            TextColumn("train"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        self.task = self.progress.add_task("train", total=steps, note="")

    def on_train_start(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.is_global_zero:
            self.progress.start()
            self.progress.update(self.task, completed=trainer.global_step)

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        self.progress.update(self.task, completed=trainer.global_step)

    def on_validation_end(self, trainer: pl.Trainer, *_: Any) -> None:
        score = float(trainer.callback_metrics["valid/log_error"])
        self.progress.update(self.task, note=f"validation log10 error {score:.2f}")

    def on_train_end(self, *_: Any) -> None:
        self.progress.stop()

    def on_exception(self, *_: Any) -> None:
        self.progress.stop()
