"""What makes a core generative: the deviation of the next state about the core's own prediction.

    p(x_1, ..., x_T) = prod over t of p(x_t | x_1 ... x_{t-1}),   p(x_t | past) = g(h_t)

with g the Gaussian of mean y and deviation scale * exp(spread(phi, shape)), whatever the core. A
spread maps features (B, T, F, *space) to log deviations (B, T, *shape) in units of ``scale``.
"""

import math
from copy import deepcopy

import torch
from torch import Tensor, nn

from sirve.cores.base import Core, zeroed


class Constant(nn.Module):
    """One deviation a channel, whatever the features: measured, not learned by a gradient."""

    log: Tensor

    def __init__(self, core: Core) -> None:
        super().__init__()
        self.register_buffer("log", torch.zeros_like(core.scale))

    def forward(self, phi: Tensor, shape: torch.Size) -> Tensor:
        return self.log.expand(shape)

    def assign(self, deviation: Tensor) -> None:
        """Set the deviations (C,), in units of the core's scale; 0 becomes the least there is."""
        least = torch.finfo(self.log.dtype).tiny
        self.log.copy_(deviation.reshape(self.log.shape).clamp_min(least).log())


class Learned(nn.Module):
    """A second readout of the same features, of the same form as the core's own.

    It starts at a log of 0, the deviation of the increments themselves. A deviation below rounding
    is taken for rounding: without a bound, the likelihood has none either.

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


def give_spread(core: Core, kind: str) -> None:
    """Give ``core`` a spread of a kind in SPREADS, in place of the one it may have."""
    core.spread = SPREADS[kind](core).to(core.scale)


def spread_of(core: Core) -> str | None:
    """The kind of spread that ``core`` has."""
    return next((kind for kind, cls in SPREADS.items() if isinstance(core.spread, cls)), None)
