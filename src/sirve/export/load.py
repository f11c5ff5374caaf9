"""A forecaster from what it was saved as. None of it is trusted."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sirve.cores import Core
from sirve.cores.spread import give_spread
from sirve.data.shards import Info
from sirve.errors import UserError, one_line, shown
from sirve.forecasting.forecaster import Forecaster
from sirve.forecasting.normaliser import Normaliser
from sirve.io import checkpoint_sizes, checkpoints
from sirve.io.instantiate import build, trusted


def make_core(model: Mapping[str, Any], info: Info, trust: Sequence[str] | None) -> Core:
    """The core of a configuration, for data as ``info`` says; raises UserError."""
    covariates = len(info.covariates)
    core = build(
        model,
        Core,
        place="model",
        trust=trust,
        shape=info.shape,
        boundary=info.boundary,
        covariates=covariates,
    )
    if core.covariates != covariates:
        raise UserError(
            f"model: {type(core).__name__} takes no known parameters; leave observe.parameters out"
        )
    return core


def load(run: str | Path, trust: Sequence[str] = ()) -> Forecaster:
    """The forecaster of a run folder (its best checkpoint) or of a .ckpt file.

    A checkpoint is not trusted: it holds plain types only, and its classes must come from sirve or
    from the packages in ``trust``. Raises UserError.
    """
    path = Path(run)
    path = path / "checkpoints" / "best.ckpt" if path.is_dir() else path
    return restore(path, trusted(trust))


def restore(path: Path, trust: Sequence[str] | None) -> Forecaster:
    """``load`` of one file; ``trust`` None is for what this process has just written itself."""
    content = checkpoints.load(path)
    try:
        return assemble(content["sirve"], content["state_dict"], trust)
    except UserError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise UserError(f"{path} is not a checkpoint of sirve: {one_line(str(error))}") from error


def assemble(
    about: dict[str, Any], state: dict[str, Tensor], trust: Sequence[str] | None
) -> Forecaster:
    """From what ``Forecaster.about`` said and the weights.

    No memory is taken for a model before its sizes were found to be those of the weights. What
    does not fit raises as it may.
    """
    info = Info.of(about["info"])
    shape = info.shape
    dtype = {"float32": torch.float32, "float64": torch.float64}[about["dtype"]]
    std = about["std"]
    if len(std) != shape[0] or not all(type(s) is float and math.isfinite(s) for s in std):
        raise ValueError(f"std is {shown(std)}, not {shape[0]} numbers")

    def make() -> Core:
        core = make_core(about["model"], info, trust)
        if (kind := about.get("spread")) is not None:
            give_spread(core, kind)
        return core

    checkpoint_sizes.require_fits(make, state, "core.", ("normaliser.mean", "normaliser.std"))
    blank = np.ones(shape[0] + len(info.covariates))
    normaliser = Normaliser(blank, blank, len(shape) - 1)
    forecaster = Forecaster(make().to(dtype), normaliser, about["model"], info, std)
    forecaster.load_state_dict(state)
    return forecaster.eval()
