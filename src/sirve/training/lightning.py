"""Builds Lightning's trainer for the hardware, and cleans up its processes and messages."""

import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytorch_lightning as pl
import torch
import torch.distributed as dist
from pytorch_lightning.callbacks import Callback, EarlyStopping
from pytorch_lightning.loggers import Logger
from pytorch_lightning.strategies import DDPStrategy

from sirve.io.checkpoints import WholeCheckpointIO
from sirve.training.bar import Bar
from sirve.training.module import TrainingPlan

# Lightning's advice on loader workers does not apply: a batch is one gather from memory.
_WARNINGS = (
    "does not have many workers",
    "IterableDataset",
    "isinstance.treespec",
    "litlogger",
    "srun. command is available",  # on the login node of a cluster, without srun
)
_RANK_VARIABLES = ("LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Hardware:
    """Settings of the machine for training: Lightning's accelerator, devices, strategy, precision.

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
class Monitoring:
    """How often a run is validated (evenly spread) and saved (every so many updates)."""

    validations: int = 12
    patience: int | None = None  # validations without a better one before stopping early
    checkpoint_every: int = 500


def build_trainer(
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


def device(hardware: Hardware) -> torch.device:
    """Return the device on which this process forecasts."""
    return torch.device("cuda" if hardware.accelerator == "gpu" else "cpu")


def device_name(hardware: Hardware) -> str | None:
    """Return the name of the GPU; None without one."""
    return torch.cuda.get_device_name() if hardware.accelerator == "gpu" else None


@contextmanager
def own_ranks() -> Iterator[None]:
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


def silence() -> None:
    """Hide Lightning's advice and messages that do not apply to sirve."""
    for name in ("pytorch_lightning", "lightning_fabric", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for text in _WARNINGS:
        warnings.filterwarnings("ignore", message=f".*{text}.*")
