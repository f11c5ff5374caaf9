"""The main job: simulate, store, window, learn, roll out, score, show."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from joblib import cpu_count

from simulators import Simulator
from sirve import checks, evaluate, run_folder
from sirve.cores import Climatology, Core, Linear, Persistence
from sirve.data.dataset import SPLITS, Dataset
from sirve.data.generate import describe, generate
from sirve.data.observe import Observe, channel_moments
from sirve.data.shards import Info
from sirve.door import build
from sirve.errors import UserError
from sirve.files import write_text
from sirve.forecaster import Forecaster, Normaliser, Training, restore
from sirve.learning import Hardware, Seen, fit
from sirve.objective import SquaredError
from sirve.readout import solve_readout
from sirve.record import record
from sirve.report import write_report
from sirve.table import show
from sirve.tracking import Tracker

FIT_BATCH = 16  # trajectories whose features are held at once by a closed-form fit


@dataclass(frozen=True)
class Job:
    """Everything that could be checked and built before any work."""

    config: dict[str, Any]
    names: dict[str, str]  # {"sim": "lorenz", "model": "gru"}
    sim: Simulator
    observe: Observe
    physical: Info
    info: Info
    core: Core
    training: Training
    hardware: Hardware
    tracker: Tracker
    run: Path


@dataclass(frozen=True)
class Data:
    """What the model sees of each split, and the clean truth, in physical units."""

    seen: dict[str, np.ndarray]
    clean: dict[str, np.ndarray]
    std: np.ndarray  # (C,), of the clean training states


def run(config: dict[str, Any], plain: str) -> Path | None:
    """Do the main job; returns the run's folder, or None on a rank that only helped to train.

    ``config`` is the composed configuration, references resolved; its ``names`` say which sim and
    model were chosen. ``plain`` is the same as YAML with references to the environment unresolved:
    what is written to config.yaml.
    """
    job = prepare(config)
    if run_folder.inherited() is None:
        write_text(job.run / "config.yaml", plain)
    clock = {"start": time.perf_counter()}
    data = simulate(job)
    clock["simulated"] = time.perf_counter()
    loggers = [record(job.run / "metrics.jsonl"), *job.tracker.start(job.run, job.names, plain)]
    forecaster = learn(job, data, loggers)
    if forecaster is None:
        return None
    clock["trained"] = time.perf_counter()
    metrics = judge(job, data, forecaster, clock)
    report = write_report(job.run)
    job.tracker.finish(job.run, metrics)
    show(metrics, job.run, report, job.tracker.where())
    return job.run


def prepare(config: dict[str, Any]) -> Job:
    """Build and check everything; raises UserError before any work."""
    names = config["names"]
    sim = build(config["sim"]["system"], Simulator, place="sim.system")
    observe = build(config["observe"], Observe, place="observe")
    objective = build(config["objective"], SquaredError, place="objective")
    checks.sizes(config, objective)
    hardware, plan = checks.trainer(config["trainer"])
    tracker = build(config["logger"], Tracker, place="logger")
    physical = describe(names["sim"], sim, config["sim"]["dt"])
    info = observe.info(physical)
    pl.seed_everything(config["seed"], verbose=False)
    torch.set_num_threads(config["trainer"]["threads"])
    torch.backends.cudnn.allow_tf32 = False  # float32 means float32, on a GPU's convolutions too
    core = build(config["model"], Core, place="model", shape=info.shape, walls=info.walls)

    def optimizer(parameters: Any) -> torch.optim.Optimizer:
        return build(config["optimizer"], torch.optim.Optimizer, parameters, place="optimizer")

    if any(p.requires_grad for p in core.parameters()):
        optimizer(core.parameters())  # only to refuse a wrong one now
    training = Training(objective, optimizer, seed=config["seed"], **plan)
    run_folder.require_writable(Path(config["data"]["root"]), "data.root")
    folder = run_folder.create(Path(config["runs"]), **names)
    return Job(
        config, names, sim, observe, physical, info, core, training, hardware, tracker, folder
    )


def simulate(job: Job) -> Data:
    """The dataset, simulated where it is not there yet, and what the model sees of it."""
    config, stride = job.config, job.observe.stride
    sim, data = config["sim"], config["data"]
    lengths = checks.lengths(sim)
    dataset: Dataset = generate(
        job.sim,
        job.physical,
        {split: (length - 1) * stride + 1 for split, length in lengths.items()},
        sim["trajectories"],
        Path(data["root"]),
        seed=data["seed"],
        block=data["block"],
        workers=data["workers"] or cpu_count(),
    )
    clean = {
        split: job.observe.clean(dataset.read(split, sim["trajectories"][split]), job.physical)
        for split in SPLITS
    }
    _, std = channel_moments(clean["train"])
    for name, deviation in zip(job.info.channels, std, strict=True):
        if deviation == 0:
            raise UserError(
                f"channel '{name}' is constant in the training data, so errors have no unit; leave "
                "it out by observe.channels, or change sim.system"
            )
    seen = {split: job.observe.noisy(x, std, split, data["seed"]) for split, x in clean.items()}
    return Data(seen, clean, std)


def learn(job: Job, data: Data, loggers: list[Any]) -> Forecaster | None:
    """The trained forecaster, from its best checkpoint; None on every rank but the first."""
    forecaster = make_forecaster(job, data, job.core, job.config["model"])
    best = job.run / "checkpoints" / "best.ckpt"
    if job.core.closed_form:
        solve(forecaster, data)
    if job.core.closed_form or not any(p.requires_grad for p in job.core.parameters()):
        for name in ("best.ckpt", "last.ckpt"):
            forecaster.save(best.with_name(name))
        return forecaster.eval()
    context = job.config["sim"]["context"]
    seen = Seen(
        data.seen["train"], data.seen["valid"][:, :context], data.clean["valid"][:, context:]
    )
    config = job.config
    trainer = fit(
        forecaster,
        seen,
        job.run,
        job.hardware,
        loggers,
        batch=config["data"]["batch"],
        validations=config["trainer"]["validations"],
        patience=config["trainer"]["patience"],
    )
    if not trainer.is_global_zero:
        return None
    # What is on disk is what is scored; its classes were trusted when the job was prepared.
    return restore(best, trust=None).to(trainer.strategy.root_device)


def judge(
    job: Job, data: Data, forecaster: Forecaster, clock: Mapping[str, float]
) -> dict[str, Any]:
    """Roll out, score beside the baselines, and write rollouts.h5 and metrics.json."""
    whole_state = job.info.channels == job.physical.channels
    test = evaluate.Test(
        data.seen["test"],
        data.clean["test"],
        job.config["sim"]["context"],
        data.std,
        job.info,
        job.sim.invariants if whole_state else None,
    )
    forecasters = {"model": forecaster}
    baselines: dict[str, Core] = {
        "persistence": Persistence(job.info.shape),
        "climatology": Climatology(job.info.shape),
        "linear": Linear(job.info.shape, job.info.walls),
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
        "time_unit": job.info.time_unit,
        "unit": job.info.unit,
        "channels": [
            {"name": n, "unit": u} for n, u in zip(job.info.channels, job.info.units, strict=True)
        ],
        "seconds": {
            "simulate": clock["simulated"] - clock["start"],
            "train": clock["trained"] - clock["simulated"],
            "forecast_per_step": results["model"].seconds_per_step,
        },
        "one_step": evaluate.one_step(forecaster, test),
    }
    return evaluate.write_metrics(job.run, head, results)


def make_forecaster(job: Job, data: Data, core: Core, model: dict[str, Any]) -> Forecaster:
    """Put a core into a forecaster whose normaliser and scale are those of the training data."""
    seen = data.seen["train"]
    mean, std = channel_moments(seen)
    normaliser = Normaliser(mean, std, seen.ndim - 3)
    _, delta = channel_moments(np.diff(seen, axis=1))
    scale = np.where((std > 0) & (delta > 0), delta / np.where(std > 0, std, 1.0), 1.0)
    core.scale.copy_(torch.as_tensor(scale).reshape(core.scale.shape))
    return Forecaster(core, normaliser, model, job.info, data.std.tolist(), job.training)


def solve(forecaster: Forecaster, data: Data) -> None:
    """Fit a core's readout in closed form, in float64, on all training trajectories."""
    forecaster.core.double()
    blocks = torch.as_tensor(data.seen["train"]).split(FIT_BATCH)
    solve_readout(forecaster.core, (forecaster.normaliser(x.double()) for x in blocks))
