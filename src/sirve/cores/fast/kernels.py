"""Steps of the cells compiled by numba: a rollout, or a sequence and its gradient, in one call.

Arrays are NumPy's, and rows are samples. The input of a layer is [h, x, 1] (B, hidden + inputs +
1). Its weights are transposed to match, with the gates in the order of ``cells``, and padded to
``compiled.width``.

Law (tests/cores/test_rolling.py, test_fused.py): the numbers are those of the plain loop to
rounding.
"""

from typing import Any

import numpy as np

from sirve.cores.fast.compiled import Array, kernel, product, sigmoid, tanh

BLOCK = 64  # rows that go through all steps together, so that they stay in the cache

RNN_TANH, RNN_SIGMOID, LSTM, GRU = range(4)  # the kinds of cells


@kernel
def gru_step(
    hidden: int,
    hx1: Array,
    rhx1: Array,
    gates: Array,
    new: Array,
    zr: Array,
    candidate: Array,
    after: Array,
) -> None:
    """Write h into the first columns of ``after``, which may be hx1; rhx1 has [., x, 1]."""
    product(hx1, gates, zr)
    sigmoid(zr, 0, 2 * hidden)
    for i in range(len(hx1)):
        for j in range(hidden):
            rhx1[i, j] = zr[i, hidden + j] * hx1[i, j]
    product(rhx1, new, candidate)
    tanh(candidate, 0, hidden)
    for i in range(len(hx1)):
        for j in range(hidden):
            after[i, j] = hx1[i, j] + zr[i, j] * (candidate[i, j] - hx1[i, j])


@kernel
def lstm_step(hx1: Array, gates: Array, fico: Array, cell: Array) -> None:
    """Update h, the first columns of hx1, and ``cell`` in place."""
    rows, hidden = cell.shape
    product(hx1, gates, fico)
    sigmoid(fico, 0, 2 * hidden)
    tanh(fico, 2 * hidden, 3 * hidden)
    sigmoid(fico, 3 * hidden, 4 * hidden)
    for i in range(rows):
        for j in range(hidden):
            cell[i, j] = fico[i, j] * cell[i, j] + fico[i, hidden + j] * fico[i, 2 * hidden + j]
            hx1[i, j] = cell[i, j]
    tanh(hx1, 0, hidden)
    for i in range(rows):
        for j in range(hidden):
            hx1[i, j] *= fico[i, 3 * hidden + j]


@kernel
def rnn_step(hidden: int, hx1: Array, weights: Array, lifted: Array, as_tanh: bool) -> None:
    """Update h, the first columns of hx1, in place."""
    product(hx1, weights, lifted)
    if as_tanh:
        tanh(lifted, 0, hidden)
    else:
        sigmoid(lifted, 0, hidden)
    hx1[:, :hidden] = lifted[:, :hidden]


@kernel
def roll(
    kind: int,
    hidden: int,
    gates: Any,
    new: Any,
    readout: Array,
    residual: bool,
    hx1: Any,
    cells: Any,
    out: Array,
) -> None:
    """Roll some rows through all steps, into out (B, steps, size).

    ``gates`` and, for the GRU, ``new`` have one table for each layer. ``hx1``, which has one more
    for the readout, and ``cells`` of the LSTM hold the state before, and afterwards the state
    after.
    """
    layers = len(gates)
    top = hx1[layers]
    rows, steps, size = out.shape
    lifted = np.empty((rows, gates[0].shape[1]), out.dtype)
    candidate = np.empty((rows, new[0].shape[1]), out.dtype)
    rhx1 = [np.copy(part) for part in hx1]
    y = np.empty((rows, readout.shape[1]), out.dtype)
    for t in range(steps):
        for k in range(layers):
            if k > 0:
                hx1[k][:, hidden : 2 * hidden] = hx1[k - 1][:, :hidden]
            if kind == GRU:
                rhx1[k][:, hidden:] = hx1[k][:, hidden:]
                gru_step(hidden, hx1[k], rhx1[k], gates[k], new[k], lifted, candidate, hx1[k])
            elif kind == LSTM:
                lstm_step(hx1[k], gates[k], lifted, cells[k])
            else:
                rnn_step(hidden, hx1[k], gates[k], lifted, kind == RNN_TANH)
        top[:, :hidden] = hx1[layers - 1][:, :hidden]
        product(top, readout, y)
        for i in range(rows):
            for d in range(size):
                value = y[i, d]
                if residual:
                    value += top[i, hidden + d]
                out[i, t, d] = value
                top[i, hidden + d] = value
                hx1[0][i, hidden + d] = value


@kernel
def gru_forward(
    hidden: int,
    gates: Array,
    new: Array,
    batch: int,
    hx1: Array,
    rhx1: Array,
    zr: Array,
    candidate: Array,
) -> None:
    """Compute all steps into the arrays (steps * batch, ...); hx1 has one step more."""
    for low in range(0, batch, BLOCK):
        high = min(batch, low + BLOCK)
        for t in range(0, len(zr), batch):
            a, b = t + low, t + high
            after = hx1[a + batch : b + batch]
            gru_step(hidden, hx1[a:b], rhx1[a:b], gates, new, zr[a:b], candidate[a:b], after)


@kernel
def gru_backward(
    u_gates: Array,
    u_new: Array,
    dy: Array,
    hx1: Array,
    zr: Array,
    candidate: Array,
    dzr: Array,
    dc: Array,
    dh: Array,
) -> None:
    """Compute the gradient by the gates and the candidate before their nonlinearity.

    It fills dzr (steps * batch, 2 hidden) and dc. dh (batch, hidden), the gradient by the state, is
    given after the last step and returned before the first.
    """
    batch, hidden = dh.shape
    for low in range(0, batch, BLOCK):
        high = min(batch, low + BLOCK)
        below = np.empty((high - low, u_new.shape[1]), dh.dtype)
        for t in range(len(dy) - batch, -1, -batch):
            a, b = t + low, t + high
            for i in range(high - low):
                for j in range(hidden):
                    z, c = zr[a + i, j], candidate[a + i, j]
                    g = dh[low + i, j] + dy[a + i, j]
                    dc[a + i, j] = g * z * (1 - c * c)
                    dzr[a + i, j] = g * (c - hx1[a + i, j]) * z * (1 - z)
                    dh[low + i, j] = g * (1 - z)
            product(dc[a:b], u_new, below)
            for i in range(high - low):
                for j in range(hidden):
                    r, g = zr[a + i, hidden + j], below[i, j]
                    dh[low + i, j] += g * r
                    dzr[a + i, hidden + j] = g * hx1[a + i, j] * r * (1 - r)
            product(dzr[a:b], u_gates, below)
            for i in range(high - low):
                for j in range(hidden):
                    dh[low + i, j] += below[i, j]
