"""Reads what rollouts.h5 holds about an ensemble of forecasts."""

from dataclasses import dataclass

import h5py
import numpy as np

from sirve.io.hdf5 import reading
from sirve.report.load import Run, RunError, array
from sirve.report.stats import Forecast, forecast, pick, thin

QUANTILES = 5  # 5 %, 25 %, 50 %, 75 % and 95 %
_STEPS = 1500  # drawn, at most
_REMEDY = "give the folder of a finished run"


@dataclass(frozen=True)
class Ensemble:
    """Root mean squares over the forecasts against time, in standard deviations.

    ``fan`` (steps, QUANTILES) holds quantiles of the first channel of the forecast ``shown``; both
    are None for a field.
    """

    time: np.ndarray
    spread: np.ndarray
    error: np.ndarray
    shown: Forecast | None
    fan: np.ndarray | None


def read_ensemble(run: Run) -> Ensemble | None:
    """Read the ensemble of ``run``; None where it has none. Raises RunError."""
    shape, at = (run.n, run.steps), thin(run.steps, _STEPS)
    fan = shown = None
    try:
        with reading(run.path / "rollouts.h5", _REMEDY) as file:
            group = file.get("ensemble")
            if not isinstance(group, h5py.Group):
                return None
            spread, error = (array(group, name, shape)[:, at] for name in ("spread_size", "error"))
            if run.kind == "vector" and "fan" in group:
                median = pick([run], 1)[0]
                fan = array(group, "fan", (*shape, QUANTILES))[median.index, at]
    except ValueError as problem:
        raise RunError(f"{run.path}: cannot be read, {problem}; {_REMEDY}") from problem
    if fan is not None:
        shown = forecast(run, median, at)
    return Ensemble(run.time[at], _rms(spread), _rms(error), shown, fan)


def _rms(values: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        rms = np.sqrt((values**2).mean(0))
    return np.where(np.isfinite(rms) & (rms > 0), rms, np.nan)
