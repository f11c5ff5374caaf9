"""Simulated systems as a source of trajectories."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from simulators import SimulationError
from simulators.scene import Scene
from sirve.data.dataset import Dataset
from sirve.data.info import Info
from sirve.data.observe import View
from sirve.data.simulated.generate import generate, generators
from sirve.data.simulated.limits import measure
from sirve.data.simulated.recipe import Recipe
from sirve.data.source import Invariants, Wanted
from sirve.errors import UserError

SAMPLED = 8  # trajectories of a sample


@dataclass(frozen=True)
class Simulated:
    """A source of trajectories that are simulated by a recipe; see ``Source`` for the methods."""

    recipe: Recipe

    @property
    def infos(self) -> Mapping[str, Info]:
        return self.recipe.infos

    @property
    def code(self) -> type:
        return type(self.recipe.families["train"].sim)

    def digest(self, wanted: Wanted) -> str | None:
        return None

    def inspect(self, wanted: Wanted) -> list[str]:
        return []

    def dataset(self, wanted: Wanted) -> Dataset:
        return generate(self.recipe, wanted.counts, wanted.root, wanted.workers)

    @property
    def scene(self) -> View | None:
        """The function that draws states for a camera; None for a system without a picture.

        Raises UserError if the bodies' sizes differ between trajectories.
        """
        family = self.recipe.families["train"]
        x = family.sim.initial(np.random.default_rng(0))
        expected = family.sim.scene(x)
        if expected is None:
            return None
        for split, own in self.recipe.families.items():
            extremes = [
                own.sim.each(**{name: np.array([value])}).rows(0)
                for name, draw in own.draws.items()
                for value in draw.values
            ]
            for sim in (own.sim, *extremes):
                other = sim.scene(x)
                if other is None or not _same(expected, other):
                    raise UserError(
                        f"observe=film: the bodies of {split} are not those of train in all "
                        "trajectories; draw none of the parameters that change their size"
                    )
        return family.sim.scene

    def sample(self, states: int) -> np.ndarray | None:
        rngs = generators(self.recipe, "test", 0, SAMPLED)
        try:
            return self.recipe.families["test"].simulate(rngs, self.recipe.dt, states)[0]
        except SimulationError:
            return None  # making the dataset reports it

    def limits(self, dataset: Dataset) -> dict[str, Any]:
        return measure(self.recipe, dataset)

    def invariants(self, parameters: Mapping[str, np.ndarray]) -> Invariants:
        family = self.recipe.families["test"]
        return family.sim.each(**{name: parameters[name] for name in family.draws}).invariants


def _same(a: Scene, b: Scene) -> bool:
    bodies = np.array_equal(a.discs, b.discs) and np.array_equal(a.bars, b.bars)
    return bodies and a.window == b.window
