"""The generative network's objective: the chain rule's log-likelihood."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from sirve.cores import Core
from sirve.forecasting.likelihood import negative_log_density
from sirve.training.objectives.squared_error import Normal, SquaredError


@dataclass(frozen=True)
class LogLikelihood(SquaredError):
    """-log p of a window of ``warmup + context + horizon`` states, by the chain rule.

        -log p(x_2 ... x_T | x_1) = - sum over t of log p(x_t | x_1 ... x_{t-1})
        -log p(x | past) = sum over components of
                           (x - y)^2 / (2 s^2) + log s + log(2 pi) / 2,    s = scale * exp(log s')

    (y, log s') = ``core.distribution``, in normalised units. The window is SquaredError's, which
    is this with s fixed at scale; teacher-forced throughout, beyond the context too. ``reduction``
    "mean" is over components, times and windows, "sum" over the first two.
    """

    spread: ClassVar = "learned"

    def __call__(
        self, core: Core, window: Tensor, normal: Normal = torch.randn_like, passed: float = 1.0
    ) -> Tensor:
        window = self.shown(window, normal)
        read = self.noisy(core, window[:, :-1], normal)
        state = self.warm(core, read[:, : self.warmup])
        y, log_deviation, _ = core.distribution(read[:, self.warmup :], state)
        terms = negative_log_density(core, window[:, self.warmup + 1 :], y, log_deviation)
        return terms.mean() if self.reduction == "mean" else terms.sum() / len(terms)
