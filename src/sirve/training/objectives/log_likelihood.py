"""The objective of the generative network: the log-likelihood by the chain rule."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from sirve.cores import Core
from sirve.forecasting.likelihood import negative_log_density
from sirve.training.objectives.base import Normal
from sirve.training.objectives.squared_error import SquaredError


@dataclass(frozen=True)
class LogLikelihood(SquaredError):
    """-log p of a window of ``warmup + context + horizon`` states, by the chain rule.

        -log p(x_2 ... x_T | x_1) = - sum over t of log p(x_t | x_1 ... x_{t-1})
        -log p(x | past) = sum over components of
                           (x - y)^2 / (2 s^2) + log s + log(2 pi) / 2,    s = scale * exp(log s')

    with (y, log s') of ``core.distribution``, in normalised units. The settings are those of
    SquaredError, which is this objective with s fixed at scale; here the whole window is
    teacher-forced. ``reduction`` "mean" averages over components, times and windows; "sum" sums
    over components and times. A hidden cell (NaN) is left out.
    """

    spread: ClassVar = "learned"

    def __call__(
        self, core: Core, window: Tensor, normal: Normal = torch.randn_like, passed: float = 1.0
    ) -> Tensor:
        window = self.augmented(window, normal)
        read = self.noisy(core, window[:, :-1], normal)
        state = self.warm(core, read[:, : self.warmup])
        y, log_std, _ = core.distribution(read[:, self.warmup :], state)
        target = window[:, self.warmup + 1 :]
        hidden = target.isnan()
        terms = negative_log_density(core, torch.where(hidden, y, target), y, log_std)
        terms = terms.masked_fill(core.predicted(hidden), 0.0)
        return terms.mean() if self.reduction == "mean" else terms.sum() / len(terms)
