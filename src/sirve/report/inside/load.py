"""What was measured inside a run's network, read from inside.h5 for the pictures."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from sirve.errors import UserError
from sirve.io.hdf5 import reading
from sirve.report.load import Run, RunError, number
from sirve.report.stats import Curve, thin
from sirve.report.style import MODEL_COLOUR

LEVELS = {"1/e": 1 / np.e, "1 %": 0.01}  # of the gradient's norm
_REMEDY = "delete it, or measure again"
_CURVES = 24  # of one kind, at most
_MOST = 1e30  # of a number that can be drawn
_LONGEST = 100_000  # points of a curve
_FLOOR = 1e-12  # of a norm that is drawn
_CALLED = {  # the note's symbols
    "f": "forget gate {}",
    "i": "input gate {}",
    "C'": "new knowledge {}",
    "o": "output gate {}",
    "z": "update gate {}",
    "r": "reset gate {}",
    "h'": "candidate {}",
}
MEMORY = {"h": "memory h", "C": "conveyor belt C"}
_PANELS = 8  # of activations
_HIGHEST = 1e6  # of an error
_GREY = "#8f8f8f"

Curves = dict[str, np.ndarray]


@dataclass(frozen=True)
class Settling:
    """Exponents (m, k) as they settle over a time (m,), with half their 95 % intervals."""

    time: np.ndarray
    value: np.ndarray
    error: np.ndarray


@dataclass(frozen=True)
class Inside:
    """Curves by name, empty where a measurement does not apply.

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
    """Of the run in the folder ``run``; empty where nothing was measured. Raises RunError."""
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


def panels(inside: Inside) -> list[tuple[str, np.ndarray]]:
    """Title and (3, times) of each activation, in the order of the equations."""
    order = list(_CALLED)
    named = sorted(inside.gates.items(), key=lambda item: _place(order, item[0].split(",")[0]))
    return [(_CALLED.get(name.split(",")[0], "{}").format(name), v) for name, v in named[:_PANELS]]


def _place(order: list[str], name: str) -> int:
    return order.index(name) if name in order else len(order)


def reach_curves(inside: Inside, label: str, colour: str, shaded: bool = True) -> list[Curve]:
    """Norms against the lag: of h, and dashed of C; grey, of the network before training."""
    looks = ((inside.initial, f"{label} before training", _GREY, False),
             (inside.reach, label, colour, shaded))  # fmt: skip
    found = []
    for curves, name, hue, band in looks:
        for symbol, values in sorted(curves.items(), key=lambda item: item[0] != "h"):
            several = f"{name}, {symbol}" if len(curves) > 1 else name
            low, middle, high = np.maximum(values, _FLOOR / 100)
            middle = np.where(middle >= _FLOOR, middle, np.nan)
            dash = "solid" if symbol == "h" else "dash"
            lag = np.arange(len(middle))
            found.append(Curve(several, lag, middle, low, high, hue, dash, band, 2.0))
    return found


def reach_range(curves: Sequence[Curve]) -> tuple[float, float]:
    """Bounds of the axis of norms."""
    values = np.concatenate([curve.middle for curve in curves])
    values = values[np.isfinite(values)]
    return float(min(values.min(), 1e-3)) / 2, float(max(values.max(), 1.0)) * 2


def reach_end(curves: Sequence[Curve]) -> float:
    """The lag up to which any curve is seen, and a little more."""
    seen = max(int(np.isfinite(curve.middle).nonzero()[0][-1]) for curve in curves)
    return min(1.1 * seen + 5, float(max(curve.x[-1] for curve in curves)))


def memory_curves(inside: Inside, run: Run) -> list[Curve]:
    """Errors of forecasts that carry their memory on, and of those that make it anew."""
    looks = {"carried": ("memory carried", MODEL_COLOUR), "reread": ("memory made anew", "#d55e00")}
    found = []
    for name, (label, colour) in looks.items():
        if name in inside.drift:
            steps = min(inside.drift[name].shape[1], run.steps)
            at = thin(steps, 1500)
            low, middle, high = np.nan_to_num(inside.drift[name][:, at], nan=_HIGHEST)
            low, high = np.minimum(low, _HIGHEST), np.minimum(high, _HIGHEST)
            middle = np.where((middle > 0) & (middle < _HIGHEST), middle, np.nan)
            dash, width = ("solid", 2.6) if name == "carried" else ("dash", 1.6)
            found.append(Curve(label, run.time[at], middle, low, high, colour, dash, True, width))
    return found


def system_exponents(run: Run) -> tuple[list[float], list[float]]:
    """Of the simulator, and half their intervals, as the dataset has them; empty if unknown."""
    found: Any = run.metrics
    for key in ("limits", "exponents"):
        found = found.get(key) if isinstance(found, dict) else None
    values, errors = (
        found.get(key) if isinstance(found, dict) else None for key in ("value", "error")
    )
    if not (isinstance(values, list) and isinstance(errors, list)) or len(values) != len(errors):
        return [], []
    numbers = [[number(v) for v in part] for part in (values, errors)]
    if any(v is None for part in numbers for v in part):
        return [], []
    return [v or 0.0 for v in numbers[0]], [v or 0.0 for v in numbers[1]]


def exponent_title(found: Settling, system: tuple[list[float], list[float]], i: int) -> str:
    """The number and value of an exponent, and the system's."""
    text = f"exponent {i + 1}: {measured(found.value[-1, i], found.error[-1, i])}"
    if i < len(system[0]):
        text += f", system {measured(system[0][i], system[1][i])}"
    return text


def measured(value: float, error: float) -> str:
    """A value and half its interval, to two digits of the interval."""
    places = 1 - math.floor(math.log10(error)) if 0 < error < np.inf else 3
    places = min(max(places, 0), 6)
    return f"{value:.{places}f} ± {error:.{places}f}".replace("-", "\u2212")


def exponent_range(
    found: Settling, system: tuple[list[float], list[float]], i: int
) -> tuple[float, float]:
    """Bounds that show the second half of the averaging, and the system's exponent."""
    late = slice(len(found.time) // 4, None)
    ends = [
        found.value[late, i] - found.error[late, i],
        found.value[late, i] + found.error[late, i],
    ]
    if i < len(system[0]):
        ends.append(np.array([system[0][i] - system[1][i], system[0][i] + system[1][i]]))
    values = np.concatenate(ends)
    values = values[np.isfinite(values)]
    if not len(values):
        return -1.0, 1.0
    room = 0.1 * float(np.ptp(values)) + 1e-6
    return float(values.min()) - room, float(values.max()) + room


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
