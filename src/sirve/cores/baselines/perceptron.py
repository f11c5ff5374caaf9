"""A perceptron of the last few states: what a trained recurrent network is without its memory."""

from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sirve.cores.base import flattened, make_lift, require_positive, zeroed
from sirve.cores.baselines.random_features import Draw, RandomFeatures
from sirve.cores.delays import Delayed
from sirve.cores.lift import Lift


class Perceptron(Delayed):
    """y = x + scale A (a_L, z, 1),   a_l = tanh(W_l a_{l-1} + b_l),   a_0 = z, the last states.

    ``layers`` of ``hidden`` units read ``delays`` states, ``stride`` apart: with one delay there is
    no memory. Two layers have as many weights as an RNN of as many units, the second W in place of
    the recurrent U, so about a third of a GRU's; four layers have nearly a GRU's. By fit=ridge its
    layers are random features. Vectors (C,); a frame is flattened to one.

    Source: D. Rumelhart, G. Hinton, R. Williams, Nature 323 (1986).
    """

    search_grid: ClassVar = RandomFeatures.search_grid

    def __init__(
        self,
        shape: tuple[int, ...],
        hidden: int = 64,
        layers: int = 2,
        delays: int = 1,
        stride: int = 1,
        covariates: int = 0,
    ) -> None:
        super().__init__(shape, delays, stride, covariates=covariates)
        require_positive(hidden=hidden, layers=layers)
        cells = flattened(shape, "model=rescnn")
        inputs = self.inputs * cells
        sizes = pairwise([inputs, *[hidden] * layers])
        self.layers = nn.ModuleList(make_lift(a, b, 0, 1, None) for a, b in sizes)
        self.readout = zeroed(make_lift(hidden + inputs, shape[0] * cells, 0, 1, None))

    def init_weights(self, seed: int, **setting: Any) -> None:
        of = Draw(**setting)
        source = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for layer in self.layers:
                assert isinstance(layer, Lift) and layer.bias is not None
                of.into(layer.weight, layer.bias, source)

    def features(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        stack, past = self.stack(x, state)
        a = z = stack.flatten(2)
        for layer in self.layers:
            a = torch.tanh(layer(a))
        return torch.cat([a, z], dim=2), past
