"""Reads a few trajectories of a dataset for its pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from simulators import Simulator
from sirve.data.dataset import Dataset
from sirve.data.shards import Info
from sirve.data.simulated.recipe import Recipe
from sirve.errors import UserError, warn
from sirve.io.hdf5 import reading
from sirve.report.style import units

TRAJECTORIES = 16  # read from the first shard of the training split, at most


@dataclass(frozen=True)
class Sample:
    """A few training trajectories x (n, T, *shape) and their description."""

    info: Info
    x: np.ndarray
    count: int  # of the split
    axes: dict[str, np.ndarray]  # cell centres
    system: Simulator | None  # with their parameters; None where it cannot be built

    @property
    def time(self) -> np.ndarray:
        """Times (T,) in units of time."""
        return self.info.dt * np.arange(self.x.shape[1]) / self.info.unit

    @property
    def time_label(self) -> str:
        return f"time ({units(self.info.time_unit)})"

    def label(self, channel: int) -> str:
        name, unit = self.info.channels[channel], self.info.units[channel]
        return name if unit in ("", "1") else f"{name} ({unit})"

    def title(self, figure: str, drawn: int) -> str:
        return f"{self.info.name}: {figure}, {drawn} of {self.count} training trajectories"


def load_sample(dataset: Dataset, trust: Sequence[str] | None) -> Sample:
    """Read one shard of the training split. Raises UserError where the split is empty."""
    info, available = dataset.info, dataset.count("train")
    if not available:
        raise UserError(f"{dataset.folder} has no training trajectories; run its command again")
    count = min(TRAJECTORIES, dataset.manifest.block, available)
    (path, _), *_ = dataset.files("train", count)
    (x,) = dataset.blocks("train", count)
    system: Simulator | None = None
    try:
        family = Recipe.of(dataset.manifest.config, trust).families["train"]
        parameters = dataset.parameters("train", count)
        system = family.sim.each(**{name: parameters[name] for name in family.draws})
    except UserError as error:
        warn(f"its invariants are not drawn: {error}")
    return Sample(info, x, available, _axes(path, info), system)


def _axes(path: Path, info: Info) -> dict[str, np.ndarray]:
    """Return cell centres along each axis of a field, or cell numbers where there are none."""
    found = {}
    with reading(path, "delete it and run the command again") as file:
        for axis, size in zip("xyz", info.shape[1:], strict=False):
            cells = np.arange(float(size))
            stored = file.get(f"dimensions/{axis}")
            if isinstance(stored, h5py.Dataset) and stored.shape == cells.shape:
                values = stored[:].astype(np.float64)
                cells = values if (np.diff(values) > 0).all() else cells
            found[axis] = cells
    return found
