"""The training loop of variable projection."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from sirve.cores import Core
from sirve.cores.lift import Lift
from sirve.training.least_squares import factorise
from sirve.training.varpro.methods import VarPro
from sirve.training.varpro.problem import put


class Descent:
    """Trains one core in place, in float64; a function of ``seed`` and ``windows``.

    Args:
        plan: the method and its settings.
        core: is trained in place.
        windows: ``windows(step)`` gives normalised windows (B, plan.length, C), a function of the
            step alone.
        trajectories: normalised, (n, T, C): the readout is fitted to them before each validation.
        score: returns the error of the core's forecasts; lower is better.
        seed: of the initial weights.
        skip: states at the start of each trajectory that only warm the memory.

    Raises ValueError for a core that variable projection cannot train.

    Law: restored from ``state_dict`` and the core's weights, it is bit for bit the training that
    was never interrupted.
    """

    def __init__(
        self,
        plan: VarPro,
        core: Core,
        windows: Callable[[int], Tensor],
        trajectories: Tensor,
        score: Callable[[], float],
        seed: int,
        skip: int = 0,
    ) -> None:
        self.plan, self.core, self.windows = plan, core.double(), windows
        self.trajectories, self.score, self.skip = trajectories, score, skip
        self.weights = plan.weights(core)
        self.mover = plan.mover(self.weights)
        self.step, self.best = 0, float("inf")
        plan.init_weights(core, seed)
        self.kept = self._theta()

    @property
    def done(self) -> bool:
        return self.step == self.plan.updates

    def advance(self) -> dict[str, float]:
        """Do one update, and a validation if it is due. Returns the row to log."""
        problem = self.plan.problem(self.core, self.windows(self.step))
        row = {"train/loss": self.mover.move(problem, self.step)}
        self.step += 1
        every = self.plan.updates // self.plan.validations
        if self.step % every == 0 or self.done:
            row["valid/log_error"] = self._validate()
        return row

    def finish(self) -> None:
        """Give the core the best weights."""
        put(self.kept, self.weights)

    def state_dict(self) -> dict[str, Any]:
        """Return all but the core's weights, in plain types."""
        return {
            "step": self.step,
            "best": self.best,
            "kept": self.kept,
            "mover": self.mover.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.step, self.best, kept = state["step"], state["best"], state["kept"]
        if kept.shape != self.kept.shape:
            raise ValueError(f"{len(kept)} weights are kept, not {len(self.kept)}")
        self.kept = kept
        self.mover.load_state_dict(state["mover"])

    def _validate(self) -> float:
        lift = self.core.readout
        assert isinstance(lift, Lift)
        lift.assign(
            factorise(self.core, [self.trajectories], self.skip).solve([self.plan.ridge])[0]
        )
        score = self.score()
        if score < self.best:
            self.best, self.kept = score, self._theta()
        return score

    def _theta(self) -> Tensor:
        return nn.utils.parameters_to_vector(self.weights).detach().clone()
