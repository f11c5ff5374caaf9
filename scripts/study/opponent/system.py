"""From a finished run back to the physical system, its parameters and its test starts."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from simulators import SimulationError, Simulator
from sirve import metrics
from sirve.data.dataset import MANIFEST, SPLITS, Dataset
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
NEAR = 1e-5  # standard deviations between the run's truth and what is made again


@dataclass(frozen=True)
class System:
    """What a run's data were made of, and what its model saw of them."""

    run: Run
    config: dict[str, Any]
    recipe: Recipe
    observe: Observe

    @staticmethod
    def of(run: Run) -> "System":
        """Raises UserError for a run whose data were not simulated, or simulated by others."""
        config = parse_yaml(run.config, str(run.path / "config.yaml"))
        try:
            if config["sim"]["system"] is None:
                raise UserError(f"{run.path} was not simulated; {REMEDY}")
            observe = build(config["observe"], Observe, place="observe", trust=TRUSTED)
            recipe = make_recipe(config, observe, TRUSTED)
            observe = observe.of(Simulated(recipe).scene)
        except (KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{run.path} was not simulated; {REMEDY}") from error
        return System(run, config, recipe, observe)

    @property
    def info(self) -> Info:
        """Of the physical state in the test."""
        return self.recipe.infos["test"]

    @property
    def time(self) -> np.ndarray:
        """Of the last state of the context and of each state forecast, (steps + 1,)."""
        first = self.recipe.families["test"].sim.transient
        states = self.run.context - 1 + np.arange(self.run.steps + 1)
        return first + self.recipe.dt * self.observe.stride * states

    @cached_property
    def rollouts(self) -> dict[str, np.ndarray]:
        """``context``, ``truth``, ``prediction``, ``std`` and ``parameters/<name>`` as the run

        wrote them.
        """
        states = ("context", "truth", "prediction")
        with reading(self.run.path / "rollouts.h5", REMEDY) as file:
            found = {name: np.asarray(file[name], float) for name in states}
            found["std"] = np.asarray(file.attrs["std"], float)
            for name in file.get("parameters", ()):
                found[f"parameters/{name}"] = np.asarray(file["parameters"][name], float)
        return found

    def trajectories(self, split: str, count: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """The first ``count`` as they are stored, and what was drawn for each.

        Read where the dataset is there, else simulated again, block by block, to the same bits.
        Raises UserError.
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
            raise UserError(f"{self.run.path}: its data cannot be made again: {error}") from error
        x = np.concatenate([x for x, _ in made])[:count].astype(dtype_of(info))
        names = family.draws
        return x, {name: np.concatenate([d[name] for _, d in made])[:count] for name in names}

    @cached_property
    def start(self) -> tuple[Simulator, np.ndarray]:
        """The systems of the test, each with its own parameters, and their true states (n, *shape)

        at the end of the context. Raises UserError where what is made again is not what was scored.
        """
        x, drawn = self.trajectories("test", self.run.n)
        last = (self.run.context - 1) * self.observe.stride
        seen, truth = (
            self.seen(x[:, last + self.observe.stride :][:, :1]),
            self.rollouts["truth"][:, :1],
        )
        std = metrics.shaped(self.rollouts["std"], truth.ndim)
        if not (np.abs(seen - truth) <= NEAR * std).all():
            raise UserError(
                f"{self.run.path}: its test trajectories come out otherwise here, by other code or "
                "library versions; run its command again"
            )
        sim = self.recipe.families["test"].sim.each(**drawn)
        return sim, x[:, last].astype(np.float64)

    def seen(self, x: np.ndarray) -> np.ndarray:
        """The observed part, without noise, of physical states (n, T, *shape)."""
        return replace(self.observe, stride=1).clean(x, self.info)

    @cached_property
    def seconds(self) -> float:
        """CPU seconds to simulate the dataset: one block of training, measured, times its share.

        What the run itself spent is near nothing where the dataset was there already.
        """
        recipe, counts = self.recipe, self.config["sim"]["trajectories"]
        rngs = generators(recipe, "train", 0, recipe.block)
        start = process_time()
        recipe.families["train"].simulate(rngs, recipe.dt, recipe.states["train"])
        block = process_time() - start
        work = sum(-(-counts[s] // recipe.block) * recipe.states[s] for s in SPLITS)
        return block * work / recipe.states["train"]
