"""PredRNN: a convolutional network whose second memory runs through its layers and then in time."""

from typing import cast

import torch
from torch import Tensor, nn

from sirve.cores.base import (
    AnySize,
    make_lift,
    require_frames,
    require_kernels_fit,
    require_positive,
    zeroed,
)
from sirve.cores.cells import State
from sirve.cores.lift import Boundary, Lift

Memory = tuple[tuple[State, ...], Tensor]  # (h, C) of each layer, and M of the last one


class SpatiotemporalLayer(nn.Module):
    """A layer of PredRNN: a long short-term memory with two conveyor belts, C and M.

        f = sigma(W_f * [x, h_{t-1}] + b_f)              f' = sigma(W'_f * [x, M^{l-1}] + b'_f)
        i = sigma(W_i * [x, h_{t-1}] + b_i)              i' = sigma(W'_i * [x, M^{l-1}] + b'_i)
        g = tanh(W_g * [x, h_{t-1}] + b_g)               g' = tanh(W'_g * [x, M^{l-1}] + b'_g)
        C_t = f C_{t-1} + i g                            M^l = f' M^{l-1} + i' g'
        o = sigma(W_o * [x, h_{t-1}, C_t, M^l] + b_o)
        h_t = o tanh(W * [C_t, M^l])                     W of one cell

    C goes from time to time within its layer, M from layer to layer. Products of fields are those
    of their cells.
    """

    def __init__(
        self, inputs: int, hidden: int, kernel: int, dims: int, boundary: Boundary | None
    ) -> None:
        super().__init__()
        self.hidden = hidden

        def lift(channels: int, blocks: int, width: int = kernel, bias: bool = False) -> Lift:
            return make_lift(channels, blocks * hidden, dims, width, boundary, bias)

        self.x = lift(inputs, 7, bias=True)  # f, i, g, o, f', i', g'
        self.h = lift(hidden, 4)  # f, i, g, o
        self.m = lift(hidden, 3)  # f', i', g'
        self.o = lift(2 * hidden, 1)  # of C and M
        self.last = lift(2 * hidden, 1, width=1)

    def step(self, x: Tensor, state: State, m: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return h, C and M after x (B, inputs, *space).

        ``state`` is (h, C) before x, and ``m`` is M of the layer below.
        """
        h, c = state
        first, second = self.x(x).split([4 * self.hidden, 3 * self.hidden], dim=1)
        f, i, g, o = (first + self.h(h)).chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        f, i, g = (second + self.m(m)).chunk(3, dim=1)
        m = torch.sigmoid(f) * m + torch.sigmoid(i) * torch.tanh(g)
        both = torch.cat([c, m], dim=1)
        return torch.sigmoid(o + self.o(both)) * torch.tanh(self.last(both)), c, m


class PredRNN(AnySize):
    """PredRNN, for fields (C, N) and frames (C, H, W).

        h^l_t, C^l_t, M^l_t = layer_l(h^{l-1}_t, h^l_{t-1}, C^l_{t-1}, M^{l-1}_t)
        h^0_t = x_t,   M^0_t = M^L_{t-1}
        y_t = x_t + scale * readout(h^L_t, x_t)

    The second memory M goes up through the layers, and from the last one to the first one of the
    next time. The readout starts at zero: before training, the core is persistence. The original
    predicts x itself, and its later form adds a loss that keeps C and M apart; here neither is.

    Args:
        shape: of a state.
        boundary: "neumann", "dirichlet" or "periodic".
        hidden: number of channels of each layer.
        layers: number of layers.
        kernel: width of the convolutions, in cells.
        readout_kernel: width of the readout, in cells.
        residual: predict the increment of x rather than x itself.
        covariates: number of further channels of x that are given and never predicted.

    Raises:
        ValueError: states are vectors, there is no boundary, or a number is not valid.

    Source: Y. Wang et al., PredRNN, NeurIPS 2017, section 3.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        boundary: Boundary | None = None,
        hidden: int = 16,
        layers: int = 2,
        kernel: int = 3,
        readout_kernel: int = 3,
        residual: bool = True,
        covariates: int = 0,
    ) -> None:
        super().__init__(shape, residual, covariates)
        require_frames(shape)
        require_positive(hidden=hidden, layers=layers)
        require_kernels_fit(shape, kernel=kernel, readout_kernel=readout_kernel)
        channels, dims = shape[0] + covariates, len(shape) - 1
        self.layers = nn.ModuleList(
            SpatiotemporalLayer(hidden if i else channels, hidden, kernel, dims, boundary)
            for i in range(layers)
        )
        lift = make_lift(hidden + channels, shape[0], dims, readout_kernel, boundary)
        self.readout = zeroed(lift)

    def features(self, x: Tensor, state: Memory | None = None) -> tuple[Tensor, Memory]:
        layers = [cast(SpatiotemporalLayer, layer) for layer in self.layers]
        if state is None:
            zero = x.new_zeros(x.shape[0], layers[0].hidden, *x.shape[3:])
            state = ((zero, zero),) * len(layers), zero
        memories, m = list(state[0]), state[1]
        out = []
        for below in x.unbind(1):
            for number, layer in enumerate(layers):
                below, c, m = layer.step(below, memories[number], m)
                memories[number] = (below, c)
            out.append(below)
        return torch.cat([torch.stack(out, dim=1), x], dim=2), (tuple(memories), m)
