"""One job: everything that can be built and checked before any work."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from sirve.cores import Core
from sirve.cores.spread import give_spread
from sirve.data.dataset import SPLITS
from sirve.data.observe import Observe
from sirve.data.open_source import open_source, wanted_of
from sirve.data.shards import Info
from sirve.data.source import Source, Wanted
from sirve.export.load import make_core
from sirve.forecasting.forecaster import Training
from sirve.io import instantiate
from sirve.io.instantiate import TRUSTED
from sirve.pipeline import checks
from sirve.runs import provenance, resume, run_folder
from sirve.runs.saved import Saved
from sirve.tracking.wandb_tracker import Tracker
from sirve.training.gradient import Hardware, Rhythm, device_name
from sirve.training.objectives.squared_error import SquaredError
from sirve.training.plan import Fit


@dataclass(frozen=True)
class Job:
    """Everything that could be checked and built before any work."""

    config: dict[str, Any]
    names: dict[str, str]  # {"sim": "lorenz", "model": "gru"}
    source: Source
    wanted: Wanted
    observe: Observe
    info: Info
    core: Core
    fit: Fit
    training: Training
    hardware: Hardware
    rhythm: Rhythm
    tracker: Tracker
    run: Path
    saved: Saved | None  # the checkpoint it goes on from


def prepare(config: dict[str, Any], plain: str) -> Job:
    """Build and check everything, then take a folder; raises UserError before any work."""
    # What the command line composed is trusted; what a run's folder says is not.
    trust = None if resume.asked(config) is None else (*TRUSTED, *config["trust"])
    build = partial(instantiate.build, trust=trust)
    observe = build(config["observe"], Observe, place="observe")
    source, config = open_source(config, observe, trust)
    observe = observe.of(source.scene)
    objective = build(config["objective"], SquaredError, place="objective")
    checks.sizes(config, objective)
    hardware, rhythm, plan = checks.trainer(config["trainer"], config["data"]["loaders"])
    tracker = instantiate.build(config["logger"], Tracker, place="logger")  # never a run folder's
    info = observe.info(source.infos["train"])
    pl.seed_everything(config["seed"], verbose=False)
    torch.set_num_threads(config["trainer"]["threads"])
    torch.backends.cudnn.allow_tf32 = False  # float32 means float32, on a GPU's convolutions too
    core = make_core(config["model"], info, trust)
    checks.fits(core, {split: observe.info(source.infos[split]).shape for split in SPLITS})

    def optimizer(parameters: Any) -> torch.optim.Optimizer:
        return build(config["optimizer"], torch.optim.Optimizer, parameters, place="optimizer")

    how = Fit.of(config, core, trust)
    checks.spread(objective, how.kind)
    if objective.spread:
        give_spread(core, objective.spread)
    if how.kind != "none":
        optimizer(core.parameters())  # only to refuse a wrong one now
    training = Training(objective, optimizer, seed=config["seed"], **plan)
    run_folder.require_writable(Path(config["data"]["root"]), "data.root")
    wanted = wanted_of(config, observe)
    said = source.inspect(wanted)
    if said and run_folder.inherited() is None:
        print(*said, sep="\n")
    made_by = provenance.here(
        (source.code, type(core), type(objective)),
        device_name(hardware),
        source.digest(wanted),
        {type(part) for part in core.modules()},
    )
    folder = resume.folder(config, plain, made_by)
    return Job(
        config=config,
        names=config["names"],
        source=source,
        wanted=wanted,
        observe=observe,
        info=info,
        core=core,
        fit=how,
        training=training,
        hardware=hardware,
        rhythm=rhythm,
        tracker=tracker,
        run=folder,
        saved=resume.newest(folder),
    )
