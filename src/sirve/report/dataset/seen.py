"""What is drawn of a dataset."""

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
from sirve.report.stills import plain
from sirve.report.style import units

TRAJECTORIES = 16  # of the first shard of the training split are looked at, at most


@dataclass(frozen=True)
class Seen:
    """A few training trajectories x (n, T, *shape), and what is known of them."""

    info: Info
    x: np.ndarray
    count: int  # of the split
    axes: dict[str, np.ndarray]  # cell centres
    system: Simulator | None  # with their parameters, where it can be built

    @property
    def time(self) -> np.ndarray:
        """In units of time."""
        return self.info.dt * np.arange(self.x.shape[1]) / self.info.unit

    @property
    def time_label(self) -> str:
        return plain(f"time ({units(self.info.time_unit)})")

    def label(self, channel: int) -> str:
        name, unit = self.info.channels[channel], self.info.units[channel]
        return plain(name if unit in ("", "1") else f"{name} ({unit})")

    def title(self, what: str, shown: int) -> str:
        return plain(f"{self.info.name}: {what}, {shown} of {self.count} training trajectories")


def see(dataset: Dataset, trust: Sequence[str] | None) -> Seen:
    """What is drawn; one shard is read."""
    info, there = dataset.info, dataset.count("train")
    if not there:
        raise UserError(f"{dataset.folder} has no training trajectories; run its command again")
    count = min(TRAJECTORIES, dataset.manifest.block, there)
    (path, _), *_ = dataset.files("train", count)
    (x,) = dataset.blocks("train", count)
    system: Simulator | None = None
    try:
        family = Recipe.of(dataset.manifest.config, trust).families["train"]
        drawn = dataset.parameters("train", count)
        system = family.sim.each(**{name: drawn[name] for name in family.draws})
    except UserError as error:
        warn(f"its invariants are not drawn: {error}")
    return Seen(info, x, there, _axes(path, info), system)


def _axes(path: Path, info: Info) -> dict[str, np.ndarray]:
    """Cell centres along each axis of a field; their numbers where they are not told."""
    found = {}
    with reading(path, "delete it and run the command again") as file:
        for axis, size in zip("xyz", info.shape[1:], strict=False):
            cells = np.arange(float(size))
            told = file.get(f"dimensions/{axis}")
            if isinstance(told, h5py.Dataset) and told.shape == cells.shape:
                values = told[:].astype(np.float64)
                cells = values if (np.diff(values) > 0).all() else cells
            found[axis] = cells
    return found
