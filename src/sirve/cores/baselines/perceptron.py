"""A multilayer perceptron of the last few states: the ablation of recurrent networks."""

from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sirve.cores.base import cells_per_channel, make_lift, require_positive, zeroed
from sirve.cores.baselines.random_features import RandomFeatures, RandomLayer
from sirve.cores.delays import Delayed
from sirve.cores.lift import Lift


class Perceptron(Delayed):
    """A multilayer perceptron of the last states, for vectors (C,).

        y = x + scale A (a_L, z, 1),   a_l = tanh(W_l a_{l-1} + b_l),   a_0 = z, the last states

    It is the ablation of recurrent networks: no recurrence, and with one delay no memory. Two
    layers have as many weights as an RNN of as many units (the second W in place of the recurrent
    U) and about a third of those of a GRU; four layers have nearly as many as a GRU. With fit=ridge
    its layers are random features. A frame is flattened to one vector, with a warning.

    Args:
        shape: of a state.
        hidden: number of units of a layer.
        layers: number of layers L.
        delays: number of states, including the present one; 1 is no memory.
        stride: steps between them.
        covariates: number of further channels of x that are given and never predicted.

    Raises:
        ValueError: a number is not positive.

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
        cells = cells_per_channel(shape, "model=rescnn")
        inputs = self.inputs * cells
        sizes = pairwise([inputs, *[hidden] * layers])
        self.layers = nn.ModuleList(make_lift(a, b, 0, 1, None) for a, b in sizes)
        self.readout = zeroed(make_lift(hidden + inputs, shape[0] * cells, 0, 1, None))

    def init_weights(self, seed: int, **setting: Any) -> None:
        weights = RandomLayer(**setting)
        source = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for layer in self.layers:
                assert isinstance(layer, Lift) and layer.bias is not None
                weights.sample_into(layer.weight, layer.bias, source)

    def features(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        stack, past = self.stack(x, state)
        a = z = stack.flatten(2)
        for layer in self.layers:
            a = torch.tanh(layer(a))
        return torch.cat([a, z], dim=2), past
