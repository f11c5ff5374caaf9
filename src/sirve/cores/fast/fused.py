"""Fused layers: a GRU or LSTM with matrices over a whole sequence, faster than step by step.

The plain loop of ``Layer`` takes a dozen small operations for a step, and again for its gradient.
Here the GRU of ``cells`` is one function with its own gradient, and the LSTM is PyTorch's, which
has the same equations. All other cells, convolutions, and transformed or compiled cores
(``torch.func``, forward-mode differentiation, ``torch.export``, autocast) keep the plain loop.

Law (tests/cores/test_fused.py): values, states and gradients are those of the plain loop to
rounding.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn import functional as F

from sirve.cores.cells import GRU, LSTM, Cell, State
from sirve.cores.lift import Lift, Matrix

COMPILED = find_spec("numba") is not None
SHORT = 4  # for shorter sequences the plain loop is as fast


def covers(cell: Cell, w: Lift, u: Lift, x: Tensor) -> bool:
    """Return True if ``run`` can replace the plain loop on x (B, T, ...)."""
    if not isinstance(w, Matrix) or not isinstance(u, Matrix) or x.shape[1] < SHORT:
        return False
    # Exactly these classes: a subclass may have other equations.
    supported = type(cell) is GRU and cell.reset == "before"
    supported = supported or (type(cell) is LSTM and x.device.type == "cpu")
    return supported and not is_transformed(x)


def is_transformed(x: Tensor) -> bool:
    """Return True under torch.func, forward-mode differentiation, a compiler or autocast."""
    return (
        torch._C._functorch.peek_interpreter_stack() is not None
        or forward_ad._current_level >= 0
        or torch.compiler.is_compiling()
        or torch.is_autocast_enabled(x.device.type)
    )


def run(cell: Cell, x: Tensor, state: State, w: Lift, u: Lift) -> tuple[Tensor, State]:
    """Return h (B, T, hidden) and the state after x (B, T, inputs), for a cell of ``covers``."""
    assert w.bias is not None
    if type(cell) is GRU:
        h = _Gru.apply(x.transpose(0, 1), state[0], w.weight, u.weight, w.bias)
        return h.transpose(0, 1), (h[-1],)
    weights = [_in_torch_order(part) for part in (w.weight, u.weight, w.bias)]
    weights.append(torch.zeros_like(weights[-1]))
    before = [part.unsqueeze(0) for part in state]
    h, *after = torch.lstm(x, before, weights, True, 1, 0.0, False, False, True)
    return h, tuple(part.squeeze(0) for part in after)


def _in_torch_order(rows: Tensor) -> Tensor:
    """Reorder the rows of the gates from f, i, c, o to PyTorch's i, f, c, o."""
    f, i, rest = rows.tensor_split((len(rows) // 4, len(rows) // 2))
    return torch.cat([i, f, rest])


def steepness(dtype: torch.dtype) -> float:
    """Return the factor of the argument that ``tanh_`` expects; include it in the weights."""
    return 2.0 if dtype == torch.float32 else 1.0


def tanh_(v: Tensor) -> Tensor:
    """Apply tanh to v / steepness, in place.

    In float32 it is computed as 2 sigma(2 v) - 1: ATen's tanh is five times slower on a CPU. This
    is exact to 1e-7, but not to the last digit of a small value, so float64 uses tanh itself.
    """
    return v.sigmoid_().mul_(2).sub_(1) if v.dtype == torch.float32 else v.tanh_()


class _Gru(torch.autograd.Function):
    """The GRU of ``cells`` on x (T, B, inputs) from h (B, H), to (T, B, H).

    One array holds [h, x, 1] of all times and another [r * h, x, 1]. Each step is two products with
    all the weights; the gradient of the weights is two more products at the end.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, h: Tensor, w: Tensor, u: Tensor, b: Tensor) -> Tensor:
        steps, batch, inputs = x.shape
        hidden = h.shape[1]
        table = torch.cat([u, w, b[:, None]], dim=1).t()
        gates, new = table[:, : 2 * hidden], table[:, 2 * hidden :]
        hx1 = x.new_empty(steps + 1, batch, hidden + inputs + 1)
        hx1[0, :, :hidden], hx1[:-1, :, hidden:-1], hx1[..., -1] = h, x, 1
        rhx1 = torch.empty_like(hx1[:-1])
        rhx1[..., hidden:] = hx1[:-1, :, hidden:]
        if compilable(x):
            zr, candidate = _compiled_forward(hidden, gates, new, hx1, rhx1)
        else:
            zr, candidate = _forward(hidden, gates, new, hx1, rhx1)
        ctx.save_for_backward(x, h, w, u, b, hx1, rhx1, zr, candidate)
        return hx1[1:, :, :hidden]

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, h0, w, u, b, hx1, rhx1, zr, candidate = ctx.saved_tensors
        if torch.is_grad_enabled() or _batched(dy):  # second derivatives, or batched gradients
            return _plain_gradient((x, h0, w, u, b), ctx.needs_input_grad, dy)
        hidden = h0.shape[1]
        backward = _compiled_backward if compilable(x) else _backward
        dzr, dc, dh = backward(u.detach(), dy, hx1, zr, candidate)
        dzr, dc = dzr.flatten(0, 1), dc.flatten(0, 1)
        table = torch.cat([dzr.t() @ hx1[:-1].flatten(0, 1), dc.t() @ rhx1.flatten(0, 1)])
        dx = None
        if ctx.needs_input_grad[0]:
            dx = (dzr @ w[: 2 * hidden]).addmm_(dc, w[2 * hidden :]).view_as(x)
        return dx, dh, table[:, hidden:-1], table[:, :hidden], table[:, -1]


def _forward(
    hidden: int, gates: Tensor, new: Tensor, hx1: Tensor, rhx1: Tensor
) -> tuple[Tensor, Tensor]:
    """Return (z, r) and the candidate of all times, (T, B, ...); fill hx1 and rhx1."""
    steps, batch, _ = rhx1.shape
    gates, new = gates.contiguous(), new.mul(steepness(new.dtype)).contiguous()
    zr, candidate = (hx1.new_empty(steps, batch, t.shape[1]) for t in (gates, new))
    hs, (z, r) = hx1[..., :hidden], zr.chunk(2, dim=2)
    each = _at_each_time(hx1[:-1], hs[:-1], hs[1:], zr, z, r, rhx1, rhx1[..., :hidden], candidate)
    for hx1_t, h, h_next, zr_t, z_t, r_t, rhx1_t, rh, c in each:
        torch.mm(hx1_t, gates, out=zr_t).sigmoid_()
        torch.mul(r_t, h, out=rh)
        tanh_(torch.mm(rhx1_t, new, out=c))
        torch.lerp(h, c, z_t, out=h_next)
    return zr, candidate


def _backward(
    u: Tensor, dy: Tensor, hx1: Tensor, zr: Tensor, candidate: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients by (z, r) and candidate before their nonlinearity, and by h."""
    hidden = u.shape[1]
    dzr, dc = torch.empty_like(zr), torch.empty_like(candidate)
    dh = torch.zeros_like(candidate[0])
    drh, update = torch.empty_like(dh), torch.empty_like(dh)
    outer = dh.new_empty(len(dh), 2 * hidden)  # the gradient by z and r
    by_z, by_r = outer.chunk(2, dim=1)
    (z, r), hs = zr.chunk(2, dim=2), hx1[:-1, :, :hidden]
    sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
    tanh_backward = torch.ops.aten.tanh_backward.grad_input
    each = _at_each_time(dy, hs, zr, z, r, candidate, dzr, dc)
    for dy_t, h, zr_t, z_t, r_t, c, dzr_t, dc_t in reversed(each):
        dh += dy_t
        torch.mul(dh, z_t, out=update)
        tanh_backward(update, c, grad_input=dc_t)
        torch.mm(dc_t, u[2 * hidden :], out=drh)
        torch.sub(c, h, out=by_z).mul_(dh)
        torch.mul(drh, h, out=by_r)
        sigmoid_backward(outer, zr_t, grad_input=dzr_t)
        dh.sub_(update).addcmul_(drh, r_t).addmm_(dzr_t, u[: 2 * hidden])
    return dzr, dc, dh


def _compiled_forward(
    hidden: int, gates: Tensor, new: Tensor, hx1: Tensor, rhx1: Tensor
) -> tuple[Tensor, Tensor]:
    """Compute ``_forward`` with kernels; the results have padded columns."""
    from sirve.cores.fast import kernels

    steps, batch, _ = rhx1.shape
    tables = [padded(gates), padded(new)]
    zr, candidate = (hx1.new_empty(steps, batch, t.shape[1]) for t in tables)
    arrays = (part.flatten(0, 1).numpy() for part in (hx1, rhx1, zr, candidate))
    kernels.gru_forward(hidden, *tables, batch, *arrays)
    return zr, candidate


def _compiled_backward(
    u: Tensor, dy: Tensor, hx1: Tensor, zr: Tensor, candidate: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute ``_backward`` with kernels."""
    from sirve.cores.fast import kernels

    steps, batch, hidden = dy.shape
    dzr, dc = dy.new_empty(steps, batch, 2 * hidden), dy.new_empty(steps, batch, hidden)
    dh = dy.new_zeros(batch, hidden)
    given = (part.flatten(0, 1).numpy() for part in (dy.contiguous(), hx1, zr, candidate))
    found = (part.flatten(0, 1).numpy() for part in (dzr, dc))
    tables = (padded(u[: 2 * hidden]), padded(u[2 * hidden :]))
    kernels.gru_backward(*tables, *given, *found, dh.numpy())
    return dzr, dc, dh


def compilable(x: Tensor) -> bool:
    """Return True if sirve.cores.fast.kernels can be used for x."""
    return COMPILED and x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64)


def padded(table: Tensor) -> np.ndarray:
    """Return a table as kernels need it: contiguous, padded with columns of zeros."""
    from sirve.cores.fast import compiled

    rows, columns = table.shape
    wide = np.zeros((rows, compiled.width(columns, table.numpy().dtype)), table.numpy().dtype)
    wide[:, :columns] = table.numpy()
    return wide


def _batched(dy: Tensor) -> bool:
    """Return True for a batched gradient, as of ``is_grads_batched=True``."""
    functorch = torch._C._functorch
    return functorch.is_legacy_batchedtensor(dy) or functorch.is_functorch_wrapped_tensor(dy)


def _at_each_time(*parts: Tensor) -> list[tuple[Tensor, ...]]:
    """Return these tensors for each time."""
    return list(zip(*(part.unbind(0) for part in parts), strict=True))


def _plain_gradient(
    inputs: tuple[Tensor, ...], needs_gradient: Sequence[bool], dy: Tensor
) -> tuple[Tensor | None, ...]:
    """Return the gradient by the plain loop, which can be differentiated again."""
    with torch.enable_grad():
        x, h, w, u, b = inputs
        state: State = (h,)
        out = []
        for wx in F.linear(x, w, b).unbind(0):
            state = GRU().step(wx, state, lambda h, start, stop: F.linear(h, _rows(u, start, stop)))
            out.append(state[0])
        y = torch.stack(out)
    needed = [part for part, needs in zip(inputs, needs_gradient, strict=True) if needs]
    found = iter(torch.autograd.grad(y, needed, dy, create_graph=torch.is_grad_enabled()))
    return tuple(next(found) if needs else None for needs in needs_gradient)


def _rows(u: Tensor, start: int, stop: int) -> Tensor:
    """Return the rows of the gates ``start:stop``."""
    return u.unflatten(0, (-1, u.shape[1]))[start:stop].flatten(0, 1)
