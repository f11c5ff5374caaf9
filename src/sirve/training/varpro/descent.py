"""The loop: a batch, a move, now and then a forecast of the validation set."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from sirve.cores import Core
from sirve.cores.lift import Lift
from sirve.training.least_squares import factorise
from sirve.training.varpro.methods import VarPro
from sirve.training.varpro.problem import put


class Descent:
    """The training of one core in place, in float64; a function of ``seed`` and ``windows``.

    ``windows(step)`` are normalised windows (B, plan.length, C), a function of the step alone;
    ``few`` normalised trajectories (n, T, C) to which the readout is fitted, after ``skip`` states
    that warm the memory, before ``score()``, the core's error in forecasts: lower is better. Raises
    ValueError for a core that is not fitted so.

    Law: from ``state_dict`` and the core's weights on, it is bit for bit the descent that was never
    interrupted.
    """

    def __init__(
        self,
        plan: VarPro,
        core: Core,
        windows: Callable[[int], Tensor],
        few: Tensor,
        score: Callable[[], float],
        seed: int,
        skip: int = 0,
    ) -> None:
        self.plan, self.core, self.windows = plan, core.double(), windows
        self.few, self.score, self.skip = few, score, skip
        self.weights = plan.weights(core)
        self.mover = plan.mover(self.weights)
        self.step, self.best = 0, float("inf")
        plan.init_weights(core, seed)
        self.kept = self._theta()

    @property
    def done(self) -> bool:
        return self.step == self.plan.updates

    def advance(self) -> dict[str, float]:
        """One step, and a validation if it is due; what there is to record."""
        problem = self.plan.problem(self.core, self.windows(self.step))
        row = {"train/loss": self.mover.move(problem, self.step)}
        self.step += 1
        every = self.plan.updates // self.plan.validations
        if self.step % every == 0 or self.done:
            row["valid/log_error"] = self._validate()
        return row

    def finish(self) -> None:
        """Leave the core with the best weights."""
        put(self.kept, self.weights)

    def state_dict(self) -> dict[str, Any]:
        """All but the core's weights, in plain types."""
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
        lift.assign(factorise(self.core, [self.few], self.skip).solve([self.plan.ridge])[0])
        score = self.score()
        if score < self.best:
            self.best, self.kept = score, self._theta()
        return score

    def _theta(self) -> Tensor:
        return nn.utils.parameters_to_vector(self.weights).detach().clone()
