"""Where trajectories come from: equations that are solved, or files that are there."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from simulators.scene import Scene
from sirve.data.dataset import Dataset
from sirve.data.observe import View
from sirve.data.shards import Info
from sirve.data.simulated.generate import generate
from sirve.data.simulated.limits import measure
from sirve.data.simulated.recipe import Recipe
from sirve.errors import UserError

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

    @property
    def scene(self) -> View | None:
        """What a camera sees of states; None for what has no picture."""

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

    @property
    def scene(self) -> View | None:
        """UserError where the bodies' shapes depend on a parameter that is not the same for all."""
        family = self.recipe.families["train"]
        x = family.sim.initial(np.random.default_rng(0))
        shown = family.sim.scene(x)
        if shown is None:
            return None
        for split, own in self.recipe.families.items():
            ends = [
                own.sim.each(**{name: np.array([value])}).rows(0)
                for name, draw in own.draws.items()
                for value in draw.values
            ]
            for sim in (own.sim, *ends):
                other = sim.scene(x)
                if other is None or not _same(shown, other):
                    raise UserError(
                        f"observe=film: the bodies of {split} are not those of train in all "
                        "trajectories; draw none of the parameters that change their size"
                    )
        return family.sim.scene

    def limits(self, dataset: Dataset) -> dict[str, Any]:
        return measure(self.recipe, dataset)

    def invariants(self, parameters: Mapping[str, np.ndarray]) -> Invariants:
        family = self.recipe.families["test"]
        return family.sim.each(**{name: parameters[name] for name in family.draws}).invariants


def _same(a: Scene, b: Scene) -> bool:
    bodies = np.array_equal(a.discs, b.discs) and np.array_equal(a.bars, b.bars)
    return bodies and a.window == b.window
