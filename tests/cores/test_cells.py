"""The equations of the cells, against literal NumPy transcriptions and torch.nn."""

import numpy as np
import pytest
import torch
from torch import nn

from sirve.cores import GRU, LSTM, RNN, Recurrent
from sirve.cores.recurrent import Layer

I, H, B, T = 3, 5, 4, 7  # inputs, hidden, batch, time  # noqa: E741


def sigma(a: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-a))


def layer_of(cell: RNN | LSTM | GRU) -> Layer:
    torch.manual_seed(0)
    core = Recurrent((I,), cell, hidden=H).double()
    layer = core.layers[0]
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn(parameter.shape, dtype=torch.float64))
    assert isinstance(layer, Layer)
    return layer


def inputs() -> torch.Tensor:
    return torch.randn(B, T, I, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def numpy_of(layer: Layer) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    w, u, b = layer.w.weight, layer.u.weight, layer.w.bias
    assert b is not None
    return w.detach().numpy(), u.detach().numpy(), b.detach().numpy()


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
@torch.no_grad()
def test_rnn_equals_its_equations(activation: str) -> None:
    layer, x = layer_of(RNN(activation)), inputs()
    w, u, b = numpy_of(layer)
    g = np.tanh if activation == "tanh" else sigma
    h = np.zeros((B, H))
    for t in range(T):
        h = g(h @ u.T + x[:, t].numpy() @ w.T + b)
        np.testing.assert_allclose(layer(x, None)[0][:, t].numpy(), h, atol=1e-13)


@torch.no_grad()
def test_lstm_equals_its_equations() -> None:
    layer, x = layer_of(LSTM()), inputs()
    w, u, b = numpy_of(layer)
    concatenated = np.concatenate([u, w], axis=1)  # W . [h_{t-1}, x_t]
    wf, wi, wc, wo = np.split(concatenated, 4)
    bf, bi, bc, bo = np.split(b, 4)
    h, c = np.zeros((B, H)), np.zeros((B, H))
    out, state = layer(x, None)
    for t in range(T):
        hx = np.concatenate([h, x[:, t].numpy()], axis=1)
        f = sigma(hx @ wf.T + bf)
        i = sigma(hx @ wi.T + bi)
        new = np.tanh(hx @ wc.T + bc)
        o = sigma(hx @ wo.T + bo)
        c = f * c + i * new
        h = o * np.tanh(c)
        np.testing.assert_allclose(out[:, t].numpy(), h, atol=1e-13)
    np.testing.assert_allclose(state[1].numpy(), c, atol=1e-13)


@torch.no_grad()
def test_gru_equals_its_equations() -> None:
    layer, x = layer_of(GRU()), inputs()
    (wz, wr, w), (uz, ur, u), (bz, br, b) = (np.split(a, 3) for a in numpy_of(layer))
    h = np.zeros((B, H))
    out, _ = layer(x, None)
    for t in range(T):
        xt = x[:, t].numpy()
        z = sigma(xt @ wz.T + h @ uz.T + bz)
        r = sigma(xt @ wr.T + h @ ur.T + br)
        candidate = np.tanh(xt @ w.T + (r * h) @ u.T + b)
        h = (1 - z) * h + z * candidate
        np.testing.assert_allclose(out[:, t].numpy(), h, atol=1e-13)


@torch.no_grad()
def test_lstm_equals_torch() -> None:
    layer, x = layer_of(LSTM()), inputs()
    theirs = nn.LSTM(I, H, batch_first=True).double()
    order = [1, 0, 2, 3]  # ours f i c o, theirs i f g o
    assert layer.w.bias is not None
    for name, ours in (("weight_ih", layer.w.weight), ("weight_hh", layer.u.weight)):
        rows = ours.chunk(4)
        getattr(theirs, f"{name}_l0").copy_(torch.cat([rows[k] for k in order]))
    rows = layer.w.bias.chunk(4)
    theirs.bias_ih_l0.copy_(torch.cat([rows[k] for k in order]))
    theirs.bias_hh_l0.zero_()
    torch.testing.assert_close(layer(x, None)[0], theirs(x)[0], rtol=0, atol=1e-12)


@torch.no_grad()
def test_gru_after_equals_torch() -> None:
    layer, x = layer_of(GRU(reset="after")), inputs()
    theirs = nn.GRU(I, H, batch_first=True).double()

    def mapped(ours: torch.Tensor) -> torch.Tensor:
        z, r, n = ours.chunk(3)  # ours z r n, theirs r z n with z -> 1 - z
        return torch.cat([r, -z, n])

    theirs.weight_ih_l0.copy_(mapped(layer.w.weight))
    theirs.weight_hh_l0.copy_(mapped(layer.u.weight))
    assert layer.w.bias is not None
    assert layer.u.bias is not None
    theirs.bias_ih_l0.copy_(mapped(layer.w.bias))
    theirs.bias_hh_l0.copy_(mapped(layer.u.bias))
    torch.testing.assert_close(layer(x, None)[0], theirs(x)[0], rtol=0, atol=1e-12)


@torch.no_grad()
def test_rnn_equals_torch() -> None:
    layer, x = layer_of(RNN()), inputs()
    theirs = nn.RNN(I, H, batch_first=True).double()
    theirs.weight_ih_l0.copy_(layer.w.weight)
    theirs.weight_hh_l0.copy_(layer.u.weight)
    assert layer.w.bias is not None
    theirs.bias_ih_l0.copy_(layer.w.bias)
    theirs.bias_hh_l0.zero_()
    torch.testing.assert_close(layer(x, None)[0], theirs(x)[0], rtol=0, atol=1e-12)


@torch.no_grad()
def test_reset_before_and_after_differ() -> None:
    before, after = layer_of(GRU()), layer_of(GRU(reset="after"))
    after.w.load_state_dict(before.w.state_dict())
    after.u.weight.copy_(before.u.weight)
    assert after.u.bias is not None
    after.u.bias.zero_()
    assert (before(inputs(), None)[0] - after(inputs(), None)[0]).abs().max() > 1e-2
