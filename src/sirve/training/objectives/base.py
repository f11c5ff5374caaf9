"""The contract of an objective, which training by gradient minimises."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from sirve.cores import Core

Normal = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Objective(ABC):
    """A loss over windows of ``warmup + context + horizon`` states.

    A new one is a frozen dataclass in a module beside this one, and a file
    ``conf/objective/<name>.yaml`` with its ``_target_`` and fields.

    Args:
        context: states of a window that are read.
        horizon: steps that are predicted beyond them; 1 is teacher forcing alone.
        warmup: states before the context, read without a gradient and without a loss, so that the
            network learns with a memory as full as in a long forecast.
    """

    context: int = 30
    horizon: int = 1
    warmup: int = 0
    spread: ClassVar[str | None] = None  # the kind of spread that a core needs

    @property
    def length(self) -> int:
        """Number of states in a window."""
        return self.warmup + self.context + self.horizon

    @abstractmethod
    def __call__(
        self, core: Core, window: Tensor, normal: Normal = torch.randn_like, passed: float = 1.0
    ) -> Tensor:
        """Return the loss of normalised windows (B, length, *shape), a scalar.

        ``normal`` samples noise and symmetries, new ones at each call; ``passed`` is the share of
        the training that is done; with trainer.updates=auto, of that of the first network, and so
        it grows beyond 1.
        """
