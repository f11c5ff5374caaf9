"""Residual convolutional networks with a recurrent memory, a stack of frames, or no memory."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sirve.cores.base import (
    AnySize,
    make_lift,
    require_frames,
    require_kernels_fit,
    require_output,
    require_positive,
    zeroed,
)
from sirve.cores.cells import Cell, State, spread_time_scales
from sirve.cores.lift import Boundary, Lift
from sirve.cores.stacked import Stacked, mark_of, where_marked


class Body(nn.Module):
    """A residual network of ``depth`` convolutions, from (B, inputs, *space) to (B, width, *space).

        a_1 = g(W_1 * x),   a_l = a_{l-1} + g(W_l * a_{l-1}),   g the GELU

    Source: K. He et al., CVPR 2016, eq. 1.
    """

    def __init__(
        self, inputs: int, width: int, depth: int, kernel: int, dims: int, boundary: Boundary | None
    ) -> None:
        super().__init__()
        self.lifts = nn.ModuleList(
            make_lift(width if i else inputs, width, dims, kernel, boundary) for i in range(depth)
        )

    def forward(self, x: Tensor) -> Tensor:
        first, *rest = self.lifts
        a = F.gelu(first(x))
        for lift in rest:
            a = a + F.gelu(lift(a))
        return a


class _Residual(AnySize):
    """A body, then g(W * a) with a 1 x 1 convolution, then a readout that starts as persistence.

    With ``output="increment"``, y = x + scale * readout(phi) and the readout starts at zero. With
    "absolute", y = scale * readout(phi, x / scale): the weight of x is learned too and starts at 1.
    """

    readout: Lift

    def __init__(
        self,
        shape: tuple[int, ...],
        boundary: Boundary | None,
        extra: int,
        width: int,
        depth: int,
        kernel: int,
        output: str,
        covariates: int,
    ) -> None:
        """Build the body; it reads ``extra`` channels in addition to those of x."""
        require_output(output)
        super().__init__(shape, residual=output == "increment", covariates=covariates)
        require_positive(width=width, depth=depth, kernel=kernel)
        require_frames(shape)
        self.dims = len(shape) - 1
        require_kernels_fit(shape, kernel=kernel)
        self.boundary = boundary
        self.body = Body(shape[0] + covariates + extra, width, depth, kernel, self.dims, boundary)
        self.last = self._pointwise(width, width)

    def _pointwise(self, inputs: int, outputs: int, bias: bool = True) -> Lift:
        return make_lift(inputs, outputs, self.dims, 1, self.boundary, bias)

    def _read_out(self, inputs: int, further: int) -> None:
        """Set a readout of the features: ``inputs`` maps, x if it is absolute, ``further`` maps.

        Before training, the core is persistence.
        """
        own = self.shape[0]
        read = inputs + further + (0 if self.residual else own)
        self.readout = zeroed(self._pointwise(read, own))
        if not self.residual:
            with torch.no_grad():
                columns = self.readout.weight.flatten(1)[:, inputs : inputs + own]
                columns.copy_(torch.eye(own))

    def _frame(self, x: Tensor) -> list[Tensor]:
        """Return what the readout reads of the frame x (B, C, *space)."""
        return [] if self.residual else [x[:, : self.shape[0]] / self.scale]


class ResidualStacked(_Residual, Stacked):
    """A residual convolutional network of the last frames, for fields.

        phi_t = g(W * body(x_t, ..., x_{t - frames + 1})),   y_t = x_t + scale * readout(phi_t)

    It is the ablation of ``ResidualRecurrent``: the same network without a recurrent memory.

    With ``output="absolute"``, for noisy observations, y_t = scale * readout(phi_t, x_t / scale,
    increments): a learned mean of the frames instead of the last one.

    Args:
        shape: of a state, (C, N) or (C, H, W).
        boundary: "neumann", "dirichlet" or "periodic".
        frames: number of frames, including the present one; 1 is no memory.
        width: number of channels of the convolutions.
        depth: number of convolutions.
        kernel: width of the convolutions, in cells.
        output: "increment", or "absolute".
        covariates: number of further channels of x that are given and never predicted.

    Raises:
        ValueError: states are vectors, or a number is not valid.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        boundary: Boundary | None = None,
        frames: int = 1,
        width: int = 32,
        depth: int = 5,
        kernel: int = 3,
        output: str = "increment",
        covariates: int = 0,
    ) -> None:
        require_positive(frames=frames)
        past = (frames - 1) * shape[0]
        super().__init__(shape, boundary, past, width, depth, kernel, output, covariates)
        self.frames = frames
        self._read_out(width, 0 if self.residual else past)

    def maps(self, stack: Tensor) -> Tensor:
        phi = F.gelu(self.last(self.body(stack)))
        if self.residual:
            return phi
        return torch.cat([phi, *self._frame(stack), stack[:, self.shape[0] + self.covariates :]], 1)


class ResidualRecurrent(_Residual):
    """A residual convolutional network with a recurrent map h, for fields.

        a_t = body(x_t, h_{t-1}),   h_t = cell(a_t, h_{t-1}),   phi_t = (g(W * a_t), h_t)
        y_t = x_t + scale * readout(phi_t)

    The cell uses 1 x 1 convolutions: only the body reads neighbours.

    With ``innovation``, for noisy observations, body and readout also read (x_t - y_{t-1}) / scale,
    which is zero in free rollouts. The readout starts so that y_t = y_{t-1}: the core continues
    from its own prediction and learns how far to correct it by an observation, as a Kalman filter
    does.

    Args:
        shape: of a state, (C, N) or (C, H, W).
        cell: RNN, LSTM or GRU.
        boundary: "neumann", "dirichlet" or "periodic".
        hidden: number of channels of h.
        width: number of channels of the convolutions.
        depth: number of convolutions.
        kernel: width of the convolutions, in cells.
        innovation: read the error of the last prediction too.
        output: "increment"; or "absolute", where the weight of x_t in y_t is learned.
        time_scale: two numbers of frames, both above 1. The units start with times over which they
            forget between these two, evenly in log(time - 1); None: all forget over about 2 frames.
        covariates: number of further channels of x that are given and never predicted.

    Raises:
        ValueError: states are vectors, or a number is not valid.

    Source: N. Ballas et al., ICLR 2016, section 3 (recurrent convolutional maps of features).
    """

    step = "advance"

    def __init__(
        self,
        shape: tuple[int, ...],
        cell: Cell,
        boundary: Boundary | None = None,
        hidden: int = 16,
        width: int = 32,
        depth: int = 5,
        kernel: int = 3,
        innovation: bool = False,
        output: str = "increment",
        time_scale: Sequence[float] | None = None,
        covariates: int = 0,
    ) -> None:
        require_positive(hidden=hidden)
        extra = shape[0] if innovation else 0
        super().__init__(shape, boundary, hidden + extra, width, depth, kernel, output, covariates)
        self.cell, self.hidden, self.innovation = cell, hidden, innovation
        self.feedback = innovation
        self.w = self._pointwise(width, cell.gates * hidden)
        self.u = self._pointwise(hidden, cell.gates * hidden, bias=cell.recurrent_bias)
        if time_scale is not None:
            spread_time_scales(cell, self.w.bias, time_scale)
        self._read_out(width + hidden, extra)
        if innovation:
            with torch.no_grad():
                self.readout.weight.flatten(1)[:, -extra:].copy_(-torch.eye(extra))

    def features(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        cell = self.cell.states
        if state is None:
            zero = x.new_zeros(len(x), self.hidden, *x.shape[3:])
            state = (zero,) * cell
        predicted = self.predicted(x)[:, 0]
        if state[cell:]:
            predicted = where_marked(state[cell:], predicted)
        memory, out = state[:cell], []
        for x_t in x.unbind(1):
            phi, memory, predicted = self.advance(x_t, memory, predicted)
            out.append(phi)
        after = (predicted, mark_of(x)) if self.innovation else ()
        return torch.stack(out, dim=1), (*memory, *after)

    def advance(self, x: Tensor, memory: State, predicted: Tensor) -> tuple[Tensor, State, Tensor]:
        """Read one state x (B, C, *space), which had been ``predicted``.

        Returns:
            The features phi, the memory of the cell, and with ``innovation`` the next prediction.
        """
        observed = x[:, : self.shape[0]]
        new = [(observed - predicted) / self.scale] if self.innovation else []
        a = self.body(torch.cat([x, memory[0], *new], dim=1))
        memory = self.cell.step(self.w(a).to(x.dtype), memory, self._recur)
        phi = torch.cat([F.gelu(self.last(a)), memory[0], *self._frame(x), *new], dim=1)
        if self.innovation:
            base = observed if self.residual else 0
            predicted = base + self.scale * self.readout(phi)
        return phi, memory, predicted

    def _recur(self, h: Tensor, start: int, stop: int) -> Tensor:
        return self.u.part(h, start * self.hidden, stop * self.hidden)
