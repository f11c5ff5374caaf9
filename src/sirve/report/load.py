"""Reads a finished run from its folder."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from sirve.errors import UserError, one_line, printable
from sirve.io.files import MB, json_rows, read_json, read_text
from sirve.io.hdf5 import reading
from sirve.metrics import THRESHOLD

MODEL = "model"  # the name of the trained model among the scores and the errors
_BASELINES = ("persistence", "linear", "climatology", "mean_state")
_REMEDY = "give the folder of a finished run"
_NAMES = 20  # invariants, at most: each has its own plot
_MOST = 1e30  # larger numbers are not drawn
_NEEDED = ("time", "truth", "prediction", "context", f"error/{MODEL}")


class RunError(UserError):
    """A folder is no finished run: the message names the path, the reason and the remedy."""


@dataclass(frozen=True)
class Run:
    """A finished run. Its states stay in the file until ``states`` reads them."""

    path: Path
    metrics: dict[str, Any]
    config: str
    log: list[dict[str, float]]
    time: np.ndarray  # (steps,), in ``time_unit``
    errors: dict[str, np.ndarray]  # name: (n, steps), inf where the forecast is not finite
    invariants: dict[str, tuple[np.ndarray, np.ndarray]]  # name: truth, prediction (n, steps + 1)
    shape: tuple[int, ...]  # of one state, channels first
    context: int

    @property
    def sim(self) -> str:
        return str(self.metrics.get("sim") or "unknown system")

    @property
    def model(self) -> str:
        return str(self.metrics.get("model") or "unknown model")

    @property
    def n(self) -> int:
        return int(self.errors[MODEL].shape[0])

    @property
    def steps(self) -> int:
        return len(self.time)

    @property
    def step(self) -> float:
        """One time step, in ``time_unit``."""
        dt, unit = number(self.metrics.get("dt")), number(self.metrics.get("unit"))
        step = dt / unit if dt and unit else 0.0
        return step if 0 < step < np.inf else float(self.time[0])

    @property
    def kind(self) -> str:
        """Kind of a state: "vector" (C,), "field" (C, N) or "frame" (C, H, W)."""
        return ("vector", "field", "frame")[len(self.shape) - 1]

    @property
    def channels(self) -> list[str]:
        """Label of every channel, with its unit unless it is dimensionless."""
        known = self.metrics.get("channels")
        known = known if isinstance(known, list) else []
        labels = []
        for i in range(self.shape[0]):
            channel = known[i] if i < len(known) and isinstance(known[i], dict) else {}
            name, unit = channel.get("name") or f"channel {i + 1}", channel.get("unit") or "1"
            labels.append(str(name) if str(unit) == "1" else f"{name} ({unit})")
        return labels

    @property
    def baselines(self) -> list[str]:
        return [name for name in self.errors if name != MODEL]

    def score(self, name: str, *keys: str) -> Any:
        """Return the entry of ``scores`` under ``name`` and ``keys``; None where it is missing."""
        return entry(self.metrics, "scores", name, *keys)

    @property
    def ceiling(self) -> float | None:
        """Time up to which the reference solution is reliable, in ``time_unit``.

        Two solvers agree to THRESHOLD until then. None where it is unknown, or longer than was
        compared.
        """
        value = entry(self.metrics, "limits", "ceiling", str(THRESHOLD))
        if not isinstance(value, dict):
            return None
        median, high = number(value.get("median")), number(value.get("high"))
        # Where half of the pairs always agree, the median is only the length of the comparison.
        unseen = (number(value.get("censored")) or 0) > 0 and median == high
        return None if unseen or median is None or median < 0 else median

    @property
    def drawn_ceiling(self) -> float | None:
        """The same, or None where it is far beyond the end of the forecasts."""
        near = self.ceiling is not None and self.ceiling <= 1.25 * float(self.time[-1])
        return self.ceiling if near else None

    def entries(self, name: str, key: str) -> set[str]:
        """Return the keys of ``score(name, key)``."""
        value = self.score(name, key)
        return set(value) if isinstance(value, dict) else set()

    def states(self, i: int, at: np.ndarray | slice = slice(None)) -> tuple[np.ndarray, np.ndarray]:
        """Read truth and prediction of rollout ``i`` at the steps ``at``, (steps, *shape) each."""
        with reading(self.path / "rollouts.h5", _REMEDY) as file, np.errstate(over="ignore"):
            truth, prediction = (np.asarray(file[k][i, at], "f4") for k in ("truth", "prediction"))
        if not np.isfinite(truth).all():
            raise RunError(f"{self.path}: rollout {i} holds a truth that is not finite; {_REMEDY}")
        return truth, prediction

    def before(self, i: int, steps: int) -> np.ndarray:
        """Read the last ``steps`` states of the context of rollout ``i``."""
        with reading(self.path / "rollouts.h5", _REMEDY) as file:
            return np.asarray(file["context"][i, self.context - steps :], "f4")


def entry(value: Any, *keys: str) -> Any:
    """Return the entry of nested dictionaries under ``keys``; None where it is missing."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def number(value: Any) -> float | None:
    """Return ``value`` as a finite float; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if np.isfinite(float(value)) else None
    except OverflowError:  # JSON has integers of any length
        return None


def load_run(path: Path) -> Run:
    """Read the run in the folder ``path``. Raises RunError."""
    for name in ("metrics.json", "rollouts.h5"):
        if not (path / name).is_file():
            raise RunError(f"{path}: is no finished run, {name} is missing; {_REMEDY}")
    try:
        metrics = read_json(path / "metrics.json", _REMEDY, MB)
        config = path / "config.yaml"
        return Run(
            path=path,
            metrics=metrics,
            config=read_text(config, MB) if config.is_file() else "",
            log=_read_log(path / "metrics.jsonl"),
            **_read_rollouts(path / "rollouts.h5", str(metrics.get("model"))),
        )
    except UserError as error:
        raise RunError(str(error)) from error
    except (OSError, KeyError, ValueError, TypeError) as error:
        why = one_line(str(error))
        raise RunError(f"{path}: cannot be read, {why}; {_REMEDY}") from error


def find_runs(paths: Iterable[Path]) -> list[Run]:
    """Read all runs at or below ``paths``, each once. Raises RunError for a path without any."""
    found: dict[Path, Path] = {}
    for path in paths:
        below = sorted(p.parent for p in path.rglob("metrics.json")) if path.is_dir() else []
        if not below:
            reason = "holds no metrics.json" if path.is_dir() else "is no folder"
            raise RunError(f"{path}: {reason}; give the folder of a finished run, or one above it")
        for folder in below:
            found.setdefault(folder.resolve(), folder)
    return [load_run(folder) for folder in found.values()]


def _order(name: str) -> int:
    """Order baselines from the simplest on, unknown ones last."""
    return _BASELINES.index(name) if name in _BASELINES else len(_BASELINES)


def _read_log(path: Path) -> list[dict[str, float]]:
    """Read the finite numbers of every line."""
    rows = json_rows(path, 16 * MB)
    numbers = [{k: number(v) for k, v in row.items()} for row in rows]
    return [{k: x for k, x in row.items() if x is not None and abs(x) < _MOST} for row in numbers]


def _read_rollouts(path: Path, model: str) -> dict[str, Any]:
    with reading(path, _REMEDY) as file:
        for name in _NEEDED:
            if not isinstance(file.get(name), h5py.Dataset):
                raise ValueError(f"rollouts.h5 holds no {name}")
        shape = file["truth"].shape
        if not (3 <= len(shape) <= 5 and all(shape) and shape == file["prediction"].shape):
            raise ValueError(f"rollouts.h5 holds truth of the shape {shape}")
        n, steps = shape[:2]
        context = file["context"].shape
        if context[:1] + context[2:] != shape[:1] + shape[2:] or not context[1]:
            raise ValueError(f"rollouts.h5 holds context of the shape {context}")
        time = array(file, "time", (steps,)) / _unit(file)
        if not (np.abs(time) < _MOST).all():
            raise ValueError("rollouts.h5 holds a time that is not finite")
        errors = {}
        for name in sorted(file["error"], key=lambda n: (n != MODEL, _order(n), n)):
            if name == model != MODEL:
                continue  # a baseline that is also the model appears once
            error = array(file["error"], name, (n, steps))
            errors[str(name)] = np.where(np.isnan(error), np.inf, error)
        return {
            "time": time,
            "errors": errors,
            "invariants": {
                name: tuple(array(group, key, (n, steps + 1)) for key in ("truth", "prediction"))
                for name, group in _groups(file, "invariants")
            },
            "shape": tuple(shape[2:]),
            "context": int(context[1]),
        }


def _unit(file: h5py.File) -> float:
    """Return the attribute ``unit``, without reading it where it is no number: it may be huge."""
    if "unit" not in file.attrs:
        return 1.0
    unit = file.attrs.get_id("unit")
    if unit.dtype.kind not in "iuf" or unit.shape:
        raise ValueError("rollouts.h5 holds a unit that is no number")
    return number(float(file.attrs["unit"])) or 1.0


def _groups(file: h5py.File, name: str) -> list[tuple[str, h5py.Group]]:
    outer = file.get(name)
    found = outer.items() if isinstance(outer, h5py.Group) else ()
    if len(found) > _NAMES:
        raise ValueError(f"rollouts.h5 holds more than {_NAMES} {name}")
    return [(str(name), group) for name, group in found if isinstance(group, h5py.Group)]


def array(group: h5py.Group, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Read an array. Raises ValueError for another shape."""
    item = group.get(name)
    if not isinstance(item, h5py.Dataset) or item.shape != shape:
        raise ValueError(f"rollouts.h5 holds no {printable(name)} of the shape {shape}")
    return np.asarray(item, "f8")
