"""Random recurrent weights, for cores of which only the readout is fitted."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from sirve.cores.base import require_not_negative
from sirve.cores.cells import Cell
from sirve.cores.lift import Convolution, Lift, images


@dataclass(frozen=True)
class ReservoirWeights:
    """Distribution of the random weights of a recurrent layer of H units (or channels).

    Args:
        input_scaling: standard deviation of the weights of W (for a kernel, the root of its sum of
            squares): a normalised input changes the argument of a unit by about this much.
        spectral_radius: of U, whose weights have the standard deviation spectral_radius / sqrt(H).
        bias: biases are uniform in +- bias.
        time_scale: two numbers of steps, both above 1. The units forget over times that are
            log-uniform between them, if the cell has gates for it.
        gates: weights of the gates over those of the candidate. At 0 the gates are constant, as set
            by ``time_scale``, which gives leaky units.

    Source: H. Jaeger, H. Haas, Science 304 (2004); gated: C. Gallicchio et al., Neurocomputing
    268 (2017), section 2.
    """

    input_scaling: float = 0.1
    spectral_radius: float = 0.3
    bias: float = 0.5
    time_scale: Sequence[float] = (1.1, 1.1)
    gates: float = 1.0

    def __post_init__(self) -> None:
        require_not_negative(
            input_scaling=self.input_scaling,
            spectral_radius=self.spectral_radius,
            bias=self.bias,
            gates=self.gates,
        )
        least, most = self.time_scale if len(self.time_scale) == 2 else (0, 0)
        if not 1 < least <= most < float("inf"):
            raise ValueError(
                f"time_scale={list(self.time_scale)} must be two numbers of steps, above 1"
            )

    @torch.no_grad()
    def init_weights(
        self, cell: Cell, w: Lift, u: Lift, symmetric: bool, source: Generator
    ) -> None:
        """Set W, U and b in place; ``symmetric`` kernels are invariant under turns and mirrors."""
        hidden = u.weight.shape[1]
        share = torch.full((cell.gates,), self.gates, dtype=torch.float64)
        share[cell.candidate] = 1
        share = share.repeat_interleave(hidden).reshape(-1, *[1] * (u.weight.ndim - 1))
        w.weight.copy_(self.input_scaling * share * _normal(w, symmetric, source))
        u.weight.copy_(self.spectral_radius / hidden**0.5 * share * _normal(u, symmetric, source))
        uniform = torch.rand(len(w.weight), generator=source, dtype=torch.float64)
        place = torch.rand(hidden, generator=source, dtype=torch.float64)
        least, most = self.time_scale
        steps = least * (most / least) ** place
        assert w.bias is not None
        w.bias.copy_(cell.bias_for_time_scale(self.bias * (2 * uniform - 1), steps))
        if u.bias is not None:
            u.bias.zero_()


def _normal(lift: Lift, symmetric: bool, source: Generator) -> Tensor:
    """Sample a standard normal matrix, or kernels whose sum of squares is 1."""
    weight = torch.randn(lift.weight.shape, generator=source, dtype=torch.float64)
    if not isinstance(lift, Convolution):
        return weight
    dims = weight.ndim - 2
    if symmetric:
        weight = torch.stack(images(weight, dims)).mean(0)
    return weight / weight.flatten(2).norm(dim=2).reshape(*weight.shape[:2], *[1] * dims)
