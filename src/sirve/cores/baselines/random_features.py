"""Random features of the last few states: a reservoir without recurrence."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sirve.cores.base import make_lift, require_not_negative, require_positive, zeroed
from sirve.cores.delays import Delayed, require_vector


@dataclass(frozen=True)
class RandomLayer:
    """Distribution of the random weights of a layer W z + b.

    Args:
        input_scaling: standard deviation of W z for normalised z.
        bias: b is uniform in +- bias.
    """

    input_scaling: float = 0.3
    bias: float = 0.5

    def __post_init__(self) -> None:
        require_not_negative(input_scaling=self.input_scaling, bias=self.bias)

    def sample_into(self, w: Tensor, b: Tensor, source: torch.Generator) -> None:
        """Set W and b of a layer in place; the numbers depend on ``source`` alone."""
        normal = torch.randn(w.shape, generator=source, dtype=torch.float64)
        uniform = torch.rand(b.shape, generator=source, dtype=torch.float64)
        w.copy_(self.input_scaling / w.shape[1] ** 0.5 * normal)
        b.copy_(self.bias * (2 * uniform - 1))


class RandomFeatures(Delayed):
    """A random layer of the last states with a fitted readout, for vectors (C,).

        y = x + A (tanh(W z + b), z, 1)

    z is the last ``delays`` states, W and b are random, and A is fitted.

    Args:
        shape: of a state, (C,).
        hidden: number of random units.
        delays: number of states, including the present one; 1 is no memory.
        stride: steps between them.
        covariates: number of further channels of x that are given and never predicted.

    Raises:
        ValueError: states are frames, or a number is not positive.

    Source: A. Rahimi, B. Recht, NeurIPS 2008, section 3; of one state, untrained: G.-B. Huang et
    al., Neurocomputing 70 (2006).
    """

    closed_form = True
    search_grid: ClassVar = {
        "input_scaling": [0.03, 0.1, 0.3, 0.6, 1.0, 3.0],
        "bias": [0.5, 1.0, 2.0],
    }
    w: Tensor
    b: Tensor

    def __init__(
        self,
        shape: tuple[int, ...],
        hidden: int = 300,
        delays: int = 1,
        stride: int = 1,
        covariates: int = 0,
    ) -> None:
        require_vector("RandomFeatures", shape, "model=polynomial or convrnn")
        super().__init__(shape, delays, stride, covariates=covariates)
        require_positive(hidden=hidden)
        self.register_buffer(
            "w", RandomLayer.input_scaling / self.inputs**0.5 * torch.randn(hidden, self.inputs)
        )
        self.register_buffer("b", RandomLayer.bias * (2 * torch.rand(hidden) - 1))
        self.readout = zeroed(make_lift(hidden + self.inputs, shape[0], 0, 1, None))

    def init_weights(self, seed: int, **setting: Any) -> None:
        source = torch.Generator().manual_seed(seed)
        RandomLayer(**setting).sample_into(self.w, self.b, source)

    def features(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        z, past = self.stack(x, state)
        return torch.cat([torch.tanh(nn.functional.linear(z, self.w, self.b)), z], dim=2), past
