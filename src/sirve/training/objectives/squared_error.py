"""What training minimises."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from sirve.cores import Core
from sirve.cores.base import require_positive
from sirve.forecasting.rollout import rollout

Normal = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class SquaredError:
    """The note's losses over a window of ``warmup + context + horizon`` states.

        sum:   sum over t of (y_t - h_t)^2          mean:   (1/N) sum of (x_t - h_t)^2

    over components too, averaged over windows (so that batch size and ranks do not change it);
    errors are divided by the core's ``scale``. Predictions are teacher-forced inside the context
    and free-running beyond its last state: ``horizon`` 1 is teacher forcing alone. Over the first
    ``horizon_curriculum`` of the training, a share, it grows from 1 to its whole length. ``noise`` is
    the deviation, in normalised units, of Gaussian noise on the states that are read, the targets
    staying clean: it teaches a core to damp what it was never shown, such as the finest waves of a
    smooth field (A. Sanchez-Gonzalez et al., ICML 2020, section 3.3).

    The first ``warmup`` states are read without a gradient and without a loss: what follows is
    learned with a memory as full as that of a long forecast. ``symmetry``: each window is turned
    and mirrored at random, one of the 8 symmetries of the square (2 of a line), where the system
    and its walls look the same so.
    """

    context: int = 30
    horizon: int = 1
    warmup: int = 0
    horizon_curriculum: float = 0.0
    noise: float = 0.0
    symmetry: bool = False
    reduction: str = "mean"
    spread: ClassVar[str | None] = None  # the kind that a core needs for it

    def __post_init__(self) -> None:
        require_positive(context=self.context, horizon=self.horizon)
        if not isinstance(self.warmup, int) or self.warmup < 0:
            raise ValueError(f"warmup={self.warmup} must be a whole number, 0 or more")
        if not 0 <= self.horizon_curriculum <= 1:
            raise ValueError(
                f"horizon_curriculum={self.horizon_curriculum} is a share of the training: take 0 to 1"
            )
        if not 0 <= self.noise < float("inf"):
            raise ValueError(f"noise={self.noise} must not be negative")
        if self.reduction not in ("mean", "sum"):
            raise ValueError(f'reduction="{self.reduction}" is unknown: take "mean" or "sum"')

    @property
    def length(self) -> int:
        """States in a window."""
        return self.warmup + self.context + self.horizon

    def __call__(
        self, core: Core, window: Tensor, normal: Normal = torch.randn_like, passed: float = 1.0
    ) -> Tensor:
        """The loss of normalised windows (B, length, *shape).

        ``normal`` draws noise and symmetries, anew at each call; ``passed`` is the share of the
        training that has passed.
        """
        grown = passed / self.horizon_curriculum if passed < self.horizon_curriculum else 1.0
        horizon = max(1, math.ceil(grown * self.horizon))
        window = self.shown(window, normal)
        first = self.warmup + self.context
        read = self.noisy(core, window[:, :first], normal)
        state = self.warm(core, read[:, : self.warmup])
        y, _ = rollout(core, read[:, self.warmup :], horizon, state)
        target = window[:, self.warmup + 1 : first + horizon]
        squares = (core.predicted(y - target) / core.scale) ** 2
        return squares.mean() if self.reduction == "mean" else squares.sum() / len(squares)

    def shown(self, window: Tensor, normal: Normal) -> Tensor:
        """Windows as they are shown: turned and mirrored, where that is asked for."""
        return turned(window, normal(window.new_empty(len(window), 3))) if self.symmetry else window

    def noisy(self, core: Core, read: Tensor, normal: Normal) -> Tensor:
        """What is read, with noise on all but the known channels."""
        if not self.noise:
            return read
        own = core.predicted(read)
        return core.with_covariates(own + self.noise * normal(own), read)

    @torch.no_grad()
    def warm(self, core: Core, read: Tensor) -> Any:
        """The core's state after ``read``; None, which is blank, where there is none of it."""
        if read.shape[1] == 0:
            return None
        state = core.read(read)
        torch.clear_autocast_cache()  # of weights cast here, which would have no gradient
        return state


def turned(x: Tensor, draws: Tensor) -> Tensor:
    """Each of x (B, T, C, *space) mirrored along the axes of space whose ``draws`` (B, 3) are

    positive, and a square one transposed where the last is.
    """
    dims = x.ndim - 3
    square = dims == 2 and x.shape[-1] == x.shape[-2]
    out = []
    for one, (*mirrored, transposed) in zip(x, (draws > 0).tolist(), strict=True):
        one = one.flip([axis - dims for axis in range(dims) if mirrored[axis]])
        out.append(one.mT if square and transposed else one)
    return torch.stack(out)
