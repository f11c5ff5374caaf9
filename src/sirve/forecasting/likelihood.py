"""The density of the next state under a core that predicts a distribution."""

import math

import torch
from torch import Tensor

from sirve.cores import Core


def negative_log_density(core: Core, x: Tensor, y: Tensor, log_std: Tensor) -> Tensor:
    """Return -log p of each component of x (B, T, *shape) given what came before it.

        (x - y)^2 / (2 s^2) + log s + log(2 pi) / 2,    s = core.scale * exp(log_std)

    (y, log_std) is what ``core.distribution`` returned, in normalised units.
    """
    z = core.predicted(x - y) / core.scale * torch.exp(-log_std)
    return z**2 / 2 + log_std + core.scale.log() + math.log(2 * math.pi) / 2
