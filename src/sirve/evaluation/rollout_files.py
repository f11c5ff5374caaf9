"""Read rollouts from an HDF5 file, of a run or of any other program."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sirve.errors import UserError, one_line, printable
from sirve.evaluation.rollout_arrays import Rollouts, as_floats, truth_std
from sirve.evaluation.score_parts import ENSEMBLE
from sirve.io.hdf5_arrays import Outline, outline
from sirve.metrics.scores import LEVELS

BOUNDARY_VALUES = {"dirichlet": 0.0}  # that our systems hold the boundary at
DIFFUSE = ("heat", "diffusion")  # systems of ours that keep the maximum principle


@dataclass(frozen=True)
class FileOptions:
    """The names of the arrays in a file, and numbers that replace those of the file."""

    truth: str = "truth"
    prediction: str = "prediction"
    context: str = "context"
    ensemble: str = "ensemble/futures"
    dt: float | None = None
    unit: float | None = None
    time_unit: str | None = None  # the name of ``unit``
    std: tuple[float, ...] | str | None = None  # "truth": that of the truth
    diffuses: bool | None = None
    boundary_value: float | None = None


def read_rollouts(path: Path, options: FileOptions) -> tuple[Rollouts, str]:
    """Return the rollouts in a file and the name of their unit of time.

    ``path`` is a file or the folder of a run. UserError for arrays that are missing, unreadable or
    do not fit together.
    """
    if path.is_dir():
        path = path / "rollouts.h5"
    if not path.exists():
        raise UserError(f"{path} is not there; give a rollouts.h5 or the folder of a run")
    file = outline(path)
    truth = _array(file, options.truth, "truth")
    prediction = _array(file, options.prediction, "prediction")
    dt, unit, time_unit = _times(file, options)
    members = file.attribute("/", "members")
    diffuses = file.attribute("/", "sim") in DIFFUSE
    value = BOUNDARY_VALUES.get(str(file.attribute("/", "walls")))
    invariants, ensemble = _invariants(file), _ensemble(file)
    context = _optional(file, options.context, FileOptions.context, "context")
    futures = _optional(file, options.ensemble, FileOptions.ensemble, "ensemble")
    std = _std(file, options, truth)
    try:
        rollouts = Rollouts(
            truth=truth,
            prediction=prediction,
            std=std,
            dt=dt,
            unit=unit,
            context=context,
            invariants=invariants,
            futures=futures,
            ensemble=ensemble,
            members=members if isinstance(members, int) else 0,
            diffuses=diffuses if options.diffuses is None else options.diffuses,
            boundary_value=value if options.boundary_value is None else options.boundary_value,
        )
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    return rollouts, time_unit


def _array(file: Outline, name: str, option: str = "") -> np.ndarray:
    if name not in file.arrays:
        why = file.others.get(name)
        known = ", ".join(sorted(map(printable, file.arrays))[:10]) or "none"
        reason = why or f"is not there; the file has {known}: name it by --{option}"
        raise UserError(f"{file.path}: the array {printable(name)} {reason}")
    array = file.arrays[name]
    try:
        return as_floats(array.read(()))
    except MemoryError:
        raise UserError(
            f"{file.path}: {printable(name)} of shape {array.shape} is more than fits in memory; "
            "score a part of the rollouts"
        ) from None


def _optional(file: Outline, name: str, usual: str, option: str) -> np.ndarray | None:
    """Return an array; None where it is missing, unless the user named it."""
    return None if name == usual and name not in file.arrays else _array(file, name, option)


def _times(file: Outline, options: FileOptions) -> tuple[float, float, str]:
    """Return dt, the unit of times and its name; without a unit, steps are counted."""
    dt = options.dt if options.dt is not None else _number(file, "dt")
    unit = options.unit if options.unit is not None else _number(file, "unit")
    if unit is None:
        step = 1.0 if dt is None else dt
        return step, step, "step"
    if dt is None:
        raise UserError(f"{file.path}: a unit of time needs the length of a step; give --dt")
    name = options.time_unit if options.unit is not None else file.attribute("/", "time_unit")
    return dt, unit, one_line(name) if isinstance(name, str) and name else "given units"


def _number(file: Outline, name: str) -> float | None:
    value = file.attribute("/", name)
    if isinstance(value, str):
        raise UserError(f"{file.path}: {name}={printable(value)} must be a positive number")
    return None if value is None else float(value)


def _std(file: Outline, options: FileOptions, truth: np.ndarray) -> np.ndarray | None:
    if options.std == "truth":
        return truth_std(truth)
    return file.numbers("std") if options.std is None else np.asarray(options.std, np.float64)


def _invariants(file: Outline) -> dict[str, np.ndarray]:
    paths: dict[str, np.ndarray] = {}
    for place in file.arrays:
        group, _, last = place.rpartition("/")
        if group.startswith("invariants/") and last == "prediction":
            paths[one_line(group.removeprefix("invariants/"))] = _array(file, place)
    return paths


def _ensemble(file: Outline) -> dict[str, np.ndarray]:
    """Return the arrays that a run keeps of its members."""
    names = (*ENSEMBLE, *(f"coverage_{level}" for level in LEVELS))
    return {n: _array(file, f"ensemble/{n}") for n in names if f"ensemble/{n}" in file.arrays}
