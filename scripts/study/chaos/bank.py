"""Many settings of one random recurrent network, run as one batch."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from sirve.cores import RNN, Cell, Core, EchoState, Recurrent
from sirve.cores.cells import State
from sirve.cores.recurrent import Layer

FAR = 9.0  # standard deviations at which a diverging forecast is clipped


class Bank:
    """S networks of H units that read one coordinate and differ only in their settings.

    All have the same seed, so their recurrent matrices are multiples of one matrix and a single
    product updates all of them. The equations are those of the cores, computed by the same cells.

    Law: network i gives the same results as the core initialised with setting i.
    """

    def __init__(self, core: Core, seed: int, settings: Sequence[dict[str, Any]]) -> None:
        initialised = []
        for setting in settings:
            core.init_weights(seed, **setting)
            initialised.append(_weights(core))
        self.cell = _cell(core)
        self.squares = bool(core.squares)
        w, b, u, leak = zip(*initialised, strict=True)
        self.w, self.b, self.leak = torch.stack(w), torch.stack(b), torch.stack(leak)
        self.u = u[0].T / u[0].norm()
        self.gain = torch.stack([matrix.norm() for matrix in u])[:, None, None]

    def __len__(self) -> int:
        return len(self.w)

    @property
    def hidden(self) -> int:
        return len(self.u)

    def step(self, x: Tensor, state: State) -> State:
        """Return the next state, for x (S, R), R copies of each network, and states (S R, H)."""
        wx = x[..., None] * self.w[:, None] + self.b[:, None]
        new = self.cell.step(wx.flatten(0, 1), state, self._recur)
        leak = self.leak.repeat_interleave(x.shape[1], 0)
        return tuple(torch.lerp(old, part, leak) for old, part in zip(state, new, strict=True))

    def _recur(self, h: Tensor, start: int, stop: int) -> Tensor:
        u = self.u[:, start * self.hidden : stop * self.hidden]
        return ((h @ u).unflatten(0, (len(self), -1)) * self.gain).flatten(0, 1)

    def features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return features (S, T, F) and states (states, S, T, H) of a series x (T,)."""
        state = (x.new_zeros(len(self), self.hidden),) * self.cell.states
        states = x.new_empty(self.cell.states, len(self), len(x), self.hidden)
        for t, now in enumerate(x):
            state = self.step(now.expand(len(self), 1), state)
            for i, part in enumerate(state):
                states[i, :, t] = part
        inputs = x[:, None].expand(len(self), -1, 1)
        return torch.cat([self._expand(states[0]), inputs, torch.ones_like(inputs)], dim=2), states

    def _expand(self, h: Tensor) -> Tensor:
        """Return h, with its squares if the core uses them."""
        return torch.cat([h, h**2], dim=-1) if self.squares else h

    def rollout(self, x: Tensor, states: Tensor, weights: Tensor, steps: int) -> Tensor:
        """Return free predictions (steps, S, R) from x (S, R) and states (states, S, R, H).

        ``weights`` (S, R, F) are the readouts of the increment.
        """
        out, state = [], tuple(part.flatten(0, 1) for part in states)
        h_weights, x_weights, bias = weights[..., :-2], weights[..., -2], weights[..., -1]
        for _ in range(steps):
            h = state[0].unflatten(0, x.shape)
            x = x + (self._expand(h) * h_weights).sum(-1) + x * x_weights + bias
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
    """Return the cell of a core; an echo state network is an RNN with a leak."""
    return RNN() if isinstance(core, EchoState) else _layer(core).cell


def _weights(core: Core) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return copies of W (gates H,) of one coordinate, b, U and leak."""
    if isinstance(core, EchoState):
        found = (core.w, core.b, core.u, core.leak.reshape(1))
    else:
        layer = _layer(core)
        found = (layer.w.weight, layer.w.table()[:, -1], layer.u.weight, torch.ones(1))
    w, b, u, leak = (tensor.detach().double().clone() for tensor in found)
    return w[:, 0], b, u, leak
