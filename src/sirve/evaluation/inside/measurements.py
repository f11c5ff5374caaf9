"""Measure one forecaster from inside, for inside.h5 and the entry ``inside`` of metrics.json."""

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
from sirve.evaluation.inside.drift import rollout_with_resets
from sirve.evaluation.inside.exponents import exponents
from sirve.evaluation.inside.gates import gate_paths
from sirve.evaluation.inside.reach import falls_below, reach
from sirve.forecasting.forecaster import Forecaster
from sirve.forecasting.rollout import rollout
from sirve.io.hdf5 import create

LEVELS = {"1/e": 1 / np.e, "1%": 1e-2, "1e-6": 1e-6}
HORIZONS = (1, 10, 100, 1000)
LAGS, WINDOWS = 200, 32
FREE = 150  # predictions along which gates are recorded
STARTS = 8  # forecasts with and without their memory
ORBITS, SHORTEST, LONGEST = 8, 100, 1500  # orbits, and their least and most steps
POINTS = 200  # averaging times at which exponents are kept
FEWEST = 4  # trajectories
NO_MEMORY = {"skipped": "this core has no memory"}
NO_CELLS = {"skipped": "this core has no recurrent cells"}
# The most multiplications of each measurement: some seconds of one processor core.
WORK = {"reach": 1e10, "drift": 2e10, "exponents": 2e10}


@dataclass(frozen=True)
class Material:
    """The test states, in physical units, that a forecaster is measured with.

    ``seen`` (n, T, *shape) has noise, ``clean`` has none; ``covariates`` (n,) by name; ``median``
    is the trajectory along which gates are recorded. ``initial``: the core before training, None
    where training changed only its readout. ``count``: the number of exponents.
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
    """Measurements: ``arrays`` by their path in inside.h5, ``summary`` for metrics.json."""

    arrays: dict[str, np.ndarray]
    summary: dict[str, Any]

    def write(self, run: Path) -> None:
        """Write inside.h5 into the folder of a run."""
        with create(run / "inside.h5") as file:
            for path, values in self.arrays.items():
                file[path] = np.asarray(values, np.float64)


def measure(forecaster: Forecaster, material: Material) -> Inside:
    """Make each measurement; ``summary`` has the reason where one does not apply or fails."""
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
        except (RuntimeError, NotImplementedError) as error:  # the scores must not be lost with it
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
    paths = gate_paths(forecaster.core, context, FREE)
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
        "reread": rollout_with_resets(core, x, steps, every),
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
        few = f"{count} orbits of {steps} steps are too few"
        return {"skipped": f"{few}; measure longer with sirve inside --time"}
    context = _read(forecaster, material, count, slice(material.context))
    return measure_exponents(forecaster, context, material.count, steps, found)


def measure_exponents(
    forecaster: Forecaster, context: Tensor, count: int, steps: int, found: Inside
) -> dict[str, Any]:
    """Measure exponents after ``context`` (B, c, *shape), put them into ``found.arrays``.

    A fifth of ``steps`` passes before the averaging. Returns their summary.
    """
    dt, turning = forecaster.info.dt, steps // 5
    spectrum = exponents(forecaster.core, context, dt, count, steps - turning, turning)
    if spectrum is None:
        return {"skipped": "the orbits leave the range of the data"}
    kept = _spread(len(spectrum.time), min(len(spectrum.time), POINTS))
    for name in ("time", "value", "error"):
        found.arrays[f"exponents/{name}"] = getattr(spectrum, name).cpu().numpy()[kept]
    return {
        "value": spectrum.value[-1].tolist(),
        "error": spectrum.error[-1].tolist(),
        "time": float(spectrum.time[-1]),
        "orbits": spectrum.orbits,
        "escaped": spectrum.escaped,
    }


def multiplications(core: Core) -> int:
    """Estimate the multiplications of one step: each weight once, of a convolution at each cell."""
    cells = prod(core.shape[1:])
    lifts = [module for module in core.modules() if isinstance(module, Lift)]
    return sum(m.weight.numel() * (1 if isinstance(m, Matrix) else cells) for m in lifts) or 1


def _affordable(
    core: Core, name: str, material: Material, rows: int, steps: int, each: float
) -> tuple[int, int]:
    """Return how many trajectories, at least FEWEST, and steps of each WORK allows.

    ``each`` is the cost of a step in forward steps.
    """
    cost, rows = each * multiplications(core), min(rows, len(material.seen))
    rows = min(rows, max(FEWEST, int(WORK[name] / (cost * steps))))
    return rows, min(steps, max(1, int(WORK[name] / (cost * rows))))


def _read(forecaster: Forecaster, material: Material, count: int, times: slice) -> Tensor:
    """Return ``count`` trajectories, evenly spread over all, normalised for the core."""
    rows = _spread(len(material.seen), count)
    covariates = {name: values[rows] for name, values in material.covariates.items()}
    return forecaster.states(material.seen[rows][:, times], covariates)


def _spread(length: int, count: int) -> np.ndarray:
    return np.linspace(0, length - 1, count).round().astype(int)


def _quartiles(values: np.ndarray) -> np.ndarray:
    """Return the quartiles over the first axis (3, ...); infinite where a value is infinite."""
    with np.errstate(invalid="ignore"):
        found = np.quantile(values, (0.25, 0.5, 0.75), axis=0)
    return np.where(np.isnan(found), np.inf, found)


def _with_readout_of(core: Core, initial: Core) -> Core:
    """Return the initial core with the trained readout: its own is zero and passes no gradient."""
    initial = initial.to(core.scale)
    initial.readout.load_state_dict(core.readout.state_dict())
    initial.scale.copy_(core.scale)
    return initial


@torch.no_grad()
def _has_memory(core: Core) -> bool:
    shape = (1, 1, core.shape[0] + core.covariates, *core.shape[1:])
    return core(core.scale.new_zeros(shape))[1] is not None
