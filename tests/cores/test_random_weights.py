"""Cores with random weights: the equations, and what the weights depend on."""

import numpy as np
import pytest
import torch

from sirve.cores import GRU, LSTM, EchoState, RandomFeatures, Recurrent
from sirve.forecasting.rollout import rollout


def normal(*shape: int) -> torch.Tensor:
    return torch.as_tensor(np.random.default_rng(0).normal(size=shape))


@pytest.mark.parametrize("squares", [False, True])
@torch.no_grad()
def test_echo_state_equals_a_literal_transcription(squares: bool) -> None:
    core = EchoState((2,), hidden=7, connectivity=3, squares=squares).double()
    core.init_weights(0, input_scaling=0.5, spectral_radius=0.8, bias=0.4, leak=0.3)
    x = normal(3, 6, 2)
    w, u, b = core.w.numpy(), core.u.numpy(), core.b.numpy()
    h = np.zeros((3, 7))
    expected = []
    for x_t in x.numpy().swapaxes(0, 1):
        h = 0.7 * h + 0.3 * np.tanh(x_t @ w.T + h @ u.T + b)
        expected.append(np.concatenate([h, h**2, x_t] if squares else [h, x_t], axis=1))
    found, state = core.features(x)
    np.testing.assert_allclose(found.numpy(), np.stack(expected, axis=1), atol=1e-14)
    np.testing.assert_allclose(state.numpy(), h, atol=1e-14)


@pytest.mark.parametrize("connectivity", [None, 10])
def test_echo_state_has_its_spectral_radius_and_connectivity(connectivity: int | None) -> None:
    core = EchoState((3,), hidden=100, connectivity=connectivity).double()
    core.init_weights(3, spectral_radius=0.7)
    eigenvalues = np.linalg.eigvals(core.u.numpy())
    assert np.abs(eigenvalues).max() == pytest.approx(0.7)
    filled = float((core.u != 0).double().sum(dim=1).mean())
    assert filled == 100 if connectivity is None else 8 < filled < 12


def test_a_matrix_of_zero_eigenvalues_stays_finite() -> None:
    core = EchoState((1,), hidden=1, connectivity=1).double()
    core.init_weights(0, spectral_radius=0.0)
    assert torch.isfinite(core.u).all()


@torch.no_grad()
def test_an_echo_state_forgets_its_first_state() -> None:
    core = EchoState((2,), hidden=50)
    core.double().init_weights(0, spectral_radius=0.5, input_scaling=0.3)
    x = normal(2, 80, 2)
    blank, _ = core.features(x)
    other, _ = core.features(x, torch.ones(2, 50, dtype=torch.float64))
    assert float((blank - other)[:, 0].abs().max()) > 0.1
    assert float((blank - other)[:, -1].abs().max()) < 1e-12


@pytest.mark.parametrize("make", [EchoState, RandomFeatures])
def test_weights_depend_on_setting_and_seed_only(make: type[EchoState | RandomFeatures]) -> None:
    def weights(seed: int, input_scaling: float) -> torch.Tensor:
        core = make((2,), hidden=9).double()
        core.init_weights(seed, input_scaling=input_scaling)
        return core.features(normal(1, 4, 2))[0]

    assert torch.equal(weights(0, 0.1), weights(0, 0.1))
    assert not torch.equal(weights(0, 0.1), weights(1, 0.1))
    assert not torch.equal(weights(0, 0.1), weights(0, 0.2))
    for setting in make.search_grid:
        with pytest.raises(ValueError, match=f"{setting}=-1"):
            make((2,), hidden=9).init_weights(0, **{setting: -1})


@torch.no_grad()
def test_a_gru_with_constant_gates_equals_leaky_units() -> None:
    core = Recurrent((2,), GRU(), hidden=6, squares=True).double()
    core.init_weights(
        0, input_scaling=0.5, spectral_radius=0.8, bias=0.0, time_scale=[4.0, 4.0], gates=0.0
    )
    layer = core.layers[0]
    w, u = layer.w.weight[12:].numpy(), layer.u.weight[12:].numpy()
    assert np.abs(w).min() > 0
    x, h = normal(3, 6, 2), np.zeros((3, 6))
    for x_t in x.numpy().swapaxes(0, 1):
        h = 0.75 * h + 0.25 * np.tanh(x_t @ w.T + (0.5 * h) @ u.T)  # r = sigma(0)
    phi, _ = core.features(x)
    np.testing.assert_allclose(phi[:, -1, :6].numpy(), h, atol=1e-14)
    np.testing.assert_allclose(phi[:, -1, 6:12].numpy(), h**2, atol=1e-14)
    assert torch.equal(phi[:, :, 12:], x)


@pytest.mark.parametrize("cell", [GRU(), LSTM()])
@torch.no_grad()
def test_squares_are_read_in_a_rollout_too(cell: GRU | LSTM) -> None:
    core = Recurrent((2,), cell, hidden=5, squares=True).double()
    for parameter in core.parameters():
        torch.nn.init.normal_(parameter)
    core.scale.fill_(0.1)
    x = normal(3, 4, 2)
    y, state = core(x)
    for _ in range(3):
        last, state = core(y[:, -1:], state)
        y = torch.cat([y, last], dim=1)
    torch.testing.assert_close(rollout(core, x, 4)[0], y, rtol=0, atol=1e-12)


@pytest.mark.parametrize("cell", [GRU(), LSTM()])
@torch.no_grad()
def test_only_the_weights_of_gates_are_scaled(cell: GRU | LSTM) -> None:
    core = Recurrent((2,), cell, hidden=5)
    core.init_weights(0)
    whole = [lift.weight.unflatten(0, (-1, 5)).clone() for lift in core.layers[0].children()]
    core.init_weights(0, gates=0.25)
    half = [lift.weight.unflatten(0, (-1, 5)) for lift in core.layers[0].children()]
    for before, after in zip(whole, half, strict=True):
        for k in range(cell.gates):
            factor = 1.0 if k == 2 else 0.25
            torch.testing.assert_close(after[k], factor * before[k], rtol=0, atol=0)
