"""The limit of a run, as a curve beside its errors."""

import h5py
import numpy as np

from sirve.errors import UserError
from sirve.io.hdf5 import reading
from sirve.report.figures.chart import Curve
from sirve.report.load import Run, array
from sirve.report.style import TRUTH

_REMEDY = "run sirve evaluate on the folder with limit=true again"
_MOST = 100  # numbers of states that are tried, at most
_LEAST = 1e-15  # smaller errors are not drawn


def limit_curve(run: Run, at: np.ndarray) -> Curve | None:
    """Return the median error of the true equations, fitted to all states of the context.

    At each step it is that of the most likely or of the mean forecast, whichever is lower. None
    where no limit was computed. Raises UserError for a damaged limit.h5.
    """
    path = run.path / "limit.h5"
    if not path.is_file():
        return None
    with reading(path, _REMEDY) as file:
        try:
            frames, both = _arrays(file, run.steps)
        except (ValueError, TypeError, OSError) as error:
            raise UserError(f"{path}: {error}; {_REMEDY}") from error
    median = np.minimum(*(np.median(np.where(np.isnan(e), np.inf, e), axis=0) for e in both))[at]
    y = np.where((median > _LEAST) & np.isfinite(median), median, np.nan)
    name = f"true equations, fitted to the last {frames} states"
    return Curve(name, run.time[at], y, TRUTH, "dash", 1.6)


def _arrays(file: h5py.File, steps: int) -> tuple[int, list[np.ndarray]]:
    """Return the largest number of states, and the errors (n, steps) of both its forecasts."""
    frames, error = file.get("frames"), file.get("error")
    if not isinstance(frames, h5py.Dataset) or not isinstance(error, h5py.Dataset):
        raise ValueError("holds no frames or no error")
    count = len(frames)
    if not 0 < count <= _MOST or error.ndim != 3 or not error.shape[1]:
        raise ValueError(f"holds errors of the shape {error.shape}")
    shape = (count, error.shape[1], steps)
    found = [array(file, name, shape)[-1] for name in ("error", "mean_error")]
    return int(array(file, "frames", (count,))[-1]), found
