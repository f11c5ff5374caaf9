"""Checks of a configuration before any work."""

from collections.abc import Mapping
from typing import Any

import torch
from joblib import cpu_count

from sirve.cores import Core
from sirve.data.info import Info
from sirve.data.observe import Observe, Sample
from sirve.data.sizes import require_sizes, require_whole
from sirve.errors import UserError
from sirve.runs.saved import Saved
from sirve.training.compiling import require_compiles
from sirve.training.curve import Doubling
from sirve.training.fits import Fit, Gradient, GradientRidge
from sirve.training.lightning import Hardware, Monitoring
from sirve.training.objectives.base import Objective
from sirve.training.varpro import VarPro

AUTO = "auto"  # trainer.updates: until the learning curve is flat
_COUNTS = ("validations", "checkpoint_every", "devices", "log_every", "threads")
_CHOICES = {
    "accelerator": ("cpu", "gpu"),
    "strategy": ("auto", "ddp"),
    "precision": ("32-true", "64-true", "bf16-mixed"),
    "schedule": ("constant", "cosine", "linear"),
}


def shapes(core: Core, splits: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse a split whose states the core cannot read."""
    for split, shape in splits.items():
        if not core.accepts_shape(shape):
            raise UserError(
                f"sim.splits.{split} has states of shape {shape}, but this model reads those of "
                f"train, {core.shape}, only; use a convolutional model, or the same size"
            )


def spread(objective: Objective, fit: Fit) -> None:
    """Refuse an objective that learns a standard deviation, where the fit would not learn it."""
    if objective.spread and fit.kind != "gradient":
        raise UserError(
            f"objective={type(objective).__name__} needs fit=gradient, but this model is fitted by "
            f"{fit.kind}; ensemble.members gives it a standard deviation without a likelihood"
        )


def varpro(fit: Fit, core: Core, hardware: Hardware, sim: Mapping[str, Any]) -> None:
    """Refuse variable projection for a core, hardware or data that it cannot use."""
    if not isinstance(fit, VarPro):
        return
    fit.require_suits(core)
    if hardware.accelerator != "cpu" or hardware.devices > 1:
        raise UserError(
            f"fit=varpro runs in one process on the CPU, not trainer.accelerator="
            f"{hardware.accelerator} with {hardware.devices} devices; take trainer=cpu"
        )
    count = sim["trajectories"]["train"] * (sim["states"] - fit.length + 1)
    if fit.batch > count:
        raise UserError(
            f"fit.batch={fit.batch} is more than the {max(count, 0)} windows of "
            f"{fit.length} states in the training trajectories; ask for less"
        )


def hidden(observe: Observe, fit: Fit, context: int, info: Info, sample: Sample) -> None:
    """Refuse hidden cells that no context shows, or that the fit cannot leave out."""
    observe.require_opens(context, info, sample)
    if observe.hides and isinstance(fit, VarPro):
        raise UserError(
            f"fit={fit.kind} cannot leave out the cells that observe.bar hides; take fit=gradient "
            "or fit=ridge"
        )


def trainer(config: Mapping[str, Any], loaders: int) -> tuple[Hardware, Monitoring, dict[str, Any]]:
    """Split the trainer's settings into hardware, monitoring and the numbers of a TrainingPlan.

    Raises UserError for a choice that does not exist and for devices that are not visible.
    """
    for key, choices in _CHOICES.items():
        if config[key] not in choices:
            raise UserError(f"trainer.{key}={config[key]}; choose from: {', '.join(choices)}")
    places = ("accelerator", "devices", "strategy", "precision", "timeout", "compile")
    hardware = Hardware(**{key: config[key] for key in places}, loaders=loaders)
    monitoring = Monitoring(
        **{k: config[k] for k in ("validations", "patience", "checkpoint_every")}
    )
    numbers = ("updates", "warmup", "schedule", "cooldown", "clip", "log_every")
    plan = {key: config[key] for key in numbers}
    if config["updates"] == AUTO:
        plan |= {"updates": config["first"], "shared": config["first"], "schedule": "linear"}
    if hardware.accelerator == "gpu" and not torch.cuda.is_available():
        raise UserError("trainer.accelerator=gpu, but no GPU is visible; take trainer=cpu")
    there = torch.cuda.device_count() if hardware.accelerator == "gpu" else cpu_count()
    if not 1 <= hardware.devices <= there:
        raise UserError(
            f"trainer.devices={hardware.devices}, but {there} are visible; take 1 to {there}"
        )
    if loaders > cpu_count():
        raise UserError(f"data.loaders={loaders}, but there are {cpu_count()} cores; ask for less")
    if hardware.devices > 1 and hardware.strategy != "ddp":
        raise UserError(f"trainer.devices={hardware.devices} needs trainer.strategy=ddp")
    return hardware, monitoring, plan


def compiling(hardware: Hardware, fit: Fit, core: Core) -> None:
    """Refuse trainer.compile=true where nothing is trained by gradient, or cannot be compiled."""
    if not isinstance(hardware.compile, bool):
        raise UserError(f"trainer.compile={hardware.compile}; choose from: true, false")
    if not hardware.compile:
        return
    if not isinstance(fit, Gradient | GradientRidge):
        raise UserError(
            f"trainer.compile=true needs fit=gradient, but this model is fitted by {fit.kind}; "
            "leave it out"
        )
    require_compiles(core)


def doubling(trainer: Mapping[str, Any], fit: Fit) -> Doubling | None:
    """Return the learning curve of trainer.updates=auto; refuse one that cannot be trained."""
    if trainer["updates"] != AUTO:
        return None
    first, ceiling, cooldown = trainer["first"], trainer["ceiling"], trainer["cooldown"]
    if not isinstance(fit, Gradient | GradientRidge):
        raise UserError(
            f"trainer.updates=auto needs fit=gradient, but this model is fitted by {fit.kind}, "
            "which trainer.updates does not concern; leave it out"
        )
    if trainer["patience"] is not None:
        raise UserError(
            f"trainer.updates=auto says itself when to stop, but trainer.patience="
            f"{trainer['patience']} would too; leave one of them out"
        )
    if ceiling < 2 * first:
        raise UserError(
            f"trainer.ceiling={ceiling} allows no network of twice trainer.first={first} updates; "
            f"give at least {2 * first}, or a smaller trainer.first"
        )
    if round(cooldown * first) >= first:
        raise UserError(
            f"trainer.cooldown={cooldown} of trainer.first={first} updates leaves none of a "
            "constant rate; give a smaller cooldown, such as 0.6, or a larger first"
        )
    constant = first - round(cooldown * first)
    if trainer["warmup"] > constant:
        raise UserError(
            f"trainer.warmup={trainer['warmup']} is longer than the {constant} updates before the "
            "rate of the first network falls; give a shorter warmup or a larger trainer.first"
        )
    return Doubling(first, ceiling)


def same_training(saved: Saved | None, doubling: Doubling | None) -> Saved | None:
    """Return the checkpoint to resume from; refuse one of another kind of training."""
    if saved and saved.first != (doubling.first if doubling else 0):
        auto = f"trainer.updates=auto and trainer.first={saved.first}"
        was = auto if saved.first else "a fixed number of updates"
        raise UserError(
            f"{saved.path} was trained with {was}: it cannot go on with another kind of "
            "trainer.updates; take the same, or start anew with resume=never"
        )
    return saved


def sizes(config: Mapping[str, Any], objective: Objective) -> None:
    """Refuse numbers out of range, and windows that do not fit into the trajectories."""
    sim, data, trainer = config["sim"], config["data"], config["trainer"]
    if not isinstance(config["runs"], str):
        raise UserError(
            f"runs={config['runs']} must be a folder's name; quote it if it is a number"
        )
    for name in config["trust"]:
        if not isinstance(name, str):
            raise UserError(f"trust={config['trust']} must be names of packages, such as [mine]")
    require_sizes(config)
    require_whole("data.batch", data["batch"], least=1)
    require_whole("data.memory", data["memory"], least=0)
    auto = trainer["updates"] == AUTO
    if auto and trainer["validations"] == 0:
        raise UserError(
            "trainer.updates=auto needs validation forecasts, but trainer.validations=0; leave it "
            "out: each network of the curve is validated once"
        )
    updates = ("first", "ceiling") if auto else ("updates",)
    for key in (*updates, *_COUNTS):
        require_whole(f"trainer.{key}", trainer[key], least=1)
    if trainer["patience"] is not None:
        require_whole("trainer.patience", trainer["patience"], least=1)
    require_whole("trainer.warmup", trainer["warmup"], least=0)
    require_whole("data.loaders", data["loaders"], least=0)
    require_whole("seed", config["seed"], least=0)
    require_whole("ensemble.members", config["ensemble"]["members"], least=0)
    if config["ensemble"]["members"] == 1:
        raise UserError("ensemble.members=1 has no spread; give 0 for no ensemble, or at least 2")
    for key in ("clip", "timeout"):
        value = trainer[key]
        if not isinstance(value, (int, float)) or not 0 < value < float("inf"):
            raise UserError(f"trainer.{key}={value} must be a positive number")
    cooldown = trainer["cooldown"]
    if not isinstance(cooldown, (int, float)) or not 0 < cooldown <= 1:
        raise UserError(
            f"trainer.cooldown={cooldown} is a share of the updates: give a number above 0, up to 1"
        )
    count = sim["trajectories"]["train"] * (sim["states"] - objective.length + 1)
    ranks = trainer["devices"]
    if data["batch"] % ranks:
        raise UserError(f"data.batch={data['batch']} cannot be shared evenly by {ranks} ranks")
    if objective.length > sim["states"]:
        raise UserError(
            f"objective.warmup={objective.warmup}, objective.context={objective.context} and "
            f"objective.horizon={objective.horizon} make windows of {objective.length} states, "
            f"longer than the training trajectories (sim.states={sim['states']}); shorten "
            "one or lengthen the other"
        )
    if data["batch"] > count:
        raise UserError(
            f"data.batch={data['batch']} is more than the {count} windows of the training "
            "trajectories; ask for less"
        )
