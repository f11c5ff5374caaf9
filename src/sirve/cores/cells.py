"""The note's recurrent equations, once, as pointwise mathematics.

A cell knows neither matrices nor convolutions. It is given ``wx``, the lifted input W x_t + b of
all its gates (B, gates * H, *space), and ``u``, a function that lifts a hidden state by the rows of
the gates ``start:stop`` of U. A core supplies both, as matrices or as convolutions.

Law: equals a literal NumPy transcription of the equations, and ``torch.nn`` where they agree.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

Recur = Callable[[Tensor, int, int], Tensor]
State = tuple[Tensor, ...]


@dataclass(frozen=True)
class Cell(ABC):
    """One step of a recurrent network; the first tensor of its state is the hidden state h."""

    gates: ClassVar[int]
    states: ClassVar[int] = 1
    candidate: ClassVar[int] = 0  # whose rows are new knowledge; those of the others are gates

    @property
    def recurrent_bias(self) -> bool:
        """Whether U h has a bias of its own."""
        return False

    def remembering(self, bias: Tensor, steps: Tensor) -> Tensor:
        """``bias`` (gates * H,) moved so that, undriven, unit i forgets over ``steps[i]`` steps."""
        return bias

    @abstractmethod
    def step(self, wx: Tensor, state: State, u: Recur) -> State:
        """State at t from the lifted input at t and the state at t - 1."""

    def activations(self, wx: Tensor, state: State, u: Recur) -> dict[str, Tensor]:
        """Each gate and candidate of a step by the equations' name for it; {} where it has none."""
        return {}


@dataclass(frozen=True)
class RNN(Cell):
    """h_t = g(W h_{t-1} + U x_t + b), with g = tanh or the sigmoid.

    (The note writes W for the recurrent and U for the input matrix here, and the reverse in the
    gated cells; in this code the input's is always W.)
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
    """Long short-term memory; rows in the order f, i, c, o.

        f_t = sigma(W_f [h_{t-1}, x_t] + b_f)          forget gate
        i_t = sigma(W_i [h_{t-1}, x_t] + b_i)          input gate
        C'_t = tanh(W_c [h_{t-1}, x_t] + b_c)          new knowledge
        C_t = f_t * C_{t-1} + i_t * C'_t               the conveyor belt
        o_t = sigma(W_o [h_{t-1}, x_t] + b_o)          output gate
        h_t = o_t * tanh(C_t)

    Source: S. Hochreiter, J. Schmidhuber, Neural Computation 9 (1997); forget gate F. Gers et
    al., Neural Computation 12 (2000).
    """

    gates: ClassVar = 4
    states: ClassVar = 2
    candidate: ClassVar = 2

    def activations(self, wx: Tensor, state: State, u: Recur) -> dict[str, Tensor]:
        f, i, new, o = (wx + u(state[0], 0, 4)).chunk(4, dim=1)
        gates = {"f": torch.sigmoid(f), "i": torch.sigmoid(i)}
        return gates | {"C'": torch.tanh(new), "o": torch.sigmoid(o)}

    def remembering(self, bias: Tensor, steps: Tensor) -> Tensor:
        shift = torch.log(steps - 1)  # f = 1 - 1/steps and i = 1/steps
        f, i, new, o = bias.chunk(4)
        return torch.cat([f + shift, i - shift, new, o])

    def step(self, wx: Tensor, state: State, u: Recur) -> State:
        f, i, new, o = self.activations(wx, state, u).values()
        c = f * state[1] + i * new
        return o * torch.tanh(c), c


@dataclass(frozen=True)
class GRU(Cell):
    """Gated recurrent unit; rows in the order z, r, h'.

        z_t = sigma(W_z x_t + U_z h_{t-1} + b_z)       update gate
        r_t = sigma(W_r x_t + U_r h_{t-1} + b_r)       reset gate
        h'_t = tanh(W x_t + U (r_t * h_{t-1}) + b)     candidate
        h_t = (1 - z_t) * h_{t-1} + z_t * h'_t

    ``reset="before"`` is the note's; "after" is the form of ``torch.nn.GRU`` (whose z is our
    1 - z), h'_t = tanh(W x_t + b + r_t * (U h_{t-1} + b_U)).

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

    def remembering(self, bias: Tensor, steps: Tensor) -> Tensor:
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
