"""Reads what was measured inside a run's network from inside.h5."""

import math
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

from sirve.errors import UserError
from sirve.io.hdf5 import reading
from sirve.report.load import Run, RunError, entry, number

_REMEDY = "delete it, or measure again"
_CURVES = 24  # of one kind, at most
_MOST = 1e30  # larger numbers are not drawn
_LONGEST = 100_000  # points of a curve, at most

Curves = dict[str, np.ndarray]


@dataclass(frozen=True)
class Settling:
    """Exponents (m, k) against the time of averaging (m,), with half their 95 % intervals."""

    time: np.ndarray
    value: np.ndarray
    error: np.ndarray


@dataclass(frozen=True)
class Inside:
    """Measurements by name, empty where one does not apply.

    ``reach`` and ``initial`` (3, lags) and ``drift`` (3, steps) are quartiles; ``gates`` (3,
    times) mean and quantiles over units, ``memory`` (units, times), both at ``along``, in steps
    from the last state of the context.
    """

    reach: Curves = field(default_factory=dict)
    initial: Curves = field(default_factory=dict)
    gates: Curves = field(default_factory=dict)
    memory: Curves = field(default_factory=dict)
    along: np.ndarray = field(default_factory=lambda: np.zeros(0))
    drift: Curves = field(default_factory=dict)
    exponents: Settling | None = None

    def __bool__(self) -> bool:
        return bool(self.reach or self.memory or self.drift or self.exponents)


def load_inside(run: Path) -> Inside:
    """Read inside.h5 of the folder ``run``; empty where nothing was measured. Raises RunError."""
    path = run / "inside.h5"
    if not path.is_file():
        return Inside()
    try:
        with reading(path, _REMEDY) as file:
            along = _array(file, "along", 1) if "along" in file else np.zeros(0)
            return Inside(
                reach=_curves(file, "reach", 3),
                initial=_curves(file, "initial", 3),
                gates=_curves(file, "gates", 3, len(along)),
                memory=_curves(file, "memory", None, len(along)),
                along=along,
                drift=_curves(file, "drift", 3),
                exponents=_settling(file),
            )
    except UserError as error:
        raise RunError(str(error)) from error
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise RunError(f"{path}: cannot be read, {error}; {_REMEDY}") from error


def system_exponents(run: Run) -> tuple[list[float], list[float]]:
    """Return the simulator's exponents and half their intervals; empty where they are unknown."""
    values, errors = (entry(run.metrics, "limits", "exponents", k) for k in ("value", "error"))
    if not (isinstance(values, list) and isinstance(errors, list)) or len(values) != len(errors):
        return [], []
    numbers = [[number(v) for v in part] for part in (values, errors)]
    if any(v is None for part in numbers for v in part):
        return [], []
    return [v or 0.0 for v in numbers[0]], [v or 0.0 for v in numbers[1]]


def measured(value: float, error: float) -> str:
    """Return a value and half its interval as text, to two digits of the interval."""
    places = 1 - math.floor(math.log10(error)) if 0 < error < np.inf else 3
    places = min(max(places, 0), 6)
    return f"{value:.{places}f} ± {error:.{places}f}".replace("-", "\u2212")


def _settling(file: h5py.File) -> Settling | None:
    if "exponents" not in file:
        return None
    time, value, error = (
        _array(file["exponents"], name, dims)
        for name, dims in (("time", 1), ("value", 2), ("error", 2))
    )
    if value.shape != error.shape or len(value) != len(time) or not 1 <= value.shape[1] <= _CURVES:
        raise ValueError("the exponents have other shapes than their times")
    return Settling(time, value, error)


def _curves(file: h5py.File, name: str, rows: int | None, length: int | None = None) -> Curves:
    group = file.get(name)
    if group is None:
        return {}
    if not isinstance(group, h5py.Group) or len(group) > _CURVES:
        raise ValueError(f"{name} is no group of at most {_CURVES} curves")
    found = {str(key): _array(group, key, 2) for key in group}
    for values in found.values():
        if len(values) > _CURVES or rows not in (None, len(values)):
            raise ValueError(f"{name} holds curves of the shape {values.shape}")
        if length not in (None, values.shape[1]):
            raise ValueError(f"{name} holds curves of another length than their times")
    return found


def _array(group: h5py.Group, name: str, dims: int) -> np.ndarray:
    item = group.get(name)
    if not isinstance(item, h5py.Dataset) or item.ndim != dims or not item.size:
        raise ValueError(f"{name} is no array of {dims} dimensions")
    if item.shape[-1] > _LONGEST or item.shape[0] > _LONGEST:
        raise ValueError(f"{name} has the shape {item.shape}")
    values = np.asarray(item, "f8")
    return np.where(np.abs(values) < _MOST, values, np.nan)
