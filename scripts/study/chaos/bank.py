"""Many settings of one random recurrent network, run together."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from sirve.cores import RNN, Cell, Core, EchoState, Recurrent
from sirve.cores.cells import State
from sirve.cores.recurrent import Layer

FAR = 9.0  # standard deviations: where a forecast that leaves is held


class Bank:
    """S networks of H units that read one coordinate, alike but for their settings.

    Drawn from one seed, their recurrent matrices are multiples of one matrix, so that a single
    product serves all of them. Everything else is the equations of the cores, by the same cells.

    Law: the network i does as the core that was drawn with setting i does.
    """

    def __init__(self, core: Core, seed: int, settings: Sequence[dict[str, Any]]) -> None:
        drawn = []
        for setting in settings:
            core.init_weights(seed, **setting)
            drawn.append(_weights(core))
        self.cell = _cell(core)
        self.squares = bool(core.squares)
        w, b, u, leak = zip(*drawn, strict=True)
        self.w, self.b, self.leak = torch.stack(w), torch.stack(b), torch.stack(leak)
        self.u = u[0].T / u[0].norm()
        self.gain = torch.stack([matrix.norm() for matrix in u])[:, None, None]

    def __len__(self) -> int:
        return len(self.w)

    @property
    def hidden(self) -> int:
        return len(self.u)

    def step(self, x: Tensor, state: State) -> State:
        """From x (S, R), of R copies of each network, and tensors (S R, H)."""
        wx = x[..., None] * self.w[:, None] + self.b[:, None]
        new = self.cell.step(wx.flatten(0, 1), state, self._recur)
        leak = self.leak.repeat_interleave(x.shape[1], 0)
        return tuple(torch.lerp(old, part, leak) for old, part in zip(state, new, strict=True))

    def _recur(self, h: Tensor, start: int, stop: int) -> Tensor:
        u = self.u[:, start * self.hidden : stop * self.hidden]
        return ((h @ u).unflatten(0, (len(self), -1)) * self.gain).flatten(0, 1)

    def read(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features of a series x (T,), (S, T, F), and states (states, S, T, H)."""
        state = (x.new_zeros(len(self), self.hidden),) * self.cell.states
        states = x.new_empty(self.cell.states, len(self), len(x), self.hidden)
        for t, now in enumerate(x):
            state = self.step(now.expand(len(self), 1), state)
            for i, part in enumerate(state):
                states[i, :, t] = part
        seen = x[:, None].expand(len(self), -1, 1)
        return torch.cat([self._read_out(states[0]), seen, torch.ones_like(seen)], dim=2), states

    def _read_out(self, h: Tensor) -> Tensor:
        """What of h the readout sees, beside (x, 1): h, or h and its squares."""
        return torch.cat([h, h**2], dim=-1) if self.squares else h

    def roll(self, x: Tensor, states: Tensor, weights: Tensor, steps: int) -> Tensor:
        """Closed loop from x (S, R) and states (states, S, R, H): predictions (steps, S, R).

        ``weights`` (S, R, F) are those of readouts of the increment.
        """
        out, state = [], tuple(part.flatten(0, 1) for part in states)
        ofh, ofx, bias = weights[..., :-2], weights[..., -2], weights[..., -1]
        for _ in range(steps):
            h = state[0].unflatten(0, x.shape)
            x = x + (self._read_out(h) * ofh).sum(-1) + x * ofx + bias
            x = x.nan_to_num(FAR, FAR, -FAR).clamp(-FAR, FAR)
            out.append(x)
            state = self.step(x, state)
        return torch.stack(out)


def _layer(core: Core) -> Layer:
    assert isinstance(core, Recurrent)
    (layer,) = core.layers
    assert isinstance(layer, Layer)
    return layer


def _cell(core: Core) -> Cell:
    """An echo state network is the plain cell, and forgets by its leak alone."""
    return RNN() if isinstance(core, EchoState) else _layer(core).cell


def _weights(core: Core) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """W (gates H,) of one coordinate, b, U and leak of what was drawn, copied."""
    if isinstance(core, EchoState):
        found = (core.w, core.b, core.u, core.leak.reshape(1))
    else:
        layer = _layer(core)
        found = (layer.w.weight, layer.w.table()[:, -1], layer.u.weight, torch.ones(1))
    w, b, u, leak = (tensor.detach().double().clone() for tensor in found)
    return w[:, 0], b, u, leak
