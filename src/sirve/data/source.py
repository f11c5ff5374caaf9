"""Where trajectories come from: equations that are solved, or files that are there."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np

from simulators import Simulator
from sirve.data.dataset import Dataset
from sirve.data.generate import describe, generate
from sirve.data.shards import Info


@dataclass(frozen=True)
class Wanted:
    """How much of it, by split, and where it is kept; the rest is for what is simulated."""

    states: Mapping[str, int]
    counts: Mapping[str, int]
    root: Path
    seed: int
    block: int
    workers: int


class Source(Protocol):
    """Trajectories, described, looked at before any work, and given as a dataset on disk."""

    @property
    def info(self) -> Info:
        """What they are."""

    @property
    def code(self) -> type:
        """Whose module makes the numbers."""

    def digest(self, wanted: Wanted) -> str | None:
        """What a run must find again to go on, beyond code and configuration."""

    def look(self, wanted: Wanted) -> list[str]:
        """What was understood, in lines to read; UserError for what cannot be learned from."""

    def dataset(self, wanted: Wanted) -> Dataset:
        """The dataset, made where it is not there yet."""

    def invariants(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """Quantities that are constant along x (n, T, *shape): (n, T) each."""


@dataclass(frozen=True)
class Simulated:
    """A system that is simulated."""

    system: Simulator
    name: str
    dt: float

    @cached_property
    def info(self) -> Info:
        return describe(self.name, self.system, self.dt)

    @property
    def code(self) -> type:
        return type(self.system)

    def digest(self, wanted: Wanted) -> str | None:
        return None

    def look(self, wanted: Wanted) -> list[str]:
        return []

    def dataset(self, wanted: Wanted) -> Dataset:
        return generate(
            self.system,
            self.info,
            wanted.states,
            wanted.counts,
            wanted.root,
            seed=wanted.seed,
            block=wanted.block,
            workers=wanted.workers,
        )

    def invariants(self, x: np.ndarray) -> dict[str, np.ndarray]:
        return self.system.invariants(x)
