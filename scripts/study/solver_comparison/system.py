"""The physical system of a finished run, with its parameters and test starts."""

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
NEAR = 1e-5  # standard deviations by which a repeated simulation may differ from the stored truth


@dataclass(frozen=True)
class System:
    """The system that made the data of a run, and what its model observes."""

    run: Run
    config: dict[str, Any]
    recipe: Recipe
    observe: Observe

    @staticmethod
    def of(run: Run) -> "System":
        """Return the system of a run. Raises UserError if sirve did not simulate its data."""
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
        """Description of the physical state in the test set."""
        return self.recipe.infos["test"]

    @property
    def time(self) -> np.ndarray:
        """Times of the last context state and of each forecast state, (steps + 1,)."""
        first = self.recipe.families["test"].sim.transient
        states = self.run.context - 1 + np.arange(self.run.steps + 1)
        return first + self.recipe.dt * self.observe.stride * states

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

    @cached_property
    def start(self) -> tuple[Simulator, np.ndarray]:
        """Return the test systems, and their true states (n, *shape) at the end of the context.

        Each system has its own parameters. Raises UserError where a repeated simulation differs
        from the truth that was scored.
        """
        x, drawn = self.trajectories("test", self.run.n)
        last = (self.run.context - 1) * self.observe.stride
        observed = self.observed(x[:, last + self.observe.stride :][:, :1])
        truth = self.rollouts["truth"][:, :1]
        std = metrics.shaped(self.rollouts["std"], truth.ndim)
        if not (np.abs(observed - truth) <= NEAR * std).all():
            raise UserError(
                f"{self.run.path}: its test trajectories differ when simulated here, by "
                "other code or library versions; run its command again"
            )
        sim = self.recipe.families["test"].sim.each(**drawn)
        return sim, x[:, last].astype(np.float64)

    def observed(self, x: np.ndarray) -> np.ndarray:
        """Return the observed part, without noise, of physical states (n, T, *shape)."""
        return replace(self.observe, stride=1).clean(x, self.info)

    @cached_property
    def seconds(self) -> float:
        """CPU seconds to simulate the dataset, estimated from one measured training block.

        The run's own time is no measure: it is near 0 if the dataset existed already.
        """
        recipe, counts = self.recipe, self.config["sim"]["trajectories"]
        rngs = generators(recipe, "train", 0, recipe.block)
        start = process_time()
        recipe.families["train"].simulate(rngs, recipe.dt, recipe.states["train"])
        block = process_time() - start
        work = sum(-(-counts[s] // recipe.block) * recipe.states[s] for s in SPLITS)
        return block * work / recipe.states["train"]
