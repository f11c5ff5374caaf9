"""Export a forecaster to a folder for other programs, and load it: sirve.export, sirve.load."""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sirve.errors import Stopped, UserError, one_line
from sirve.exporting import model_files
from sirve.exporting.step_program import Step, iterate, program
from sirve.forecasting import checkpoint
from sirve.forecasting.forecaster import Forecaster
from sirve.io.files import atomic_folder
from sirve.io.instantiate import trusted

CONTEXT, STEPS = 4, 8  # of the check forecast: short, so that chaos does not amplify rounding
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}  # in standard deviations, see _close


def export(run: str | Path, path: str | Path, trust: Sequence[str] = ()) -> None:
    """Write the forecaster of a run folder or a .ckpt file to a new folder ``path``.

    The files are described in sirve.exporting.model_files. Before the folder gets its name it is
    loaded again: it must give the same forecasts bit for bit, and step.pt2, iterated, the same
    within ``TOLERANCE``. The folder is written whole or not at all. Raises UserError for a target
    that exists and a model that cannot be exported, Stopped where the disk refuses.
    """
    target = Path(path)
    if target.exists() or target.is_symlink():
        raise UserError(f"{target} exists already; give another folder, or remove it first")
    original = load(run, trust).requires_grad_(False)
    try:
        with atomic_folder(target) as folder:
            _write(original, folder)
            _verify(original, folder, trust)
    except OSError as error:
        raise Stopped(
            f"{target} cannot be written ({error.strerror}); make room or choose another folder"
        ) from error
    except UserError as error:
        raise UserError(f"{target} was not written: {error}") from error


def load(run: str | Path, trust: Sequence[str] = ()) -> Forecaster:
    """Load a forecaster: of a run folder (its best checkpoint), a .ckpt file, an exported folder.

    None of them is trusted: they hold plain types only, and their classes must come from sirve or
    from the packages in ``trust``. An exported folder must reproduce its check forecast within
    ``TOLERANCE``. Raises UserError.
    """
    path = Path(run)
    if not model_files.is_exported(path):
        return checkpoint.load(path, trust)
    packages = trusted(trust)
    about, tensors = model_files.read(path)
    try:
        context, expected = tensors.pop("check.context"), tensors.pop("check.forecast")
        loaded = checkpoint.assemble(about, tensors, packages)
        found = loaded.forecast(context, STEPS, check_covariates(loaded))
    except UserError:
        raise
    except Exception as error:  # model.json may hold anything
        raise UserError(
            f"{path} is not an exported model of sirve: {one_line(str(error))}; export it again"
        ) from error
    if not _close(loaded, found, expected):
        raise UserError(
            f"{path} does not reproduce its own check forecast; load it with the versions of sirve "
            "and torch that wrote it, or export the model again"
        )
    return loaded


def check_context(model: Forecaster, batch: int = 1) -> Tensor:
    """Return (batch, CONTEXT, *shape): slow waves of half a standard deviation about the mean."""
    shape = (batch, CONTEXT, *model.info.shape)
    wave = torch.arange(torch.Size(shape).numel(), dtype=torch.float64).mul(0.1).sin()
    mean, std = (part[: shape[2]] for part in (model.normaliser.mean, model.normaliser.std))
    return 0.5 * wave.reshape(shape) * std + mean


def check_covariates(model: Forecaster) -> dict[str, float]:
    """Return the training mean of each covariate."""
    own = model.info.shape[0]
    means = model.normaliser.mean.flatten()[own:].tolist()
    return dict(zip(model.info.covariates, means, strict=True))


def _write(original: Forecaster, folder: Path) -> None:
    context = check_context(original)
    forecast = original.forecast(context, STEPS, check_covariates(original))
    if not torch.isfinite(forecast).all():
        raise UserError("its forecast from the training mean is not finite; train it again")
    step, x = Step(original.core, original.normaliser), _read(original, context)[:, 0]
    about = {
        "versions": {name: version(name) for name in ("sirve", "torch")},
        **checkpoint.describe(original),
        "step": {"x": _form(x), "y": _form(x), "state": [_form(part) for part in step.blank]},
    }
    check = {"check.context": context[0], "check.forecast": forecast[0]}
    model_files.write(folder, about, original.state_dict() | check, program(step, x))


def _verify(original: Forecaster, folder: Path, trust: Sequence[str]) -> None:
    """Raise UserError unless the loaded model and the step program forecast as the original."""
    loaded = load(folder, trust)
    blank = Step(original.core, original.normaliser).blank
    # This unpickles, but only what this process has just written.
    step = torch.export.load(folder / model_files.STEP).module()
    for batch in (1, 3):
        context = check_context(original, batch)
        covariates = check_covariates(original)
        expected = original.forecast(context, STEPS, covariates)
        if not torch.equal(loaded.forecast(context, STEPS, covariates), expected):
            raise UserError("loaded again, it does not give the same forecast bit for bit")
        stepped = iterate(step, blank, _read(original, context), STEPS)[:, :, : context.shape[2]]
        if not _close(original, stepped, expected):
            raise UserError(f"{model_files.STEP} does not give the model's own forecast")


def _close(model: Forecaster, found: Tensor, expected: Tensor) -> bool:
    """Compare to TOLERANCE of a standard deviation, or of the largest value where that is more."""
    if found.shape != expected.shape:
        return False
    a, b = model.normaliser(_read(model, found)), model.normaliser(_read(model, expected))
    unit = max(1.0, float(b.abs().max()))
    return bool(((a - b).abs() <= TOLERANCE[model.core.scale.dtype] * unit).all())


def _read(model: Forecaster, x: Tensor) -> Tensor:
    """Return x (..., T, *shape) with the covariates, as the step program reads it."""
    covariates = check_covariates(model)
    return (
        model.with_covariates(x, covariates)
        if x.ndim > len(model.info.shape) + 1
        else (model.with_covariates(x[None], covariates)[0])
    )


def _form(x: Tensor) -> dict[str, Any]:
    """Describe shape (with a batch of 1) and type in plain types."""
    return {"shape": list(x.shape), "dtype": str(x.dtype).removeprefix("torch.")}
