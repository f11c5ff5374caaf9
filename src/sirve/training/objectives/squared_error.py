"""The note's losses."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sirve.cores import Core
from sirve.cores.base import require_positive
from sirve.forecasting.normaliser import filled
from sirve.forecasting.rollout import rollout
from sirve.training.objectives.base import Normal, Objective


@dataclass(frozen=True)
class SquaredError(Objective):
    """The note's losses over a window of ``warmup + context + horizon`` states.

        sum:   sum over t of (y_t - h_t)^2          mean:   (1/N) sum of (x_t - h_t)^2

    summed over components too, and averaged over windows (so that batch size and ranks do not
    change it); errors are divided by the core's ``scale``. Predictions are teacher-forced inside
    the context and free-running beyond its last state. A hidden cell (NaN) is read as the training
    mean and has no error.

    Args:
        context, horizon, warmup: parts of a window, see ``Objective``.
        one_step: share of the training in which the horizon is 1. These updates cost least.
        horizon_curriculum: share of the training by which the horizon has grown from 1 to its
            whole length; at once after ``one_step`` if it is not larger. With
            trainer.updates=auto both are shares of the updates of the first network.
        noise: standard deviation, in normalised units, of Gaussian noise on the observed states,
            the targets staying clean. It teaches a core to damp what it never saw in training,
            such as the finest waves of a smooth field (A. Sanchez-Gonzalez et al., ICML 2020,
            section 3.3).
        symmetry: turn and mirror each window at random, by one of the 8 symmetries of the square
            (2 of a line). For systems that look the same turned and mirrored.
        reduction: "mean" or "sum".
    """

    one_step: float = 0.0
    horizon_curriculum: float = 0.0
    noise: float = 0.0
    symmetry: bool = False
    reduction: str = "mean"

    def __post_init__(self) -> None:
        require_positive(context=self.context, horizon=self.horizon)
        if not isinstance(self.warmup, int) or self.warmup < 0:
            raise ValueError(f"warmup={self.warmup} must be a whole number, 0 or more")
        for name in ("one_step", "horizon_curriculum"):
            if not 0 <= (share := getattr(self, name)) <= 1:
                raise ValueError(f"{name}={share} is a share of the training: give 0 to 1")
        if not 0 <= self.noise < float("inf"):
            raise ValueError(f"noise={self.noise} must not be negative")
        if self.reduction not in ("mean", "sum"):
            raise ValueError(f'reduction="{self.reduction}" is unknown: give "mean" or "sum"')

    def __call__(
        self, core: Core, window: Tensor, normal: Normal = torch.randn_like, passed: float = 1.0
    ) -> Tensor:
        """Return the loss; see ``Objective``."""
        horizon = self.free_steps(passed)
        window = self.augmented(window, normal)
        first = self.warmup + self.context
        read = self.noisy(core, window[:, :first], normal)
        state = self.warm(core, read[:, : self.warmup])
        y, _ = rollout(core, read[:, self.warmup :], horizon, state)
        target = window[:, self.warmup + 1 : first + horizon]
        target = torch.where(target.isnan(), y.detach(), target)  # hidden cells carry no loss
        squares = (core.predicted(y - target) / core.scale) ** 2
        return squares.mean() if self.reduction == "mean" else squares.sum() / len(squares)

    def free_steps(self, passed: float) -> int:
        """Return the horizon after a share ``passed`` of the training."""
        if passed < self.one_step:
            return 1
        if passed >= self.horizon_curriculum:
            return self.horizon
        grown = (passed - self.one_step) / (self.horizon_curriculum - self.one_step)
        return max(1, math.ceil(grown * self.horizon))

    def augmented(self, window: Tensor, normal: Normal) -> Tensor:
        """Turn and mirror the windows, if ``symmetry`` says so."""
        return turned(window, normal(window.new_empty(len(window), 3))) if self.symmetry else window

    def noisy(self, core: Core, read: Tensor, normal: Normal) -> Tensor:
        """Fill hidden cells and add noise to the observed states, but not to covariates."""
        read = filled(read)
        if not self.noise:
            return read
        own = core.predicted(read)
        return core.with_covariates(own + self.noise * normal(own), read)

    @torch.no_grad()
    def warm(self, core: Core, read: Tensor) -> Any:
        """Return the core's state after ``read``; None, the blank state, where it is empty."""
        if read.shape[1] == 0:
            return None
        state = core.read(read)
        torch.clear_autocast_cache()  # its weights were cast without a gradient
        return state


def turned(x: Tensor, draws: Tensor) -> Tensor:
    """Mirror and transpose each window of x (B, T, C, *space), chosen by ``draws`` (B, 3).

    A positive number mirrors the axis of its position; a positive last one transposes a square.
    """
    dims = x.ndim - 3
    square = dims == 2 and x.shape[-1] == x.shape[-2]
    out = []
    for one, (*mirrored, transposed) in zip(x, (draws > 0).tolist(), strict=True):
        one = one.flip([axis - dims for axis in range(dims) if mirrored[axis]])
        out.append(one.mT if square and transposed else one)
    return torch.stack(out)
