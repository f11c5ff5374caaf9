"""A forecaster saved and loaded. Nothing that is loaded is trusted."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sirve.cores import Core
from sirve.cores.spread import set_spread, spread_kind
from sirve.data.shards import Info
from sirve.errors import UserError, one_line, printable
from sirve.forecasting.forecaster import Forecaster
from sirve.forecasting.normaliser import Normaliser
from sirve.io import checkpoint_sizes, checkpoints
from sirve.io.instantiate import build, trusted


def describe(forecaster: Forecaster) -> dict[str, Any]:
    """Return, in plain types, all that makes a forecaster except its weights."""
    return {
        "model": forecaster.model_config,
        "info": asdict(forecaster.info),
        "std": forecaster.std,
        "spread": spread_kind(forecaster.core),
        "dtype": str(forecaster.core.scale.dtype).removeprefix("torch."),
    }


def save(forecaster: Forecaster, path: Path, step: int = 0) -> None:
    """Write a checkpoint that is enough to forecast, but not to resume training.

    ``step`` is the number of updates after which the forecaster is as it is.
    """
    content = {
        "sirve": describe(forecaster),
        "state_dict": forecaster.state_dict(),
        "global_step": step,
    }
    checkpoints.save(content, path)


def load(run: str | Path, trust: Sequence[str] = ()) -> Forecaster:
    """Return the forecaster of a run folder (its best checkpoint) or of a .ckpt file.

    A checkpoint is not trusted: it holds plain types only, and its classes must come from sirve or
    from the packages in ``trust``. Raises UserError.
    """
    path = Path(run)
    folder = path if path.is_dir() else None
    forecaster = restore(path / "checkpoints" / "best.ckpt" if folder else path, trusted(trust))
    forecaster.run = folder
    return forecaster


def restore(path: Path, trust: Sequence[str] | None) -> Forecaster:
    """Load one file; ``trust`` None is only for a file that this process has just written."""
    content = checkpoints.load(path)
    try:
        return assemble(content["sirve"], content["state_dict"], trust)
    except UserError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise UserError(f"{path} is not a checkpoint of sirve: {one_line(str(error))}") from error


def assemble(
    description: dict[str, Any], state: dict[str, Tensor], trust: Sequence[str] | None
) -> Forecaster:
    """Build a forecaster from what ``describe`` returned and its weights.

    No memory is allocated for a model before its sizes have been compared with those of the
    weights. Raises various errors for a description that does not fit.
    """
    info = Info.of(description["info"])
    shape = info.shape
    dtype = {"float32": torch.float32, "float64": torch.float64}[description["dtype"]]
    std = description["std"]
    if len(std) != shape[0] or not all(type(s) is float and math.isfinite(s) for s in std):
        raise ValueError(f"std is {printable(std)}, not {shape[0]} numbers")

    def make() -> Core:
        core = make_core(description["model"], info, trust)
        if (kind := description.get("spread")) is not None:
            set_spread(core, kind)
        return core

    checkpoint_sizes.require_fits(make, state, "core.", ("normaliser.mean", "normaliser.std"))
    blank = np.ones(shape[0] + len(info.covariates))
    normaliser = Normaliser(blank, blank, len(shape) - 1)
    forecaster = Forecaster(make().to(dtype), normaliser, description["model"], info, std)
    forecaster.load_state_dict(state)
    return forecaster.eval()


def make_core(model: Mapping[str, Any], info: Info, trust: Sequence[str] | None) -> Core:
    """Build the core of a configuration for data described by ``info``; raises UserError."""
    count = len(info.covariates)
    core = build(
        model,
        Core,
        place="model",
        trust=trust,
        shape=info.shape,
        boundary=info.boundary,
        covariates=count,
    )
    if core.covariates != count:
        raise UserError(
            f"model: {type(core).__name__} takes no covariates; leave observe.parameters out"
        )
    return core
