"""The equations of the recurrent cells RNN, LSTM and GRU, as pointwise mathematics.

    RNN     h_t = g(W h_{t-1} + U x_t + b),   g = tanh or sigma

    LSTM    f_t = sigma(W_f [h_{t-1}, x_t] + b_f)
            i_t = sigma(W_i [h_{t-1}, x_t] + b_i)
            C'_t = tanh(W_c [h_{t-1}, x_t] + b_c)
            C_t = f_t * C_{t-1} + i_t * C'_t
            o_t = sigma(W_o [h_{t-1}, x_t] + b_o)
            h_t = o_t * tanh(C_t)

    GRU     z_t = sigma(W_z x_t + U_z h_{t-1} + b_z)
            r_t = sigma(W_r x_t + U_r h_{t-1} + b_r)
            h'_t = tanh(W x_t + U (r_t * h_{t-1}) + b)
            h_t = (1 - z_t) * h_{t-1} + z_t * h'_t

A cell does not know whether W and U are matrices or convolutions. A core gives it ``wx``, the
lifted input W x_t + b of all gates (B, gates * H, *space), and ``u``, a function that applies the
rows of the gates ``start:stop`` of U to a hidden state.

Law (tests/cores/test_cells.py): a cell gives the same as a literal NumPy transcription of its
equations, and as ``torch.nn`` where the equations agree.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

Recur = Callable[[Tensor, int, int], Tensor]  # u(h, start, stop)
State = tuple[Tensor, ...]


@dataclass(frozen=True)
class Cell(ABC):
    """One step of a recurrent network: the base class of RNN, LSTM and GRU.

    A subclass sets ``gates`` and defines ``step``. The state is a tuple of ``states`` tensors
    (B, H, *space), and the first one is the hidden state h.
    """

    gates: ClassVar[int]  # number of blocks of H rows in W and U
    states: ClassVar[int] = 1
    candidate: ClassVar[int] = 0  # the block with the new knowledge; the others are gates

    @property
    def recurrent_bias(self) -> bool:
        """True if U h has its own bias."""
        return False

    def bias_for_time_scale(self, bias: Tensor, steps: Tensor) -> Tensor:
        """Shift ``bias`` (gates * H,) so that, without input, unit i forgets over ``steps[i]``."""
        return bias

    @abstractmethod
    def step(self, wx: Tensor, state: State, u: Recur) -> State:
        """Return the state at t.

        Args:
            wx: lifted input W x_t + b of all gates, (B, gates * H, *space).
            state: the state at t - 1.
            u: function (h, start, stop) that applies the rows of these gates of U to h.
        """

    def activations(self, wx: Tensor, state: State, u: Recur) -> dict[str, Tensor]:
        """Return the gates and the candidate of a step by name; {} for a cell without gates."""
        return {}


@dataclass(frozen=True)
class RNN(Cell):
    """Cell of a simple recurrent network.

        h_t = g(W h_{t-1} + U x_t + b)

    The equation names the recurrent matrix W and the input matrix U, and those of the gated cells
    the reverse. In the code the input matrix is always W.

    Args:
        activation: g, "tanh" or "sigmoid".
    """

    activation: str = "tanh"
    gates: ClassVar = 1

    def __post_init__(self) -> None:
        if self.activation not in ("tanh", "sigmoid"):
            raise ValueError(f'activation="{self.activation}" is unknown: take "tanh" or "sigmoid"')

    def step(self, wx: Tensor, state: State, u: Recur) -> State:
        (h,) = state
        g = torch.tanh if self.activation == "tanh" else torch.sigmoid
        return (g(wx + u(h, 0, 1)),)


@dataclass(frozen=True)
class LSTM(Cell):
    """Cell of a long short-term memory (LSTM); the rows of W and U are in the order f, i, c, o.

        f_t = sigma(W_f [h_{t-1}, x_t] + b_f)          forget gate
        i_t = sigma(W_i [h_{t-1}, x_t] + b_i)          input gate
        C'_t = tanh(W_c [h_{t-1}, x_t] + b_c)          new knowledge
        C_t = f_t * C_{t-1} + i_t * C'_t               the conveyor belt
        o_t = sigma(W_o [h_{t-1}, x_t] + b_o)          output gate
        h_t = o_t * tanh(C_t)

    Source: S. Hochreiter, J. Schmidhuber, Neural Computation 9 (1997); forget gate: F. Gers et al.,
    Neural Computation 12 (2000).
    """

    gates: ClassVar = 4
    states: ClassVar = 2
    candidate: ClassVar = 2

    def activations(self, wx: Tensor, state: State, u: Recur) -> dict[str, Tensor]:
        f, i, new, o = (wx + u(state[0], 0, 4)).chunk(4, dim=1)
        gates = {"f": torch.sigmoid(f), "i": torch.sigmoid(i)}
        return gates | {"C'": torch.tanh(new), "o": torch.sigmoid(o)}

    def bias_for_time_scale(self, bias: Tensor, steps: Tensor) -> Tensor:
        shift = torch.log(steps - 1)  # f = 1 - 1/steps and i = 1/steps
        f, i, new, o = bias.chunk(4)
        return torch.cat([f + shift, i - shift, new, o])

    def step(self, wx: Tensor, state: State, u: Recur) -> State:
        f, i, new, o = self.activations(wx, state, u).values()
        c = f * state[1] + i * new
        return o * torch.tanh(c), c


@dataclass(frozen=True)
class GRU(Cell):
    """Cell of a gated recurrent unit (GRU); the rows of W and U are in the order z, r, h'.

        z_t = sigma(W_z x_t + U_z h_{t-1} + b_z)       update gate
        r_t = sigma(W_r x_t + U_r h_{t-1} + b_r)       reset gate
        h'_t = tanh(W x_t + U (r_t * h_{t-1}) + b)     candidate
        h_t = (1 - z_t) * h_{t-1} + z_t * h'_t

    Args:
        reset: "before" for these equations, where the reset gate comes before the matrix U; "after"
            for the form of ``torch.nn.GRU`` (whose z is 1 - z here),
            h'_t = tanh(W x_t + b + r_t * (U h_{t-1} + b_U)).

    Source: K. Cho et al., EMNLP 2014, section 2.3; "after": PyTorch's documentation of nn.GRU.
    """

    reset: str = "before"
    gates: ClassVar = 3
    candidate: ClassVar = 2

    def __post_init__(self) -> None:
        if self.reset not in ("before", "after"):
            raise ValueError(f'reset="{self.reset}" is unknown: take "before" or "after"')

    @property
    def recurrent_bias(self) -> bool:
        return self.reset == "after"

    def bias_for_time_scale(self, bias: Tensor, steps: Tensor) -> Tensor:
        z, rest = bias[: len(steps)], bias[len(steps) :]  # z = 1/steps
        return torch.cat([z - torch.log(steps - 1), rest])

    def activations(self, wx: Tensor, state: State, u: Recur) -> dict[str, Tensor]:
        (h,) = state
        hidden = h.shape[1]
        wzr, wh = wx[:, : 2 * hidden], wx[:, 2 * hidden :]
        z, r = torch.sigmoid(wzr + u(h, 0, 2)).chunk(2, dim=1)
        recurrent = u(r * h, 2, 3) if self.reset == "before" else r * u(h, 2, 3)
        return {"z": z, "r": r, "h'": torch.tanh(wh + recurrent)}

    def step(self, wx: Tensor, state: State, u: Recur) -> State:
        z, _, candidate = self.activations(wx, state, u).values()
        return (torch.lerp(state[0], candidate, z),)


@torch.no_grad()
def spread_time_scales(cell: Cell, bias: Tensor | None, time_scale: Sequence[float]) -> None:
    """Shift the bias of the lifted input in place, so that the units forget over different times.

    Without input, unit i forgets over a number of steps between the two of ``time_scale``, spread
    evenly in log(steps - 1), in which the bias of a gate is linear.

    Raises:
        ValueError: the two are not numbers of steps above 1, in order.
    """
    least, most = time_scale if len(time_scale) == 2 else (0, 0)
    if not 1 < least <= most < float("inf"):
        raise ValueError(
            f"time_scale={list(time_scale)} must be two numbers of steps, above 1 and in order"
        )
    assert bias is not None
    logs = torch.linspace(math.log(least - 1), math.log(most - 1), len(bias) // cell.gates)
    bias.copy_(cell.bias_for_time_scale(bias, 1 + logs.to(bias.device).exp()))
