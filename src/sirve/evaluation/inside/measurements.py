"""All that is measured inside one forecaster: inside.h5, and what metrics.json says of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sirve import metrics
from sirve.cores import Core
from sirve.cores.lift import Lift, Matrix
from sirve.errors import one_line
from sirve.evaluation.inside.drift import reread
from sirve.evaluation.inside.exponents import exponents
from sirve.evaluation.inside.gates import along
from sirve.evaluation.inside.reach import falls_below, reach
from sirve.forecasting.forecaster import Forecaster
from sirve.forecasting.rollout import rollout
from sirve.io.hdf5 import create

LEVELS = {"1/e": 1 / np.e, "1%": 1e-2, "1e-6": 1e-6}
HORIZONS = (1, 10, 100, 1000)
LAGS, WINDOWS = 200, 32
FREE = 150  # predictions along which gates are shown
STARTS = 8  # of forecasts with and without their memory
ORBITS, SHORTEST, LONGEST = 8, 100, 1500  # orbits, and steps, of a short measurement
POINTS = 200  # at which exponents are kept, as they settle
FEWEST = 4  # trajectories
NO_MEMORY = {"skipped": "this core has no memory"}
NO_CELLS = {"skipped": "this core has no recurrent cells"}
# Multiplications, at most, of each measurement: some seconds of one core.
WORK = {"reach": 1e10, "drift": 2e10, "exponents": 2e10}


@dataclass(frozen=True)
class Material:
    """What a forecaster is looked at with: test states, in physical units.

    ``seen`` (n, T, *shape) with noise, ``clean`` without; ``covariates`` are its known parameters,
    (n,) each; ``median`` is the trajectory whose forecast is shown. ``initial``: the core before
    training, None where training changed only its readout. ``count`` exponents are sought.
    """

    seen: np.ndarray
    clean: np.ndarray
    context: int
    covariates: Mapping[str, np.ndarray] = field(default_factory=dict)
    median: int = 0
    initial: Core | None = None
    count: int = 3


@dataclass(frozen=True)
class Inside:
    """``arrays`` by their path in inside.h5, and ``summary``, the entry of metrics.json."""

    arrays: dict[str, np.ndarray]
    summary: dict[str, Any]

    def write(self, run: Path) -> None:
        with create(run / "inside.h5") as file:
            for path, values in self.arrays.items():
                file[path] = np.asarray(values, np.float64)


def measure(forecaster: Forecaster, material: Material) -> Inside:
    """Each measurement in turn; one that does not apply, or fails, says why in ``summary``."""
    found = Inside({}, {})
    parts: dict[str, Callable[[Forecaster, Material, Inside], dict[str, Any]]] = {
        "reach": _reach,
        "gates": _gates,
        "drift": _drift,
        "exponents": _exponents,
    }
    for name, part in parts.items():
        try:
            found.summary[name] = part(forecaster, material, found)
        except (RuntimeError, NotImplementedError) as error:  # no scores are lost for a picture
            found.summary[name] = {"skipped": one_line(str(error))}
    return found


def _reach(forecaster: Forecaster, material: Material, found: Inside) -> dict[str, Any]:
    core, times = forecaster.core, material.seen.shape[1]
    count, lags = _affordable(core, "reach", material, WINDOWS, min(LAGS, times - 1), each=3)
    windows = _read(forecaster, material, count, slice(times - lags - 1, None))
    summary: dict[str, Any] = {"lags": lags, "windows": count}
    cores = {"reach": core}
    if material.initial is not None:
        cores["initial"] = _with_readout_of(core, material.initial)
    for place, one in cores.items():
        for name, norms in reach(one, windows).items():
            found.arrays[f"{place}/{name}"] = _quartiles(norms.cpu().numpy())
            falls = {level: falls_below(norms, value) for level, value in LEVELS.items()}
            (summary if place == "reach" else summary.setdefault(place, {}))[name] = falls
    return summary if "reach/h" in found.arrays else NO_CELLS


def _gates(forecaster: Forecaster, material: Material, found: Inside) -> dict[str, Any]:
    one = slice(material.median, material.median + 1)
    covariates = {name: values[one] for name, values in material.covariates.items()}
    context = forecaster.states(material.seen[one, : material.context], covariates)
    paths = along(forecaster.core, context, FREE)
    if paths is None:
        return NO_CELLS
    found.arrays["along"] = np.arange(1 - material.context, FREE)
    found.arrays[f"memory/{paths.name}"] = paths.memory.cpu().numpy()
    summary = {}
    for name, path in paths.activations.items():
        found.arrays[f"gates/{name}"] = path.cpu().numpy()
        mean, low, high = path.mean(1).tolist()
        summary[name] = {"mean": mean, "low": low, "high": high}
    return summary


@torch.no_grad()
def _drift(forecaster: Forecaster, material: Material, found: Inside) -> dict[str, Any]:
    core, info, context = forecaster.core, forecaster.info, material.context
    if not _has_memory(core):
        return NO_MEMORY
    every = max(1, context // 2)
    longest, each = material.seen.shape[1] - context, 2 + context / every
    count, steps = _affordable(core, "drift", material, STARTS, longest, each)
    x = _read(forecaster, material, count, slice(context))
    forecasts = {
        "carried": rollout(core, x, steps)[0][:, -steps:],
        "reread": reread(core, x, steps, every),
    }
    truth = material.clean[_spread(len(material.clean), count), context : context + steps]
    summary: dict[str, Any] = {"every": every, "steps": steps, "starts": count}
    for name, y in forecasts.items():
        physical = core.predicted(forecaster.normaliser.back(y)).cpu().numpy()
        error = metrics.normalised_error(truth, physical, np.asarray(forecaster.std))
        found.arrays[f"drift/{name}"] = quartiles = _quartiles(error)
        at = [h for h in HORIZONS if h <= steps]
        summary[name] = {
            "median_error": {str(h): metrics.or_null(quartiles[1, h - 1]) for h in at},
            "valid_time": metrics.valid_time(error, metrics.THRESHOLD, info.dt, info.unit),
        }
    return summary


def _exponents(forecaster: Forecaster, material: Material, found: Inside) -> dict[str, Any]:
    each = 2 * (1 + material.count)
    core = forecaster.core
    count, steps = _affordable(core, "exponents", material, ORBITS, LONGEST, each)
    if steps < SHORTEST or count < 2:
        return {"skipped": f"{count} orbits of {steps} steps are too few; see scripts/inside.py"}
    context = _read(forecaster, material, count, slice(material.context))
    return spectrum(forecaster, context, material.count, steps, found)


def spectrum(
    forecaster: Forecaster, context: Tensor, count: int, steps: int, found: Inside
) -> dict[str, Any]:
    """The exponents from ``context`` (B, c, *shape) on, into ``found.arrays``; their summary.

    A fifth of ``steps`` passes before any averaging.
    """
    dt, turning = forecaster.info.dt, steps // 5
    settled = exponents(forecaster.core, context, dt, count, steps - turning, turning)
    if settled is None:
        return {"skipped": "the orbits leave the range of the data"}
    shown = _spread(len(settled.time), min(len(settled.time), POINTS))
    for name in ("time", "value", "error"):
        found.arrays[f"exponents/{name}"] = getattr(settled, name).cpu().numpy()[shown]
    return {
        "value": settled.value[-1].tolist(),
        "error": settled.error[-1].tolist(),
        "time": float(settled.time[-1]),
        "orbits": settled.orbits,
        "escaped": settled.escaped,
    }


def multiplications(core: Core) -> int:
    """Of one step of one state, about: each weight once, of a convolution at each cell."""
    cells = prod(core.shape[1:])
    lifts = [module for module in core.modules() if isinstance(module, Lift)]
    return sum(m.weight.numel() * (1 if isinstance(m, Matrix) else cells) for m in lifts) or 1


def _affordable(
    core: Core, name: str, material: Material, rows: int, steps: int, each: float
) -> tuple[int, int]:
    """How many trajectories, and steps of each: what WORK allows, FEWEST trajectories at least.

    ``each`` is the cost of a step in forward steps.
    """
    cost, rows = each * multiplications(core), min(rows, len(material.seen))
    rows = min(rows, max(FEWEST, int(WORK[name] / (cost * steps))))
    return rows, min(steps, max(1, int(WORK[name] / (cost * rows))))


def _read(forecaster: Forecaster, material: Material, count: int, times: slice) -> Tensor:
    """``count`` trajectories, evenly spread over all, as the core reads them."""
    rows = _spread(len(material.seen), count)
    covariates = {name: values[rows] for name, values in material.covariates.items()}
    return forecaster.states(material.seen[rows][:, times], covariates)


def _spread(length: int, count: int) -> np.ndarray:
    return np.linspace(0, length - 1, count).round().astype(int)


def _quartiles(values: np.ndarray) -> np.ndarray:
    """(3, ...) over the first axis; of what is infinite, infinite."""
    with np.errstate(invalid="ignore"):
        found = np.quantile(values, (0.25, 0.5, 0.75), axis=0)
    return np.where(np.isnan(found), np.inf, found)


def _with_readout_of(core: Core, initial: Core) -> Core:
    """The initial recurrent weights: their own readout is zero and has no gradient to send."""
    initial = initial.to(core.scale)
    initial.readout.load_state_dict(core.readout.state_dict())
    initial.scale.copy_(core.scale)
    return initial


@torch.no_grad()
def _has_memory(core: Core) -> bool:
    shape = (1, 1, core.shape[0] + core.covariates, *core.shape[1:])
    return core(core.scale.new_zeros(shape))[1] is not None
