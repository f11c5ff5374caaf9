"""The columns of a table of runs: scores, and how they are averaged over starts."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sirve import metrics
from sirve.io.hdf5 import reading
from sirve.report.load import MODEL, Run


def _mean(x: np.ndarray) -> np.ndarray:
    return x.mean(-1)


def _root_mean_square(x: np.ndarray) -> np.ndarray:
    return np.sqrt((x**2).mean(-1))


def _median(x: np.ndarray) -> np.ndarray:
    return np.median(x, -1)


def _rollouts(run: Run) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return truth and prediction (n, steps, *shape) and the std of each channel, in float64."""
    with reading(run.path / "rollouts.h5", "give the folder of a finished run") as file:
        truth, prediction = (np.asarray(file[name], "f8") for name in ("truth", "prediction"))
        return truth, prediction, np.asarray(file.attrs["std"])


def _vrmse(run: Run) -> np.ndarray:
    return metrics.vrmse(*_rollouts(run)[:2])


def _nrmse_frame(run: Run) -> np.ndarray:
    """Return metrics.nrmse_frame of each rollout by itself."""
    pairs = zip(*_rollouts(run)[:2], strict=True)
    error = np.stack([metrics.nrmse_frame(x[None], y[None]) for x, y in pairs])
    return np.where(np.isfinite(error), error, np.inf)


def _chepuri(run: Run) -> np.ndarray:
    """||x - x^|| / sqrt(mean_t ||x||^2) in standardised coordinates, as in metrics.vpt_chepuri."""
    truth, _, std = _rollouts(run)
    size = metrics.normalised_error(truth, metrics.mean_state(truth), std)
    return run.errors[MODEL] / _root_mean_square(size)[:, None]


@dataclass(frozen=True)
class Score:
    """A column: its title, the middle over starts, and the errors (n, steps) of a run."""

    title: str
    middle: Callable[[np.ndarray], Any]
    errors: Callable[[Run], np.ndarray] = lambda run: run.errors[MODEL]
    time: bool = False  # True: the time until the errors exceed a threshold


SCORES = {
    "vrmse": Score("VRMSE @{}", _mean, _vrmse),
    "nrmse": Score("nRMSE @{}", _root_mean_square),
    "nrmse_frame": Score("nRMSE @{}, APEBench's", _mean, _nrmse_frame),
    "valid_time": Score("valid time at {}", _median, time=True),
    "vpt_chepuri": Score("valid time at {}, Chepuri's", _median, _chepuri, time=True),
}
