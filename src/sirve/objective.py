"""What training minimises."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from sirve.cores import Core
from sirve.cores.base import require_positive
from sirve.rollout import rollout

Normal = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class SquaredError:
    """The note's losses over a window of ``context + horizon`` states.

        sum:   sum over t of (y_t - h_t)^2          mean:   (1/N) sum of (x_t - h_t)^2

    over components too, averaged over windows (so that batch size and ranks do not change it);
    errors are divided by the core's ``scale``. Predictions are teacher-forced inside the context
    and free-running beyond its last state: ``horizon`` 1 is teacher forcing alone. Over the first
    ``growth`` of the training, a share, it grows from 1 to its whole length. ``noise`` is
    the deviation, in normalised units, of Gaussian noise on the states that are read, the targets
    staying clean: it teaches a core to damp what it was never shown, such as the finest waves of a
    smooth field (A. Sanchez-Gonzalez et al., ICML 2020, section 3.3).
    """

    context: int = 30
    horizon: int = 1
    growth: float = 0.0
    noise: float = 0.0
    reduction: str = "mean"
    spread: ClassVar[str | None] = None  # the kind that a core needs for it

    def __post_init__(self) -> None:
        require_positive(context=self.context, horizon=self.horizon)
        if not 0 <= self.growth <= 1:
            raise ValueError(f"growth={self.growth} is a share of the training: take 0 to 1")
        if not 0 <= self.noise < float("inf"):
            raise ValueError(f"noise={self.noise} must not be negative")
        if self.reduction not in ("mean", "sum"):
            raise ValueError(f'reduction="{self.reduction}" is unknown: take "mean" or "sum"')

    @property
    def length(self) -> int:
        """States in a window."""
        return self.context + self.horizon

    def __call__(
        self, core: Core, window: Tensor, normal: Normal = torch.randn_like, passed: float = 1.0
    ) -> Tensor:
        """The loss of normalised windows (B, length, *shape).

        ``normal`` draws the noise; ``passed`` is the share of the training that has passed.
        """
        grown = passed / self.growth if passed < self.growth else 1.0
        horizon = max(1, math.ceil(grown * self.horizon))
        y, _ = rollout(core, self.noisy(core, window[:, : self.context], normal), horizon)
        target = window[:, 1 : self.context + horizon]
        squares = (core.own(y - target) / core.scale) ** 2
        return squares.mean() if self.reduction == "mean" else squares.sum() / len(squares)

    def noisy(self, core: Core, read: Tensor, normal: Normal) -> Tensor:
        """What is read, with noise on all but the known channels."""
        if not self.noise:
            return read
        noise = self.noise * normal(core.own(read))
        return torch.cat([core.own(read) + noise, read[:, :, core.shape[0] :]], dim=2)
