"""Where trajectories come from: equations that are solved, or files that are there."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from sirve.data.dataset import Dataset
from sirve.data.generate import generate
from sirve.data.limits import measure
from sirve.data.recipe import Recipe
from sirve.data.shards import Info

Invariants = Callable[[np.ndarray], dict[str, np.ndarray]]


@dataclass(frozen=True)
class Wanted:
    """How much of it, by split, and where and how it is kept."""

    states: Mapping[str, int]
    counts: Mapping[str, int]
    root: Path
    block: int
    workers: int


class Source(Protocol):
    """Trajectories, described, looked at before any work, and given as a dataset on disk."""

    @property
    def infos(self) -> Mapping[str, Info]:
        """What those of each split are."""

    @property
    def code(self) -> type:
        """Whose module makes the numbers."""

    def digest(self, wanted: Wanted) -> str | None:
        """What a run must find again to go on, beyond code and configuration."""

    def look(self, wanted: Wanted) -> list[str]:
        """What was understood, in lines to read; UserError for what cannot be learned from."""

    def dataset(self, wanted: Wanted) -> Dataset:
        """The dataset, made where it is not there yet."""

    def limits(self, dataset: Dataset) -> dict[str, Any]:
        """How far it can be predicted at all, as far as that is known."""

    def invariants(self, parameters: Mapping[str, np.ndarray]) -> Invariants | None:
        """Of test trajectories x (n, T, *shape) with these parameters, (n,) each; None: unknown."""


@dataclass(frozen=True)
class Simulated:
    """Systems that are simulated."""

    recipe: Recipe

    @property
    def infos(self) -> Mapping[str, Info]:
        return self.recipe.infos

    @property
    def code(self) -> type:
        return type(self.recipe.families["train"].sim)

    def digest(self, wanted: Wanted) -> str | None:
        return None

    def look(self, wanted: Wanted) -> list[str]:
        return []

    def dataset(self, wanted: Wanted) -> Dataset:
        return generate(self.recipe, wanted.counts, wanted.root, wanted.workers)

    def limits(self, dataset: Dataset) -> dict[str, Any]:
        return measure(self.recipe, dataset)

    def invariants(self, parameters: Mapping[str, np.ndarray]) -> Invariants:
        family = self.recipe.families["test"]
        return family.sim.each(**{name: parameters[name] for name in family.draws}).invariants
