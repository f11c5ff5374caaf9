"""Prepare a job: build and check everything before any work.

Nothing after this sees the composed configuration.
"""

from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from sirve.cores import Core
from sirve.cores.spread import set_spread
from sirve.data.dataset import SPLITS
from sirve.data.observe import Observe
from sirve.data.open_source import open_source, wanted_of
from sirve.data.source import Source, Wanted
from sirve.forecasting.checkpoint import make_core
from sirve.io import instantiate
from sirve.io.instantiate import TRUSTED
from sirve.pipeline import checks
from sirve.pipeline.job import Job
from sirve.runs import provenance, resume, run_folder
from sirve.tracking.wandb_tracker import Tracker
from sirve.training.fits import Fit, fit_for
from sirve.training.lightning import Hardware, device_name
from sirve.training.module import TrainingPlan
from sirve.training.objectives.base import Objective


def prepare(config: dict[str, Any], config_yaml: str) -> Job:
    """Build and check everything, then take a folder for the run; raise UserError before any work.

    ``config`` is the composed configuration with its references resolved, ``config_yaml`` the text
    of config.yaml, in which references to the environment are not resolved.
    """
    # The composed configuration is trusted; that of a run folder is not.
    trust = None if resume.asked(config) is None else (*TRUSTED, *config["trust"])
    build = partial(instantiate.build, trust=trust)
    observe = build(config["observe"], Observe, place="observe")
    source, config = open_source(config, observe, trust)
    observe = observe.of(source.scene)
    objective = build(config["objective"], Objective, place="objective")
    checks.sizes(config, objective)
    hardware, monitoring, numbers = checks.trainer(config["trainer"], config["data"]["loaders"])
    # A run folder never says where to send things.
    tracker = instantiate.build(config["logger"], Tracker, place="logger")
    info = observe.info(source.infos["train"])
    _seed(config["seed"], config["trainer"]["threads"])
    core = make_core(config["model"], info, trust)
    checks.shapes(core, {split: observe.info(source.infos[split]).shape for split in SPLITS})

    def optimizer(parameters: Any) -> torch.optim.Optimizer:
        return build(config["optimizer"], torch.optim.Optimizer, parameters, place="optimizer")

    asked = build(config["fit"], Fit, place="fit")
    checks.varpro(asked, core, hardware, config["sim"])
    checks.hidden(observe, asked, config["sim"]["context"], info, source.sample)
    fit = fit_for(core, asked)
    checks.spread(objective, fit)
    checks.compiling(hardware, fit, core)
    doubling = checks.doubling(config["trainer"], fit)
    if objective.spread:
        set_spread(core, objective.spread)
    if fit.kind != "none":
        optimizer(core.parameters())  # to refuse a wrong one now
    run_folder.require_writable(Path(config["data"]["root"]), "data.root")
    wanted = wanted_of(config, observe)
    _print_findings(source, wanted)
    run = _take_folder(config, config_yaml, source, wanted, core, objective, hardware)
    return Job(
        names=config["names"],
        source=source,
        wanted=wanted,
        observe=observe,
        info=info,
        context=config["sim"]["context"],
        steps=config["sim"]["steps"],
        model=config["model"],
        core=core,
        fit=fit,
        plan=TrainingPlan(objective, optimizer, seed=config["seed"], **numbers),
        doubling=doubling,
        batch=config["data"]["batch"],
        memory=config["data"]["memory"],
        hardware=hardware,
        monitoring=monitoring,
        seed=config["seed"],
        data_seed=config["data"]["seed"],
        members=config["ensemble"]["members"],
        inside=config["inside"],
        limits=config["data"]["limits"],
        tracker=tracker,
        run=run,
        saved=checks.same_training(resume.newest(run), doubling),
    )


def _seed(seed: int, threads: int) -> None:
    pl.seed_everything(seed, verbose=False)
    torch.set_num_threads(threads)
    torch.backends.cudnn.allow_tf32 = False  # float32 means float32, on a GPU's convolutions too


def _print_findings(source: Source, wanted: Wanted) -> None:
    """Print, once, what was understood of the user's data."""
    lines = source.inspect(wanted)
    if lines and run_folder.inherited() is None:
        print(*lines, sep="\n")


def _take_folder(
    config: dict[str, Any],
    config_yaml: str,
    source: Source,
    wanted: Wanted,
    core: Core,
    objective: Objective,
    hardware: Hardware,
) -> Path:
    """Return the folder of the run, new or to be resumed, with the record of what makes it."""
    record = provenance.here(
        (source.code, type(core), type(objective)),
        device_name(hardware),
        source.digest(wanted),
        {type(part) for part in core.modules()},
    )
    return resume.folder(config, config_yaml, record)
