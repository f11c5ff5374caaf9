"""Generative cores: the standard deviation of the next state about the prediction of a core.

    p(x_1, ..., x_T) = prod over t of p(x_t | x_1 ... x_{t-1}),   p(x_t | past) = g(h_t)

g is the Gaussian of mean y and standard deviation scale * exp(spread(phi, shape)), for any core. A
spread maps features (B, T, F, *space) to log standard deviations (B, T, *shape) in units of the
``scale`` of the core.
"""

import math
from copy import deepcopy

import torch
from torch import Tensor, nn

from sirve.cores.base import Core, zeroed


class Constant(nn.Module):
    """A spread of one standard deviation per channel, measured rather than learned."""

    log: Tensor

    def __init__(self, core: Core) -> None:
        super().__init__()
        self.register_buffer("log", torch.zeros_like(core.scale))

    def forward(self, phi: Tensor, shape: torch.Size) -> Tensor:
        return self.log.expand(shape)

    def assign(self, std: Tensor) -> None:
        """Set the standard deviations (C,), in units of scale; 0 becomes the smallest number."""
        least = torch.finfo(self.log.dtype).tiny
        self.log.copy_(std.reshape(self.log.shape).clamp_min(least).log())


class Learned(nn.Module):
    """A spread that is a second readout of the features, of the same form as that of the core.

    It starts at a log of 0, the standard deviation of the increments. Its standard deviation is at
    least the rounding error: without this bound the likelihood would be unbounded.

    Source: D. Nix, A. Weigend, Estimating the mean and variance of the target probability
    distribution, ICNN 1994.
    """

    def __init__(self, core: Core) -> None:
        super().__init__()
        self.readout = zeroed(deepcopy(core.readout))

    def forward(self, phi: Tensor, shape: torch.Size) -> Tensor:
        log = self.readout(phi.flatten(0, 1)).reshape(shape)
        return log.clamp_min(math.log(torch.finfo(log.dtype).eps))


SPREADS = {"constant": Constant, "learned": Learned}


def set_spread(core: Core, kind: str) -> None:
    """Set the spread of ``core`` to a new one, of a kind in SPREADS."""
    core.spread = SPREADS[kind](core).to(core.scale)


def spread_kind(core: Core) -> str | None:
    """Return the kind of the spread of ``core``, or None."""
    return next((kind for kind, cls in SPREADS.items() if isinstance(core.spread, cls)), None)
