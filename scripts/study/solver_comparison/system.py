"""The physical system of a finished run, with its parameters and test starts."""

from dataclasses import dataclass
from functools import cached_property
from time import process_time

import numpy as np

from simulators import Simulator
from sirve import metrics
from sirve.data.dataset import SPLITS
from sirve.data.simulated.generate import generators
from sirve.errors import UserError
from sirve.pipeline.simulated_run import SimulatedRun

NEAR = 1e-5  # standard deviations by which a repeated simulation may differ from the stored truth


@dataclass(frozen=True)
class System(SimulatedRun):
    """The system that made the data of a run, with the true states at which its tests start."""

    @property
    def time(self) -> np.ndarray:
        """Times of the last context state and of each forecast state, (steps + 1,)."""
        first = self.recipe.families["test"].sim.transient
        states = self.run.context - 1 + np.arange(self.run.steps + 1)
        return first + self.recipe.dt * self.observe.stride * states

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
