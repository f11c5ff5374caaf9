"""Fast rollouts of a recurrent core with matrices, without the overhead of PyTorch modules.

They compute the equations of ``cells`` in buffers that are made once: with a kernel of
``sirve.cores.fast.kernels`` on a CPU where numba is installed, else with PyTorch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from sirve.cores.cells import GRU, LSTM, RNN, Cell, State
from sirve.cores.fast.fused import compilable, is_transformed, padded, steepness, tanh_
from sirve.cores.lift import Lift


@dataclass(frozen=True)
class Tables:
    """The weights of a core, transposed: one table of ``gates`` for each layer, for [h, x, 1].

    ``new`` is the candidate of the GRU, for [r * h, x, 1]. ``readout`` includes the scale.
    """

    cell: Cell
    hidden: int
    gates: tuple[Tensor, ...]
    new: tuple[Tensor, ...]
    readout: Tensor
    residual: bool


def covers(cell: Cell, x: Tensor) -> bool:
    """Return True if ``roll`` has the equations of this cell and no gradient is needed."""
    supported = type(cell) in (RNN, LSTM) or (type(cell) is GRU and cell.reset == "before")
    return supported and not torch.is_grad_enabled() and not is_transformed(x)


def tables(
    cell: Cell, layers: list[tuple[Lift, Lift]], readout: Lift, scale: Tensor, residual: bool
) -> Tables:
    """Return the tables of each layer's W and U, and of the readout on (h, x)."""
    hidden = layers[0][1].weight.shape[1]
    whole = []
    for w, u in layers:
        assert w.bias is not None
        whole.append(torch.cat([u.weight, w.weight, w.bias[:, None]], dim=1).t())
    split = 2 * hidden if isinstance(cell, GRU) else cell.gates * hidden
    return Tables(
        cell,
        hidden,
        tuple(table[:, :split].contiguous() for table in whole),
        tuple(table[:, split:].contiguous() for table in whole),
        (scale[:, None] * readout.table()).t().contiguous(),
        residual,
    )


def roll(
    core: Tables, x: Tensor, state: tuple[State, ...], steps: int
) -> tuple[Tensor, tuple[State, ...]]:
    """Return predictions (B, steps, size) from x (B, inputs) on, and the state after."""
    return (_compiled if compilable(x) else _buffered)(core, x, state, steps)


def _compiled(
    core: Tables, x: Tensor, state: tuple[State, ...], steps: int
) -> tuple[Tensor, tuple[State, ...]]:
    from sirve.cores.fast import kernels

    kinds = {GRU: kernels.GRU, LSTM: kernels.LSTM}
    kind = kinds.get(type(core.cell), kernels.RNN_TANH)
    if isinstance(core.cell, RNN) and core.cell.activation == "sigmoid":
        kind = kernels.RNN_SIGMOID
    hidden, size = core.hidden, core.readout.shape[1]
    gates, new = (tuple(map(padded, part)) for part in (core.gates, core.new))
    readout = padded(core.readout)
    hx1, cells = _buffers(core, x, state)
    out = x.new_empty(len(x), steps, size)
    for first in range(0, len(x), kernels.BLOCK):
        rows = slice(first, first + kernels.BLOCK)
        some = [tuple(part[rows].numpy() for part in parts) for parts in (hx1, cells)]
        kernels.roll(kind, hidden, gates, new, readout, core.residual, *some, out[rows].numpy())
    return out, _state(core, hx1, cells)


def _buffers(
    core: Tables, x: Tensor, state: tuple[State, ...]
) -> tuple[list[Tensor], list[Tensor]]:
    """Return [h, x, 1] of each layer and of the readout, and the last tensor of each state."""
    last = state[-1][0]
    inputs = [x, *(part[0] for part in state[:-1])]
    hs = [part[0] for part in state]
    one = x.new_ones(len(x), 1)
    hx1 = [torch.cat([h, below, one], 1) for h, below in zip(hs, inputs, strict=True)]
    hx1.append(torch.cat([last, x, one], 1))
    return hx1, [part[-1].clone() for part in state]


def _state(core: Tables, hx1: list[Tensor], cells: list[Tensor]) -> tuple[State, ...]:
    hs = [part[:, : core.hidden].clone() for part in hx1[:-1]]
    if core.cell.states == 1:
        return tuple((h,) for h in hs)
    return tuple(zip(hs, cells, strict=True))


def _buffered(
    core: Tables, x: Tensor, state: tuple[State, ...], steps: int
) -> tuple[Tensor, tuple[State, ...]]:
    hidden, size = core.hidden, core.readout.shape[1]
    hx1, cells = _buffers(core, x, state)
    stepper = {GRU: _gru, LSTM: _lstm}.get(type(core.cell), _rnn)
    advance = [stepper(core, k, hx1[k], cells[k]) for k in range(len(cells))]
    top = hx1[-1]
    fed = [part[:, hidden : hidden + size] for part in (top, hx1[0])]
    passed = [  # h of a layer, and where the next layer or the readout reads it
        (below[:, :hidden], above[:, hidden : 2 * hidden]) for below, above in pairwise(hx1[:-1])
    ]
    passed.append((hx1[-2][:, :hidden], top[:, :hidden]))
    out = x.new_empty(steps, len(x), size)
    for y in out.unbind(0):
        for step, (left, read) in zip(advance, passed, strict=True):
            step()
            read.copy_(left)
        torch.mm(top, core.readout, out=y)
        if core.residual:
            y += fed[0]
        for part in fed:
            part.copy_(y)
    return out.transpose(0, 1), _state(core, hx1, cells)


def _rnn(core: Tables, layer: int, hx1: Tensor, _: Tensor) -> Callable[[], None]:
    cell, h = core.cell, hx1[:, : core.hidden]
    assert isinstance(cell, RNN)
    as_tanh = cell.activation == "tanh"
    gates = core.gates[layer] * (steepness(hx1.dtype) if as_tanh else 1)
    lifted = torch.empty_like(h, memory_format=torch.contiguous_format)

    def step() -> None:
        torch.mm(hx1, gates, out=lifted)
        h.copy_(tanh_(lifted) if as_tanh else lifted.sigmoid_())

    return step


def _lstm(core: Tables, layer: int, hx1: Tensor, c: Tensor) -> Callable[[], None]:
    h, steep = hx1[:, : core.hidden], steepness(hx1.dtype)
    gates = core.gates[layer].clone()
    gates[:, 2 * core.hidden : 3 * core.hidden] *= steep
    lifted, squashed = hx1.new_empty(len(hx1), gates.shape[1]), torch.empty_like(c)
    f, i, new, o = lifted.chunk(4, dim=1)

    def step() -> None:
        torch.mm(hx1, gates, out=lifted)
        c.mul_(f.sigmoid_()).addcmul_(i.sigmoid_(), tanh_(new))
        torch.mul(o.sigmoid_(), tanh_(torch.mul(c, steep, out=squashed)), out=h)

    return step


def _gru(core: Tables, layer: int, hx1: Tensor, _: Tensor) -> Callable[[], None]:
    h, x1 = hx1[:, : core.hidden], hx1[:, core.hidden :]
    gates, new = core.gates[layer], core.new[layer] * steepness(hx1.dtype)
    lifted, rhx1 = hx1.new_empty(len(hx1), gates.shape[1]), hx1.clone()
    (z, r), candidate = lifted.chunk(2, dim=1), hx1.new_empty(h.shape)
    rh, rx1 = rhx1[:, : core.hidden], rhx1[:, core.hidden :]

    def step() -> None:
        rx1.copy_(x1)
        torch.mm(hx1, gates, out=lifted).sigmoid_()
        torch.mul(r, h, out=rh)
        h.lerp_(tanh_(torch.mm(rhx1, new, out=candidate)), z)

    return step
