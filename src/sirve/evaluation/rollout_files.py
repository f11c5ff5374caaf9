"""Rollouts in an HDF5 file of a run, or of anyone: two arrays, and what is said of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sirve.errors import UserError, one_line, shown
from sirve.evaluation.rescore import DIFFUSE, ENSEMBLE, WALL, Rollouts
from sirve.io.hdf5_arrays import Outline, outline
from sirve.metrics.scores import LEVELS

_LAYOUT = "give (rollouts, steps, channels), and the axes of space after them"
_MOST = 4  # axes of space and channels beside rollouts and steps, at most


@dataclass(frozen=True)
class Said:
    """What a file does not say, or says otherwise: names of its arrays, and numbers."""

    truth: str = "truth"
    prediction: str = "prediction"
    context: str = "context"
    ensemble: str = "ensemble/futures"
    dt: float | None = None
    unit: float | None = None
    time_unit: str = ""  # the name of ``unit``
    std: tuple[float, ...] | str | None = None  # "truth": the truth's own
    diffuses: bool | None = None
    wall: float | None = None


def read(path: Path, said: Said) -> Rollouts:
    """Everything that is to be scored; UserError for what is missing, of a wrong shape or unfit."""
    if path.is_dir():
        path = path / "rollouts.h5"
    if not path.exists():
        raise UserError(f"{path} is not there; give a rollouts.h5 or the folder of a run")
    found = outline(path)
    truth = _states(found, said.truth, "truth")
    prediction = _states(found, said.prediction, "prediction")
    if truth.shape != prediction.shape:
        raise UserError(
            f"{path}: {shown(said.prediction)} has the shape {prediction.shape} and "
            f"{shown(said.truth)} {truth.shape}; give both alike"
        )
    _require_finite(path, said.truth, truth)
    dt, unit, time_unit = _times(found, said)
    context = _optional(found, said.context, Said.context, "context")
    if context is not None:
        _require_shape(path, said.context, context, (len(truth), None, *truth.shape[2:]))
        _require_finite(path, said.context, context)
    futures = _optional(found, said.ensemble, Said.ensemble, "ensemble")
    if futures is not None:
        _require_shape(path, said.ensemble, futures, (None, *truth.shape))
    sim, boundary = found.attribute("/", "sim"), found.attribute("/", "walls")
    members = found.attribute("/", "members")
    return Rollouts(
        name=str(path),
        truth=truth,
        prediction=prediction,
        std=_std(found, said, truth),
        dt=dt,
        unit=unit,
        time_unit=time_unit,
        context=context,
        invariants=_invariants(found, truth.shape),
        ensemble=_ensemble(found, truth.shape),
        members=members if isinstance(members, int) else 0,
        futures=futures,
        diffuses=sim in DIFFUSE if said.diffuses is None else said.diffuses,
        wall=WALL.get(str(boundary)) if said.wall is None else said.wall,
    )


def _array(found: Outline, name: str, option: str = "") -> np.ndarray:
    """float32 as it is, for what was computed in it is to come out the same; else float64."""
    if name not in found.arrays:
        why = found.others.get(name)
        known = ", ".join(sorted(map(shown, found.arrays))[:10]) or "none"
        reason = why or f"is not there; the file has {known}: name it by --{option}"
        raise UserError(f"{found.path}: the array {shown(name)} {reason}")
    array = found.arrays[name]
    try:
        x = array.read(())
    except MemoryError:
        raise UserError(
            f"{found.path}: {shown(name)} of shape {array.shape} is more than fits in memory; "
            "score a part of the rollouts"
        ) from None
    return x if x.dtype in (np.float32, np.float64) else x.astype(np.float64)


def _states(found: Outline, name: str, option: str) -> np.ndarray:
    x = _array(found, name, option)
    if not 3 <= x.ndim <= 1 + _MOST or not x.size:
        raise UserError(f"{found.path}: {shown(name)} has the shape {x.shape}; {_LAYOUT}")
    return x


def _optional(found: Outline, name: str, usual: str, option: str) -> np.ndarray | None:
    """None where it is not there under its usual name; one that was named has to be there."""
    if name == usual and name not in found.arrays:
        return None
    x = _array(found, name, option)
    if not x.size:
        raise UserError(f"{found.path}: {shown(name)} is empty; name another by --{option}")
    return x


def _require_shape(path: Path, name: str, x: np.ndarray, shape: tuple[int | None, ...]) -> None:
    alike = x.ndim == len(shape) and all(
        n in (None, m) for n, m in zip(shape, x.shape, strict=True)
    )
    if not alike:
        wanted = ", ".join("any" if n is None else str(n) for n in shape)
        raise UserError(f"{path}: {shown(name)} has the shape {x.shape}, not ({wanted})")


def _require_finite(path: Path, name: str, x: np.ndarray) -> None:
    finite = np.isfinite(x)
    if not finite.all():
        at = np.unravel_index(int(np.argmin(finite)), x.shape)
        place = ", ".join(map(str, at))
        raise UserError(
            f"{path}: {shown(name)} is {x[at]} at ({place}); nothing can be scored against that, "
            "leave that rollout out"
        )


def _times(found: Outline, said: Said) -> tuple[float, float, str]:
    """dt, the unit of times and its name; without a unit, steps are counted."""
    dt = said.dt if said.dt is not None else _positive(found, "dt")
    own = _positive(found, "unit")
    unit = said.unit if said.unit is not None else own
    if unit is None:
        return (dt or 1.0), (dt or 1.0), "step"
    if dt is None:
        raise UserError(f"{found.path}: a unit of time needs the length of a step; give --dt")
    name = said.time_unit if said.unit is not None else found.attribute("/", "time_unit")
    return dt, unit, one_line(name) if isinstance(name, str) and name else "given units"


def _positive(found: Outline, name: str) -> float | None:
    value = found.attribute("/", name)
    if value is None:
        return None
    if isinstance(value, str) or not 0 < value < np.inf:
        raise UserError(f"{found.path}: {name}={shown(value)} must be a positive number")
    return float(value)


def _std(found: Outline, said: Said, truth: np.ndarray) -> np.ndarray | None:
    if said.std == "truth":
        axes = tuple(i for i in range(truth.ndim) if i != 2)
        std = truth.std(axes, dtype=np.float64)
    else:
        given = found.numbers("std") if said.std is None else np.asarray(said.std, np.float64)
        if given is None:
            return None
        std = given
    if std.shape != truth.shape[2:3]:
        raise UserError(
            f"{found.path}: std has {std.size} numbers, and states {truth.shape[2]} channels; give "
            "--std one for each"
        )
    if not ((std > 0) & (std < np.inf)).all():
        raise UserError(f"{found.path}: std={std.tolist()} must be positive numbers; give --std")
    return std


def _invariants(found: Outline, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    paths: dict[str, np.ndarray] = {}
    for place in found.arrays:
        group, _, last = place.rpartition("/")
        if group.startswith("invariants/") and last == "prediction":
            path = _array(found, place)
            _require_shape(found.path, place, path, (shape[0], shape[1] + 1))
            paths[one_line(group.removeprefix("invariants/"))] = path
    return paths


def _ensemble(found: Outline, shape: tuple[int, ...]) -> dict[str, Any]:
    """What a run has kept of its members."""
    arrays: dict[str, np.ndarray] = {}
    for name in (*ENSEMBLE, *(f"coverage_{level}" for level in LEVELS)):
        if f"ensemble/{name}" in found.arrays:
            arrays[name] = _array(found, f"ensemble/{name}")
            wanted = shape if name in ("mean", "spread") else shape[:2]
            _require_shape(found.path, f"ensemble/{name}", arrays[name], wanted)
    return arrays
