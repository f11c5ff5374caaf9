"""Training a forecaster with Lightning: budget, checkpoints, early stopping, progress."""

import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
import torch.distributed as dist
from pytorch_lightning.callbacks import Callback, EarlyStopping, ModelCheckpoint
from pytorch_lightning.loggers import Logger
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch.utils.data import DataLoader, TensorDataset

from sirve.checkpoints import WholeCheckpointIO
from sirve.data.windows import Windows
from sirve.forecaster import Forecaster, Training

# One rank's share is a gather from memory: Lightning's advice on loader workers does not apply.
_NOISE = ("does not have many workers", "IterableDataset", "isinstance.treespec", "litlogger")


_RANK_VARIABLES = ("LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Hardware:
    """Where training runs: Lightning's accelerator, devices, strategy and precision."""

    accelerator: str = "cpu"
    devices: int = 1
    strategy: str = "auto"
    precision: str = "32-true"


@dataclass(frozen=True)
class Seen:
    """What the model may see, in physical units: training states, and contexts with their truth."""

    train: np.ndarray  # (n, T, *shape)
    valid_context: np.ndarray  # (n, c, *shape)
    valid_truth: np.ndarray  # (n, steps, *shape), clean


def fit(
    forecaster: Forecaster,
    seen: Seen,
    run: Path,
    hardware: Hardware,
    loggers: Sequence[Logger],
    batch: int,
    validations: int = 12,
    patience: int | None = None,
) -> pl.Trainer:
    """Train to the budget of the forecaster's plan; leaves checkpoints/best.ckpt and last.ckpt.

    Best, and early stopping after ``patience`` validations without a better one, are judged by
    free rollouts over the validation set, never by one-step loss.
    """
    plan = forecaster.training_plan
    assert plan is not None
    _quiet()
    trainer = _trainer(plan, run, hardware, loggers, validations, patience)
    windows = Windows(
        _resident(torch.as_tensor(seen.train), trainer.strategy.root_device),
        plan.objective.length,
        batch,
        plan.seed,
        position=lambda: trainer.global_step,
        rank=trainer.global_rank,
        ranks=trainer.world_size,
    )
    truth = TensorDataset(torch.as_tensor(seen.valid_context), torch.as_tensor(seen.valid_truth))
    with _own_ranks():
        try:
            trainer.fit(forecaster, windows, DataLoader(truth, batch_size=64))
        except SystemExit:  # what Lightning makes of Ctrl-C, without a word
            raise KeyboardInterrupt from None
        trainer.save_checkpoint(run / "checkpoints" / "last.ckpt")
    return trainer


def _trainer(
    plan: Training,
    run: Path,
    hardware: Hardware,
    loggers: Sequence[Logger],
    validations: int,
    patience: int | None,
) -> pl.Trainer:
    """Lightning's trainer, counting steps, with our checkpoints and our progress bar."""
    best = ModelCheckpoint(
        dirpath=run / "checkpoints",
        filename="best",
        monitor="valid/log_error",
        mode="min",
        save_last=True,
        enable_version_counter=False,
        auto_insert_metric_name=False,
    )
    callbacks: list[Callback] = [best, Bar(plan.steps)]
    if patience is not None:
        callbacks.append(EarlyStopping("valid/log_error", patience=patience, mode="min"))
    return pl.Trainer(
        accelerator=hardware.accelerator,
        devices=hardware.devices,
        strategy=hardware.strategy,
        precision=hardware.precision,  # type: ignore[arg-type]
        max_steps=plan.steps,
        val_check_interval=max(1, plan.steps // validations),
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        logger=list(loggers),
        log_every_n_steps=1,
        callbacks=callbacks,
        plugins=[WholeCheckpointIO()],
        use_distributed_sampler=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=run,
    )


def _resident(x: torch.Tensor, device: torch.device) -> torch.Tensor:
    """x on the training device where it takes at most half of what is free, else where it is."""
    if device.type == "cuda" and x.nbytes > torch.cuda.mem_get_info(device)[0] / 2:
        return x
    return x.to(device)


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

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        self.progress.update(self.task, completed=trainer.global_step)

    def on_validation_end(self, trainer: pl.Trainer, *_: Any) -> None:
        score = float(trainer.callback_metrics["valid/log_error"])
        self.progress.update(self.task, note=f"validation log10 error {score:.2f}")

    def on_train_end(self, *_: Any) -> None:
        self.progress.stop()

    def on_exception(self, *_: Any) -> None:
        self.progress.stop()
