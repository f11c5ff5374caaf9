"""A file of chaotic series with published forecasts."""

from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np

from sirve.errors import UserError, printable
from sirve.io.hdf5 import UNREADABLE, opened
from sirve.metrics import smape

LAYOUT = {  # dataset: its axes
    "name": ("systems",),
    "model": ("models",),
    "tune": ("systems", "tune points"),
    "test": ("systems", "test points"),
    "prediction": ("systems", "models", "steps"),
    "smape": ("systems", "models"),
}
REMEDY = "the layout is in docs/dysts.md"
SPARE = 100  # points that a search needs in addition to two forecast lengths


@dataclass(frozen=True)
class Published:
    """Series of one coordinate each, (systems, points), with published forecasts.

    Settings are chosen on ``tune`` alone; a model is then fitted to ``past`` and forecasts
    ``horizon`` steps from its end. The last step is not scored, because dysts left it out.
    """

    names: list[str]
    models: list[str]
    tune: np.ndarray
    test: np.ndarray
    prediction: np.ndarray
    smape: np.ndarray

    @property
    def horizon(self) -> int:
        return int(self.prediction.shape[2])

    @property
    def past(self) -> np.ndarray:
        return self.test[:, : -self.horizon]

    @property
    def truth(self) -> np.ndarray:
        return self.test[:, -self.horizon : -1]

    def rehearsal(self) -> "Published":
        """Return a copy that uses ``tune`` alone and scores its end.

        Decisions about the method are made on this copy, not on ``test``.
        """
        return replace(self, tune=self.tune[:, : -self.horizon], test=self.tune)

    def scores(self) -> np.ndarray:
        """Return the sMAPE of the stored forecasts, (systems, models)."""
        return smape(self.truth[:, None], self.prediction[:, :, :-1])


def load(path: Path) -> Published:
    """Load a file. Raises UserError if it is missing or damaged, or has another layout."""
    with opened(path, REMEDY) as file:
        try:
            arrays = {name: _array(path, file, name) for name in LAYOUT}
        except UNREADABLE as error:
            if isinstance(error, UserError):
                raise
            why = printable(str(error))
            raise UserError(f"{path} is damaged ({why}); copy it again") from error
    _require_one_size(path, arrays)
    found = Published(
        names=[str(name) for name in arrays.pop("name")],
        models=[str(model) for model in arrays.pop("model")],
        **arrays,
    )
    require_fit(path, found)
    return found


def _array(path: Path, file: h5py.File, name: str) -> np.ndarray:
    data, axes = file.get(name), LAYOUT[name]
    if not isinstance(data, h5py.Dataset):
        raise UserError(f"{path} has no dataset '{name}'; {REMEDY}")
    if data.ndim != len(axes) or 0 in data.shape:
        raise UserError(f"{path}: '{name}' of shape {data.shape} is not ({', '.join(axes)})")
    if len(axes) == 1:
        if h5py.check_string_dtype(data.dtype) is None:
            raise UserError(f"{path}: '{name}' does not hold text; {REMEDY}")
        return np.asarray(data.asstr(errors="replace")[:])
    if data.dtype.kind not in "iuf":
        raise UserError(f"{path}: '{name}' does not hold plain numbers; {REMEDY}")
    return np.asarray(data[:], dtype=float)


def _require_one_size(path: Path, arrays: dict[str, np.ndarray]) -> None:
    sizes: dict[str, tuple[str, int]] = {}
    for name, array in arrays.items():
        for axis, size in zip(LAYOUT[name], array.shape, strict=True):
            first, expected = sizes.setdefault(axis, (name, size))
            if size != expected:
                raise UserError(
                    f"{path}: '{name}' has {size} {axis} and '{first}' {expected}; {REMEDY}"
                )


def require_fit(path: Path, found: Published) -> None:
    """Raise UserError for series that are too short, constant or not finite."""
    steps, least = found.horizon, 2 * found.horizon + SPARE
    if steps < 2:
        raise UserError(f"{path}: 'prediction' of {steps} step leaves no step to score; {REMEDY}")
    for name, series, more in (("tune", found.tune, 0), ("test", found.test, steps)):
        if series.shape[1] < least + more:
            raise UserError(
                f"{path}: '{name}' has {series.shape[1]} points a system, too few to forecast "
                f"{steps} steps; give {least + more} or more"
            )
        for system, x in zip(found.names, series, strict=True):
            if not np.isfinite(x).all():
                at = int(np.argmin(np.isfinite(x)))
                raise UserError(
                    f"{path}: '{name}' of {printable(system)} is {x[at]} at point {at}; "
                    "leave it out"
                )
            if x[: len(x) - more].std() == 0:
                raise UserError(
                    f"{path}: '{name}' of {printable(system)} is constant; leave it out"
                )
