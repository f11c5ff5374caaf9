"""The main job: simulate, store, window, learn, roll out, score, show."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch

from sirve import checks, door, ensembles, evaluate, provenance, resume, run_folder
from sirve.calibration import calibrate
from sirve.checkpoints import BEST, LAST
from sirve.cores import Climatology, Core, Linear, Persistence
from sirve.cores.spread import give_spread
from sirve.data.dataset import SPLITS
from sirve.data.gather import Data, gather
from sirve.data.moments import Moments
from sirve.data.observe import Observe
from sirve.data.shards import Info
from sirve.data.source import Source, Wanted
from sirve.data.sources import source_of, wanted_of
from sirve.door import TRUSTED
from sirve.fitting import Fit
from sirve.forecaster import Forecaster, Training
from sirve.learning import Hardware, Rhythm, Seen, device, device_name, fit
from sirve.loading import make_core, restore
from sirve.normaliser import Normaliser
from sirve.objective import SquaredError
from sirve.readout import solve_readout
from sirve.record import record
from sirve.report import write_report
from sirve.ridge import Search
from sirve.saving import Saved
from sirve.table import show
from sirve.tracking import Tracker


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


def run(config: dict[str, Any], plain: str) -> Path | None:
    """Do the main job; returns the run's folder, or None on a rank that only helped to train.

    ``config`` is the composed configuration, references resolved; its ``names`` say which sim and
    model were chosen. ``plain`` is the same as YAML with references to the environment unresolved:
    what is written to config.yaml.
    """
    asked = resume.asked(config)
    if asked is not None and run_folder.finished(asked):
        print(f"{asked} is finished: nothing is left to do")
        return asked
    job = prepare(config, plain)
    clock = {"start": time.perf_counter()}
    data, limits = simulate(job)
    clock["simulated"] = time.perf_counter()
    step = job.saved.step if job.saved else 0
    rows = record(job.run / "metrics.jsonl", step)
    try:
        loggers = [rows, *job.tracker.start(job.run, job.names, plain)]
        forecaster, seconds, how = learn(job, data, loggers)
        if forecaster is None:
            return None
        clock["train"] = seconds
        give_deviation(job, data, forecaster)
        metrics = judge(job, data, forecaster, clock, limits, how)
        report = write_report(job.run)
        job.tracker.finish(job.run, metrics)
    except BaseException:
        job.tracker.abort()
        raise
    run_folder.leave(job.run)
    show(metrics, job.run, report, job.tracker.where())
    return job.run


def prepare(config: dict[str, Any], plain: str) -> Job:
    """Build and check everything, then take a folder; raises UserError before any work."""
    # What the command line composed is trusted; what a run's folder says is not.
    trust = None if resume.asked(config) is None else (*TRUSTED, *config["trust"])
    build = partial(door.build, trust=trust)
    observe = build(config["observe"], Observe, place="observe")
    source, config = source_of(config, observe, trust)
    observe = observe.of(source.scene)
    objective = build(config["objective"], SquaredError, place="objective")
    checks.sizes(config, objective)
    hardware, rhythm, plan = checks.trainer(config["trainer"], config["data"]["loaders"])
    tracker = door.build(config["logger"], Tracker, place="logger")  # never a run folder's
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
    said = source.look(wanted)
    if said and run_folder.inherited() is None:
        print(*said, sep="\n")
    made_by = provenance.here(
        (source.code, type(core), type(objective)), device_name(hardware), source.digest(wanted)
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


def simulate(job: Job) -> tuple[Data, dict[str, Any]]:
    """What the model sees of the dataset, made where it is not there yet, and its limits."""
    data = job.config["data"]
    dataset = job.source.dataset(job.wanted)
    limits = job.source.limits(dataset) if data["limits"] else {}
    return gather(dataset, job.observe, job.wanted.counts, data["seed"], data["memory"]), limits


def learn(
    job: Job, data: Data, loggers: list[Any]
) -> tuple[Forecaster | None, float, dict[str, Any]]:
    """The fitted forecaster, from its best checkpoint, the seconds it took, and how it was fitted.

    No forecaster on every rank but the first.
    """
    forecaster = make_forecaster(job, data, job.core, job.config["model"])
    if job.fit.kind in ("none", "ridge"):
        start = time.perf_counter()
        how = {"kind": job.fit.kind}
        if job.fit.kind == "ridge":
            how |= search(job, data, forecaster).run(job.fit.settings)
        for name in (BEST, LAST):
            forecaster.save(job.run / "checkpoints" / name)
        return forecaster.eval(), time.perf_counter() - start, how
    return train(job, data, forecaster, loggers)


def train(
    job: Job, data: Data, forecaster: Forecaster, loggers: list[Any]
) -> tuple[Forecaster | None, float, dict[str, Any]]:
    """By gradient, and then, where it is asked for, the readout in closed form."""
    best = job.run / "checkpoints" / BEST
    how: dict[str, Any] = {"kind": job.fit.kind}

    def refit(trainer: pl.Trainer) -> None:
        trained = restore(best, trust=None)
        ranks = (trainer.global_rank, trainer.world_size)
        how.update(search(job, data, trained, *ranks).run(job.fit.settings))
        if trainer.is_global_zero:
            trained.save(best)

    # What is on disk is what is scored; its classes were trusted when the job was prepared.
    if job.saved and job.saved.done:
        return restore(best, trust=None).to(device(job.hardware)), job.saved.seconds, how
    trainer, seconds = fit(
        forecaster,
        Seen(data.train, *valid(job, data)),
        job.run,
        job.hardware,
        loggers,
        job.config["data"]["batch"],
        job.rhythm,
        job.saved.path if job.saved else None,
        refit if "ridge" in job.fit.kind else None,
    )
    if not trainer.is_global_zero:
        return None, seconds, how
    return restore(best, trust=None).to(device(job.hardware)), seconds, how


def search(job: Job, data: Data, forecaster: Forecaster, rank: int = 0, ranks: int = 1) -> Search:
    """The choice of a closed form on this job's data."""
    steps, seed = job.config["sim"]["steps"], job.config["seed"]
    return Search(job.fit.ridge, forecaster, data.train, valid(job, data), steps, seed, rank, ranks)


def valid(job: Job, data: Data) -> tuple[np.ndarray, np.ndarray]:
    """Contexts of the validation set as seen, and the clean truth after them."""
    context = job.config["sim"]["context"]
    return data.seen["valid"][:, :context], data.clean["valid"][:, context:]


def judge(
    job: Job,
    data: Data,
    forecaster: Forecaster,
    clock: Mapping[str, float],
    limits: dict[str, Any],
    how: dict[str, Any],
) -> dict[str, Any]:
    """Roll out, score beside the baselines, and write rollouts.h5 and metrics.json."""
    physical = job.source.infos["test"]
    info = job.observe.info(physical)
    whole_state = info.channels == physical.channels
    test = evaluate.Test(
        data.seen["test"][:, :, : info.shape[0]],
        data.clean["test"],
        job.config["sim"]["context"],
        data.std,
        info,
        job.source.invariants(data.parameters) if whole_state else None,
        data.parameters,
    )
    forecasters = {"model": forecaster}
    shape, known = job.info.shape, len(job.info.known)
    baselines: dict[str, Core] = {
        "persistence": Persistence(shape, known),
        "climatology": Climatology(shape, known),
        "linear": Linear(shape, job.info.walls, known=known),
    }
    for name, core in baselines.items():
        forecasters[name] = make_forecaster(job, data, core, {})
        if core.closed_form:
            solve(forecasters[name], data)
    results = evaluate.evaluate(forecasters, test)
    members, ensemble = job.config["ensemble"]["members"], None
    if members:
        ensemble = ensembles.judge(forecaster, test, results["model"], members, job.training.seed)
    more = ensemble.arrays if ensemble else {}
    evaluate.write_rollouts(job.run, job.names, test, results, more)
    head = {
        **job.names,
        "seed": job.config["seed"],
        "data_seed": job.config["data"]["seed"],
        "parameters": sum(p.numel() for p in forecaster.core.parameters()),
        "dt": job.info.dt,
        "context": test.context,
        "steps": test.steps,
        "time_unit": test.info.time_unit,
        "unit": test.info.unit,
        "channels": [
            {"name": n, "unit": u} for n, u in zip(job.info.channels, job.info.units, strict=True)
        ],
        "seconds": {
            "simulate": clock["simulated"] - clock["start"],
            "train": clock["train"],
            "forecast_per_step": results["model"].seconds_per_step,
        },
        "one_step": evaluate.one_step(forecaster, test),
        "fit": how,
        "limits": limits,
    }
    if ensemble:
        head["ensemble"] = ensemble.entry
    return evaluate.write_metrics(job.run, head, results)


def give_deviation(job: Job, data: Data, forecaster: Forecaster) -> None:
    """Where an ensemble is asked of a model that was not trained to have one: found, and saved."""
    if job.config["ensemble"]["members"] and not job.training.objective.spread:
        seen, clean, context = data.seen["valid"], data.clean["valid"], job.config["sim"]["context"]
        calibrate(forecaster, seen, clean, context, job.training.seed)
        forecaster.save(job.run / "checkpoints" / BEST)


def make_forecaster(job: Job, data: Data, core: Core, model: dict[str, Any]) -> Forecaster:
    """Put a core into a forecaster whose normaliser and scale are those of the training data."""
    states, increments = Moments(), Moments()
    for x in data.train.blocks():
        states.add(x)
        increments.add(np.diff(x, axis=1))
    own = job.info.shape[0]
    mean, std, delta = states.mean, states.std, increments.std[:own]
    scale = np.where((std[:own] > 0) & (delta > 0), delta / np.where(std > 0, std, 1.0)[:own], 1.0)
    core.scale.copy_(torch.as_tensor(scale).reshape(core.scale.shape))
    normaliser = Normaliser(mean, std, len(job.info.shape) - 1)
    return Forecaster(core, normaliser, model, job.info, data.std.tolist(), job.training)


def solve(forecaster: Forecaster, data: Data) -> None:
    """Fit a core's readout in closed form, in float64, on all training trajectories."""
    forecaster.core.double()
    blocks = (torch.as_tensor(x) for x in data.train.blocks())
    solve_readout(forecaster.core, (forecaster.read(x) for x in blocks))
