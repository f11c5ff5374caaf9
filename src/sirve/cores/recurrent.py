"""Recurrent cores: layers of any cell, with matrices for vectors or convolutions for fields."""

from abc import abstractmethod
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from sirve.cores.base import (
    AnySize,
    Core,
    cells_per_channel,
    make_lift,
    require_frames,
    require_kernels_fit,
    require_positive,
    zeroed,
)
from sirve.cores.cells import Cell, State
from sirve.cores.fast import fused, rolling
from sirve.cores.lift import Boundary, Lift, Matrix
from sirve.cores.reservoir import ReservoirWeights


class Layer(nn.Module):
    """A layer of one cell: it maps (B, T, inputs, *space) to h (B, T, hidden, *space)."""

    def __init__(self, cell: Cell, hidden: int, w: Lift, u: Lift) -> None:
        super().__init__()
        self.cell, self.hidden, self.w, self.u = cell, hidden, w, u

    def forward(self, x: Tensor, state: State | None) -> tuple[Tensor, State]:
        if not fused.covers(self.cell, self.w, self.u, x):
            return self.loop(x, state)
        if state is None:
            state = (x.new_zeros(len(x), self.hidden),) * self.cell.states
        return fused.run(self.cell, x, state, self.w, self.u)

    def loop(self, x: Tensor, state: State | None) -> tuple[Tensor, State]:
        """Apply the equations of the cell, one step after the other."""
        # W x_t + b of all times at once, time first, so that each is contiguous: only U h_{t-1}
        # depends on the step before. (len(x) would fix the batch of an exported step.)
        wx = self.w(x.transpose(0, 1).flatten(0, 1)).unflatten(0, (x.shape[1], x.shape[0]))
        if state is None:
            zero = wx.new_zeros(len(x), self.hidden, *wx.shape[3:])
            state = (zero,) * self.cell.states
        out = []
        for wx_t in wx.unbind(0):
            state = self.cell.step(wx_t, state, self._recur)
            out.append(state[0])
        return torch.stack(out, dim=1), state

    def _recur(self, h: Tensor, start: int, stop: int) -> Tensor:
        return self.u.part(h, start * self.hidden, stop * self.hidden)


class _Recurrent(Core):
    """Layers of one cell. The features are (h, x), or (h, h^2, x), with h of the last layer.

    The readout starts at zero: before training, a residual core is persistence.
    """

    layers: nn.ModuleList
    symmetric: bool = False
    squares: bool = False

    def _stack(
        self,
        cell: Cell,
        channels: int,
        outputs: int,
        hidden: int,
        layers: int,
        kernels: tuple[int, int],
        dims: int,
        boundary: Boundary | None,
    ) -> None:
        require_positive(hidden=hidden, layers=layers)
        kernel, readout_kernel = kernels
        rows = cell.gates * hidden
        self.layers = nn.ModuleList(
            Layer(
                cell,
                hidden,
                make_lift(hidden if i else channels, rows, dims, kernel, boundary),
                make_lift(hidden, rows, dims, kernel, boundary, bias=cell.recurrent_bias),
            )
            for i in range(layers)
        )
        read = (2 if self.squares else 1) * hidden + channels
        lift = make_lift(read, outputs, dims, readout_kernel, boundary, symmetric=self.symmetric)
        self.readout = zeroed(lift)

    def features(
        self, x: Tensor, state: tuple[State, ...] | None = None
    ) -> tuple[Tensor, tuple[State, ...]]:
        x = self._as_channels(x)
        h, after = x, []
        for i, layer in enumerate(self.layers):
            h, layer_state = layer(h, None if state is None else state[i])
            after.append(layer_state)
        hidden = [h, h * h] if self.squares else [h]
        return torch.cat([*hidden, x], dim=2), tuple(after)

    def init_weights(self, seed: int, **setting: Any) -> None:
        weights = ReservoirWeights(**setting)
        source = torch.Generator().manual_seed(seed)
        for layer in self.layers:
            assert isinstance(layer, Layer)
            weights.init_weights(layer.cell, layer.w, layer.u, self.symmetric, source)

    @abstractmethod
    def _as_channels(self, x: Tensor) -> Tensor:
        """Return x (B, T, *shape) in the form that the layers read."""


class Recurrent(_Recurrent):
    """A recurrent network with matrices, for vectors (C,).

        h_t = cell(x_t, h_{t-1}),   y_t = x_t + scale * readout(h_t, x_t)

    A frame is flattened to one vector, with a warning.

    Args:
        shape: of a state.
        cell: RNN, LSTM or GRU.
        hidden: number of units of a layer.
        layers: number of layers.
        residual: predict the increment of x rather than x itself.
        squares: the readout reads h^2 as well. A small tanh is odd and nearly linear, so h alone
            has no even terms (J. Pathak et al., Physical Review Letters 120 (2018)).
        covariates: number of further channels of x that are given and never predicted.

    Raises:
        ValueError: a number is not positive.
    """

    search_grid: ClassVar = {
        "input_scaling": [0.03, 0.1, 0.3],
        "spectral_radius": [0.1, 0.5, 0.9],
        "bias": [0.5],
        "time_scale": [[1.1, 1.1], [1.05, 40.0]],
        "gates": [1.0],
    }

    def __init__(
        self,
        shape: tuple[int, ...],
        cell: Cell,
        hidden: int = 64,
        layers: int = 1,
        residual: bool = True,
        squares: bool = False,
        covariates: int = 0,
    ) -> None:
        super().__init__(shape, residual, covariates)
        self.squares = squares
        cells = cells_per_channel(shape, "model=convgru")
        read, size = (shape[0] + covariates) * cells, shape[0] * cells
        self._stack(cell, read, size, hidden, layers, (1, 1), 0, None)

    def roll(self, x: Tensor, state: Any, steps: int) -> tuple[Tensor, Any]:
        if not self._rolls(x):
            return super().roll(x, state, steps)
        layers, readout = cast(list[Layer], list(self.layers)), cast(Matrix, self.readout)
        tables = rolling.tables(
            layers[0].cell,
            [(layer.w, layer.u) for layer in layers],
            readout,
            self.scale.expand(self.shape).flatten(),
            self.residual,
        )
        y, state = rolling.roll(tables, self._as_channels(x)[:, 0], state, steps)
        y = y.unflatten(2, self.shape)
        given = x[:, :, self.shape[0] :].expand(-1, steps, *[-1] * len(self.shape))
        return (torch.cat([y, given], dim=2) if self.covariates else y), state

    def _rolls(self, x: Tensor) -> bool:
        """Return True if ``rolling`` gives the same as the plain loop: nothing is overridden."""
        kind = type(self)
        original = kind.features is _Recurrent.features and kind.forward is Core.forward
        hooked = any(part._forward_hooks or part._forward_pre_hooks for part in self.modules())
        return (
            original
            and not self.squares
            and not hooked
            and isinstance(self.readout, Matrix)
            and rolling.covers(cast(Layer, self.layers[0]).cell, x)
        )

    def _as_channels(self, x: Tensor) -> Tensor:
        return x.flatten(2)


class ConvRecurrent(_Recurrent, AnySize):
    """A recurrent network with convolutions, for fields (C, N) and frames (C, H, W).

        h_t = cell(x_t, h_{t-1}),   y_t = x_t + scale * readout(h_t, x_t)

    All convolutions continue the field beyond its edges as ``boundary`` says.

    Args:
        shape: of a state.
        cell: RNN, LSTM or GRU.
        boundary: "neumann", "dirichlet" or "periodic".
        hidden: number of channels of a layer.
        layers: number of layers.
        kernel: width of W and U, in cells.
        readout_kernel: width of the readout, in cells.
        residual: predict the increment of x rather than x itself.
        symmetric: the system is invariant under turns and mirrors; a closed form then fits a
            readout that is too.
        covariates: number of further channels of x that are given and never predicted.

    Raises:
        ValueError: states are vectors, there is no boundary, or a number is not valid.

    Source: X. Shi et al., Convolutional LSTM Network, NeurIPS 2015, section 3.1 (without its
    peephole terms).
    """

    search_grid: ClassVar = {
        "input_scaling": [1e-3, 1e-1],
        "spectral_radius": [0.5],
        "bias": [0.0],
        "time_scale": [[1.2, 1.8]],
        "gates": [0.0, 1.0],
    }
    search_noises: ClassVar = (0.0, 1e-6)

    def __init__(
        self,
        shape: tuple[int, ...],
        cell: Cell,
        boundary: Boundary | None = None,
        hidden: int = 16,
        layers: int = 1,
        kernel: int = 3,
        readout_kernel: int = 3,
        residual: bool = True,
        symmetric: bool = False,
        covariates: int = 0,
    ) -> None:
        super().__init__(shape, residual, covariates)
        require_frames(shape)
        require_kernels_fit(shape, kernel=kernel, readout_kernel=readout_kernel)
        self.symmetric = symmetric
        kernels = (kernel, readout_kernel)
        channels = shape[0] + covariates
        self._stack(cell, channels, shape[0], hidden, layers, kernels, len(shape) - 1, boundary)

    def _as_channels(self, x: Tensor) -> Tensor:
        return x
