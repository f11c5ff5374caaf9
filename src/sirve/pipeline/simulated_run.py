"""A finished run of a simulated system: its equations, its trajectories, and what it observed."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from simulators import SimulationError
from sirve.data.dataset import MANIFEST, Dataset
from sirve.data.observe import Observe
from sirve.data.shards import Info, dtype_of
from sirve.data.simulated.generate import generators
from sirve.data.simulated.recipe import Recipe, make_recipe
from sirve.data.simulated.source import Simulated
from sirve.errors import UserError
from sirve.io.files import parse_yaml
from sirve.io.hdf5 import reading
from sirve.io.instantiate import TRUSTED, build
from sirve.report.load import Run

REMEDY = "give a finished run of a simulated system"


@dataclass(frozen=True)
class SimulatedRun:
    """The system that made the data of a run, and what its model observes."""

    run: Run
    config: dict[str, Any]
    recipe: Recipe
    observe: Observe

    @classmethod
    def of(cls, run: Run) -> Self:
        """Return the system of a run. Raises UserError if sirve did not simulate its data."""
        config = parse_yaml(run.config, str(run.path / "config.yaml"))
        unknown = f"{run.path} was not simulated, so its equations are unknown; {REMEDY}"
        try:
            if config["sim"]["system"] is None:
                raise UserError(unknown)
            observe = build(config["observe"], Observe, place="observe", trust=TRUSTED)
            recipe = make_recipe(config, observe, TRUSTED)
            observe = observe.of(Simulated(recipe).scene)
        except (KeyError, TypeError, AttributeError) as error:
            raise UserError(unknown) from error
        return cls(run, config, recipe, observe)

    @property
    def info(self) -> Info:
        """Description of the physical state in the test set."""
        return self.recipe.infos["test"]

    @cached_property
    def rollouts(self) -> dict[str, np.ndarray]:
        """Contents of rollouts.h5: context, truth, prediction, std and parameters/<name>."""
        states = ("context", "truth", "prediction")
        with reading(self.run.path / "rollouts.h5", REMEDY) as file:
            found = {name: np.asarray(file[name], float) for name in states}
            found["std"] = np.asarray(file.attrs["std"], float)
            for name in file.get("parameters", ()):
                found[f"parameters/{name}"] = np.asarray(file["parameters"][name], float)
        return found

    def trajectories(self, split: str, count: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return the first ``count`` trajectories of a split, and the parameters of each.

        They are read from the dataset if it exists, else simulated again, block by block, to the
        same bits. Raises UserError where that fails.
        """
        family, info = self.recipe.families[split], self.recipe.infos[split]
        folder = Path(self.config["data"]["root"]) / self.recipe.folder
        if (folder / MANIFEST).is_file():
            dataset = Dataset(folder)
            if dataset.count(split) >= count:
                drawn = dataset.parameters(split, count)
                return dataset.read(split, count), {name: drawn[name] for name in family.draws}
        block = self.recipe.block
        try:
            made = [
                family.simulate(
                    generators(self.recipe, split, first, block),
                    self.recipe.dt,
                    self.recipe.states[split],
                )
                for first in range(0, count, block)
            ]
        except SimulationError as error:
            raise UserError(
                f"{self.run.path}: its data cannot be simulated again: {error}"
            ) from error
        x = np.concatenate([x for x, _ in made])[:count].astype(dtype_of(info))
        names = family.draws
        return x, {name: np.concatenate([d[name] for _, d in made])[:count] for name in names}

    def observed(self, x: np.ndarray) -> np.ndarray:
        """Return the observed part, without noise, of physical states (n, T, *shape)."""
        return replace(self.observe, stride=1).clean(x, self.info)
