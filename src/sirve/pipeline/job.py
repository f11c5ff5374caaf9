"""A job: one run, checked and ready, and what fitting it gives."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sirve.cores import Core
from sirve.data.observe import Observe
from sirve.data.shards import Info
from sirve.data.source import Source, Wanted
from sirve.forecasting.forecaster import Forecaster
from sirve.runs.saved import Saved
from sirve.tracking.wandb_tracker import Tracker
from sirve.training.curve import Doubling
from sirve.training.fits import Fit
from sirve.training.lightning import Hardware, Monitoring
from sirve.training.module import TrainingPlan


@dataclass(frozen=True)
class Job:
    """Everything that could be built and checked before any work.

    Attributes:
        names: of the run, {"sim": "lorenz", "model": "gru"}.
        source: where the trajectories come from.
        wanted: how many trajectories and states of each split, and where they are kept.
        observe: the part of the physical state that the model sees.
        info: the observed training states: shape, channels, units, dt.
        context: states that a forecast reads.
        steps: states that a test forecast predicts.
        model: the plain configuration of ``core``, which a checkpoint keeps.
        core: the network, not fitted yet.
        fit: how its weights are found.
        plan: objective, optimizer and budget of training by gradient.
        doubling: the budget with trainer.updates=auto.
        batch: windows in an update, over all ranks.
        memory: MiB of training states that are held at most.
        hardware: where to train.
        monitoring: how often to validate and save.
        seed: of weights, batches and noise.
        data_seed: of the trajectories.
        members: sampled futures of each test context; 0 for none.
        inside: whether to measure what happens inside the model.
        limits: whether to measure how far the system can be predicted at all.
        tracker: W&B, or none.
        run: the folder.
        saved: the checkpoint to resume from.
    """

    names: Mapping[str, str]
    source: Source
    wanted: Wanted
    observe: Observe
    info: Info
    context: int
    steps: int
    model: dict[str, Any]
    core: Core
    fit: Fit
    plan: TrainingPlan
    doubling: Doubling | None
    batch: int
    memory: int
    hardware: Hardware
    monitoring: Monitoring
    seed: int
    data_seed: int
    members: int
    inside: bool
    limits: bool
    tracker: Tracker
    run: Path
    saved: Saved | None


@dataclass(frozen=True)
class Fitted:
    """A fitted forecaster.

    Attributes:
        forecaster: from the best checkpoint.
        baselines: by name, fitted to the same data.
        seconds: spent fitting the forecaster.
        details: of the fit, for metrics.json.
        initial: the core before training by gradient, to compare with.
    """

    forecaster: Forecaster
    baselines: Mapping[str, Forecaster]
    seconds: float
    details: dict[str, Any]
    initial: Core | None = None
