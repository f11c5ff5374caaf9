"""The main job: simulate, store, window, learn, roll out, score, show."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
import yaml

from simulators import Simulator
from sirve import evaluate, run_folder
from sirve.cores import Climatology, Core, Linear, Persistence
from sirve.data.dataset import SPLITS, Dataset
from sirve.data.generate import describe, generate
from sirve.data.observe import Observe, channel_moments
from sirve.data.shards import Info
from sirve.door import build
from sirve.errors import UserError
from sirve.files import write_text
from sirve.forecaster import Forecaster, Normaliser, Training, load
from sirve.learning import Hardware, Seen, fit
from sirve.objective import SquaredError
from sirve.readout import solve_readout
from sirve.record import Record
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


def run(config: dict[str, Any], names: dict[str, str], plain: str) -> Path | None:
    """Do the main job; returns the run's folder, or None on a rank that only helped to train.

    ``config`` is the composed configuration with its references resolved, ``plain`` the same as
    YAML with references to the environment unresolved: what is written to config.yaml.
    """
    job = prepare(config, names)
    write_text(job.run / "config.yaml", plain)
    clock = {"start": time.perf_counter()}
    data = simulate(job)
    clock["simulated"] = time.perf_counter()
    loggers = [Record(job.run / "metrics.jsonl"), *job.tracker.start(job.run, names, plain)]
    forecaster = learn(job, data, loggers)
    if forecaster is None:
        return None
    clock["trained"] = time.perf_counter()
    metrics = judge(job, data, forecaster, clock)
    report = write_report(job.run)
    job.tracker.finish(job.run, metrics)
    show(metrics, job.run, report, job.tracker.where())
    return job.run


def prepare(config: dict[str, Any], names: dict[str, str]) -> Job:
    """Build and check everything; raises UserError before any work."""
    sim = build(config["sim"]["system"], Simulator, place="sim.system")
    observe = build(config["observe"], Observe, place="observe")
    objective = build(config["objective"], SquaredError, place="objective")
    _check_sizes(config, objective)
    physical = describe(names["sim"], sim, config["sim"]["dt"])
    info = observe.info(physical)
    hardware, plan = _trainer(config["trainer"])
    tracker = build(config["logger"], Tracker, place="logger")
    pl.seed_everything(config["seed"], verbose=False)
    torch.set_num_threads(config["trainer"]["threads"])
    core = build(config["model"], Core, place="model", shape=info.shape, walls=info.walls)

    def optimizer(parameters: Any) -> torch.optim.Optimizer:
        return build(config["optimizer"], torch.optim.Optimizer, parameters, place="optimizer")

    if any(p.requires_grad for p in core.parameters()):
        optimizer(core.parameters())  # only to refuse a wrong one now
    training = Training(objective, optimizer, **plan)
    folder = run_folder.create(Path(config["runs"]), **names)
    return Job(
        config, names, sim, observe, physical, info, core, training, hardware, tracker, folder
    )


def simulate(job: Job) -> Data:
    """The dataset, simulated where it is not there yet, and what the model sees of it."""
    config, stride = job.config, job.observe.stride
    sim, data = config["sim"], config["data"]
    lengths = _lengths(sim)
    dataset: Dataset = generate(
        job.sim,
        job.physical,
        {split: (length - 1) * stride + 1 for split, length in lengths.items()},
        sim["trajectories"],
        Path(data["root"]),
        seed=data["seed"],
        block=data["block"],
        workers=data["workers"] or os.cpu_count() or 1,
    )
    clean = {
        split: job.observe.clean(dataset.read(split, sim["trajectories"][split]), job.physical)
        for split in SPLITS
    }
    _, std = channel_moments(clean["train"])
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
    seen = Seen(data.seen["train"], data.seen["valid"][:, :context], data.clean["valid"][:, context:])
    config = job.config
    trainer = fit(
        forecaster,
        seen,
        job.run,
        job.hardware,
        loggers,
        batch=config["data"]["batch"],
        seed=config["seed"],
        validations=config["trainer"]["validations"],
        patience=config["trainer"]["patience"],
    )
    # What is on disk is what is scored. (An own core may come from anywhere: it was trusted above.)
    package = type(job.core).__module__.partition(".")[0]
    return load(best, trust=[package]) if trainer.is_global_zero else None


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


def _lengths(sim: Mapping[str, Any]) -> dict[str, int]:
    context = sim["context"]
    return {
        "train": sim["states"],
        "valid": context + sim["valid_steps"],
        "test": context + sim["steps"],
    }


def _trainer(trainer: Mapping[str, Any]) -> tuple[Hardware, dict[str, Any]]:
    """Split the trainer's config into hardware and plan, refusing devices that are not there."""
    places = ("accelerator", "devices", "nodes", "strategy", "precision")
    hardware = Hardware(**{key: trainer[key] for key in places})
    plan = {k: trainer[k] for k in ("steps", "warmup", "schedule", "clip", "log_every")}
    if hardware.accelerator == "gpu" and not torch.cuda.is_available():
        raise UserError("trainer.accelerator=gpu, but no GPU is visible; take trainer=cpu")
    there = torch.cuda.device_count() if hardware.accelerator == "gpu" else os.cpu_count() or 1
    if not 1 <= hardware.devices <= there:
        raise UserError(
            f"trainer.devices={hardware.devices}, but {there} are visible; take 1 to {there}"
        )
    if plan["schedule"] not in ("cosine", "constant"):
        raise UserError(f"trainer.schedule={plan['schedule']}; choose from: constant, cosine")
    if hardware.precision not in ("32-true", "64-true", "16-mixed", "bf16-mixed"):
        raise UserError(
            f"trainer.precision={hardware.precision}; choose from: 32-true, 64-true, 16-mixed, "
            "bf16-mixed"
        )
    return hardware, plan


def _check_sizes(config: Mapping[str, Any], objective: SquaredError) -> None:
    sim, data, trainer = config["sim"], config["data"], config["trainer"]
    counts = {f"sim.trajectories.{split}": sim["trajectories"][split] for split in SPLITS}
    sizes = {f"sim.{k}": sim[k] for k in ("context", "steps", "valid_steps", "states")} | counts
    sizes |= {f"data.{k}": data[k] for k in ("block", "batch")}
    sizes |= {f"trainer.{k}": trainer[k] for k in ("steps", "validations", "devices", "log_every", "threads")}
    for name, value in sizes.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise UserError(f"{name}={value} must be a positive whole number")
    for name, value in (("sim.dt", sim["dt"]), ("trainer.clip", trainer["clip"])):
        if not isinstance(value, (int, float)) or not 0 < value < float("inf"):
            raise UserError(f"{name}={value} must be a positive number")
    for name in ("seed", "data.seed"):
        value = config["seed"] if name == "seed" else data["seed"]
        if not isinstance(value, int) or not 0 <= value < 2**32:
            raise UserError(f"{name}={value} must be a whole number from 0 to 2**32 - 1")
    if objective.length > sim["states"]:
        raise UserError(
            f"objective.context={objective.context} and objective.horizon={objective.horizon} make "
            f"windows of {objective.length} states, longer than the training trajectories "
            f"(sim.states={sim['states']}); shorten the one or lengthen the other"
        )


def read_config(run_path: Path) -> dict[str, Any]:
    """The configuration of a finished run."""
    content = yaml.safe_load((run_path / "config.yaml").read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content
