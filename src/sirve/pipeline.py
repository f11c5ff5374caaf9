"""The main job: simulate, store, window, learn, roll out, score, show."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from joblib import cpu_count

from sirve import checks, door, evaluate, provenance, resume, run_folder
from sirve.checkpoints import BEST, LAST
from sirve.cores import Climatology, Core, Linear, Persistence
from sirve.data.dataset import SPLITS
from sirve.data.generate import generate
from sirve.data.limits import measure
from sirve.data.moments import Moments
from sirve.data.observe import Observe
from sirve.data.recipe import Recipe, make_recipe
from sirve.data.shards import Info, dtype_of
from sirve.data.states import Held, States, Stored, with_known
from sirve.door import TRUSTED
from sirve.errors import UserError
from sirve.forecaster import Forecaster, Normaliser, Training, make_core, restore
from sirve.learning import Hardware, Rhythm, Seen, device, device_name, fit
from sirve.objective import SquaredError
from sirve.readout import solve_readout
from sirve.record import record
from sirve.report import write_report
from sirve.saving import Saved
from sirve.table import show
from sirve.tracking import Tracker


@dataclass(frozen=True)
class Job:
    """Everything that could be checked and built before any work."""

    config: dict[str, Any]
    names: dict[str, str]  # {"sim": "lorenz", "model": "gru"}
    recipe: Recipe
    observe: Observe
    info: Info
    core: Core
    training: Training
    hardware: Hardware
    rhythm: Rhythm
    tracker: Tracker
    run: Path
    saved: Saved | None  # the checkpoint it goes on from


@dataclass(frozen=True)
class Data:
    """What the model sees of each split, known parameters and noise included, and the clean truth

    that scores, in physical units.
    """

    train: States
    seen: dict[str, np.ndarray]  # valid and test
    clean: dict[str, np.ndarray]
    std: np.ndarray  # (C,), of the clean training states
    parameters: dict[str, np.ndarray]  # of the test trajectories, (n,)
    limits: dict[str, Any]  # of prediction


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
    data = simulate(job)
    clock["simulated"] = time.perf_counter()
    step = job.saved.step if job.saved else 0
    rows = record(job.run / "metrics.jsonl", step)
    try:
        forecaster, seconds = learn(
            job, data, [rows, *job.tracker.start(job.run, job.names, plain)]
        )
        if forecaster is None:
            return None
        clock["train"] = seconds
        metrics = judge(job, data, forecaster, clock)
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
    names = config["names"]
    # What the command line composed is trusted; what a run's folder says is not.
    trust = None if resume.asked(config) is None else (*TRUSTED, *config["trust"])
    build = partial(door.build, trust=trust)
    observe = build(config["observe"], Observe, place="observe")
    objective = build(config["objective"], SquaredError, place="objective")
    checks.sizes(config, objective)
    hardware, rhythm, plan = checks.trainer(config["trainer"], config["data"]["loaders"])
    tracker = door.build(config["logger"], Tracker, place="logger")  # never a run folder's
    recipe = make_recipe(config, observe, trust)
    info = observe.info(recipe.infos["train"])
    pl.seed_everything(config["seed"], verbose=False)
    torch.set_num_threads(config["trainer"]["threads"])
    torch.backends.cudnn.allow_tf32 = False  # float32 means float32, on a GPU's convolutions too
    core = make_core(config["model"], info, trust)
    checks.fits(core, {split: observe.info(recipe.infos[split]).shape for split in SPLITS})

    def optimizer(parameters: Any) -> torch.optim.Optimizer:
        return build(config["optimizer"], torch.optim.Optimizer, parameters, place="optimizer")

    if any(p.requires_grad for p in core.parameters()):
        optimizer(core.parameters())  # only to refuse a wrong one now
    training = Training(objective, optimizer, seed=config["seed"], **plan)
    run_folder.require_writable(Path(config["data"]["root"]), "data.root")
    system = type(recipe.families["train"].sim)
    made_by = provenance.here((system, type(core), type(objective)), device_name(hardware))
    folder = resume.folder(config, plain, made_by)
    return Job(
        config=config,
        names=names,
        recipe=recipe,
        observe=observe,
        info=info,
        core=core,
        training=training,
        hardware=hardware,
        rhythm=rhythm,
        tracker=tracker,
        run=folder,
        saved=resume.newest(folder),
    )


def simulate(job: Job) -> Data:
    """The dataset, simulated where it is not there yet, and what the model sees of it."""
    data, counts, observe = job.config["data"], job.config["sim"]["trajectories"], job.observe
    dataset = generate(job.recipe, counts, Path(data["root"]), data["workers"] or cpu_count())
    physical = dataset.info

    moments, clean = Moments(), {}
    for x in dataset.blocks("train", counts["train"]):
        moments.add(observe.clean(x, physical))
    for name, deviation in zip(job.info.channels, moments.std, strict=True):
        if deviation == 0:
            raise UserError(
                f"channel '{name}' is constant in the training data, so errors have no unit; leave "
                "it out by observe.channels, or change sim.system"
            )
    train: States = Stored(dataset, counts["train"], observe, moments.std, data["seed"])
    if prod(train.shape) * np.dtype(dtype_of(physical)).itemsize <= data["memory"] * 2**20:
        train = Held(torch.as_tensor(np.concatenate(list(train.blocks()))), job.recipe.block)

    seen = {}
    for split in ("valid", "test"):
        clean[split] = observe.clean(dataset.read(split, counts[split]), dataset.infos[split])
        known = observe.known(dataset.parameters(split, counts[split]))
        noisy = observe.noisy(clean[split], moments.std, split, data["seed"])
        seen[split] = with_known(noisy, known)
    limits = {}
    if data["limits"]:
        limits = measure(job.recipe, dataset)
    parameters = dataset.parameters("test", counts["test"])
    return Data(train, seen, clean, moments.std, parameters, limits)


def learn(job: Job, data: Data, loggers: list[Any]) -> tuple[Forecaster | None, float]:
    """The trained forecaster, from its best checkpoint, and the seconds it took to train it.

    None on every rank but the first.
    """
    forecaster = make_forecaster(job, data, job.core, job.config["model"])
    best = job.run / "checkpoints" / BEST
    if job.core.closed_form or not any(p.requires_grad for p in job.core.parameters()):
        start = time.perf_counter()
        if job.core.closed_form:
            solve(forecaster, data)
        for name in (BEST, LAST):
            forecaster.save(best.with_name(name))
        return forecaster.eval(), time.perf_counter() - start
    # What is on disk is what is scored; its classes were trusted when the job was prepared.
    if job.saved and job.saved.done:
        return restore(best, trust=None).to(device(job.hardware)), job.saved.seconds
    context = job.config["sim"]["context"]
    valid = data.seen["valid"][:, :context], data.clean["valid"][:, context:]
    seen = Seen(data.train, *valid)
    trainer, seconds = fit(
        forecaster,
        seen,
        job.run,
        job.hardware,
        loggers,
        job.config["data"]["batch"],
        job.rhythm,
        job.saved.path if job.saved else None,
    )
    if not trainer.is_global_zero:
        return None, seconds
    return restore(best, trust=None).to(device(job.hardware)), seconds


def judge(
    job: Job, data: Data, forecaster: Forecaster, clock: Mapping[str, float]
) -> dict[str, Any]:
    """Roll out, score beside the baselines, and write rollouts.h5 and metrics.json."""
    family, physical = job.recipe.families["test"], job.recipe.infos["test"]
    info = job.observe.info(physical)
    system = family.sim.each(**{name: data.parameters[name] for name in family.draws})
    test = evaluate.Test(
        data.seen["test"][:, :, : info.shape[0]],
        data.clean["test"],
        job.config["sim"]["context"],
        data.std,
        info,
        system.invariants if info.channels == physical.channels else None,
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
    evaluate.write_rollouts(job.run, job.names, test, results)
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
        "limits": data.limits,
    }
    return evaluate.write_metrics(job.run, head, results)


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
    blocks = (torch.as_tensor(x).double() for x in data.train.blocks())
    solve_readout(forecaster.core, (forecaster.normaliser(x) for x in blocks))
