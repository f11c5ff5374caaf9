"""Rollouts by buffers and by compiled kernels equal the plain loop to rounding."""

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sirve.cores import GRU, LSTM, RNN, Cell, Core, Recurrent
from sirve.cores.fast import fused, rolling
from sirve.forecasting.rollout import pieces, rollout

CELLS = {"gru": GRU(), "lstm": LSTM(), "rnn": RNN(), "sigmoid": RNN("sigmoid")}
MISSING = pytest.mark.skipif(not find_spec("numba"), reason='numba is missing: ".[fast]" has it')
C = 3


@pytest.fixture(params=["buffers", pytest.param("compiled", marks=MISSING)])
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(fused, "COMPILED", request.param == "compiled")
    with torch.inference_mode():
        yield request.param


def make(cell: Cell, dtype: torch.dtype = torch.float64, **options: Any) -> Core:
    """Make a core whose rollouts stay bounded."""
    torch.manual_seed(0)
    core = Recurrent((C,), cell, hidden=7, **options)
    for parameter in core.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    core.scale.copy_(torch.tensor([0.1, 0.2, 0.3]))
    core.readout.weight[:, 7 : 7 + C] = -torch.eye(C)  # pulls the state back
    return core.to(dtype)


def context(batch: int, covariates: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, 6, C + covariates, generator=generator, dtype=torch.float64).to(dtype)


def compare(core: Core, batch: int, steps: int, atol: float) -> None:
    covariates = core.covariates
    y, state = core(context(batch, covariates, core.scale.dtype))
    expected, expected_state = Core.roll(core, y[:, -1:], state, steps)
    found, found_state = core.roll(y[:, -1:], state, steps)
    assert expected.abs().max() < 10
    assert expected[:, -1].std() > 1e-3
    torch.testing.assert_close(found, expected, rtol=0, atol=atol)
    torch.testing.assert_close(found_state, expected_state, rtol=0, atol=atol)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_fifty_steps_equal_the_plain_loop(path: str, cell: str, layers: int) -> None:
    compare(make(CELLS[cell], layers=layers), 3, 50, 1e-10)


@pytest.mark.parametrize("cell", CELLS)
def test_in_single_precision(path: str, cell: str) -> None:
    compare(make(CELLS[cell], torch.float32), 5, 20, 2e-5)


@pytest.mark.parametrize("batch", [1, 4, 70])
def test_any_batch(path: str, batch: int) -> None:
    compare(make(GRU()), batch, 20, 1e-11)


@pytest.mark.parametrize("cell", CELLS)
def test_without_residual_and_with_covariates(path: str, cell: str) -> None:
    core = make(CELLS[cell], residual=False, covariates=2)
    core.readout.bias.normal_()
    compare(core, 3, 20, 1e-11)


def test_a_frame_is_read_as_one_vector(path: str, caplog: pytest.LogCaptureFixture) -> None:
    core = Recurrent((1, 2, 2), LSTM(), hidden=5).double()
    for parameter in core.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    x = torch.randn(3, 4, 1, 2, 2, dtype=torch.float64)
    y, state = core(x)
    expected, _ = Core.roll(core, y[:, -1:], state, 10)
    torch.testing.assert_close(core.roll(y[:, -1:], state, 10)[0], expected, rtol=0, atol=1e-12)


def test_arguments_are_not_changed(path: str) -> None:
    core, x = make(LSTM()), context(3)
    before = [parameter.clone() for parameter in core.parameters()]
    y, state = core(x)
    kept = [(y.clone(), *(part.clone() for part in state[0]))]
    core.roll(y[:, -1:], state, 10)
    assert all(map(torch.equal, kept[0], (y, *state[0])))
    assert all(map(torch.equal, before, core.parameters()))


@pytest.mark.parametrize("cell", CELLS)
def test_gradients_use_the_plain_loop(cell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Training unrolls with the same function and has the gradient of the plain loop."""
    monkeypatch.setattr(rolling, "roll", None)  # would fail if it were called
    with torch.no_grad():
        core = make(CELLS[cell])
    y, _ = rollout(core, context(3), 4)
    y.sum().backward()
    assert all(parameter.grad is not None for parameter in core.parameters())


@torch.inference_mode()
def test_overrides_and_hooks_use_the_plain_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    class Doubled(Recurrent):
        """A core with other features."""

        def features(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
            phi, state = super().features(x, state)
            return 2 * phi, state

    monkeypatch.setattr(rolling, "roll", None)
    calls: list[int] = []
    hooked = make(GRU())
    hooked.layers[0].register_forward_hook(lambda *_: calls.append(1))
    rollout(hooked, context(2), 5)
    assert len(calls) == 5
    rollout(Doubled((C,), GRU(), hidden=7).double(), context(2), 5)
    rollout(make(GRU(reset="after")), context(2), 5)
    with torch.autocast("cpu", torch.bfloat16):
        rollout(make(GRU(), torch.float32), context(2, dtype=torch.float32), 5)


@pytest.mark.parametrize("steps", [1, 2, 9])
def test_pieces_equal_a_whole_rollout(path: str, steps: int) -> None:
    core, x = make(GRU()), context(3)
    found = list(pieces(core, x, steps, length=4))
    assert [y.shape[1] for y in found] == {1: [1], 2: [1, 1], 9: [1, 4, 4]}[steps]
    expected = rollout(core, x, steps)[0][:, -steps:]
    torch.testing.assert_close(torch.cat(found, 1), expected, rtol=0, atol=1e-12)


@MISSING
@pytest.mark.parametrize(("dtype", "ulps"), [(np.float32, 4), (np.float64, 3)])
def test_compiled_tanh_and_sigmoid(dtype: type, ulps: float) -> None:
    from sirve.cores.fast import compiled

    x = np.concatenate([np.linspace(-30, 30, 60001), np.logspace(-30, 0, 301)]).astype(dtype)
    found, wide = x[None].copy(), x.astype(np.float64)
    compiled.tanh(found, 0, len(x))
    epsilon = np.finfo(dtype).eps
    np.testing.assert_allclose(found[0], np.tanh(wide), rtol=ulps * epsilon)
    found = x[None].copy()
    compiled.sigmoid(found, 0, len(x))
    np.testing.assert_allclose(found[0], 1 / (1 + np.exp(-wide)), rtol=0, atol=ulps * epsilon)
    edges = np.array([[0.0, np.inf, -np.inf, np.nan]], dtype)
    compiled.tanh(edges, 0, 4)
    np.testing.assert_allclose(edges, [[0, 1, -1, np.nan]], rtol=ulps * epsilon)


@MISSING
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rows", [1, 3, 4, 9])
def test_compiled_product(dtype: type, rows: int) -> None:
    from sirve.cores.fast import compiled

    rng = np.random.default_rng(0)
    for depth, columns in ((1, 1), (5, 32), (8, 75)):
        a = rng.normal(size=(rows, depth)).astype(dtype)
        w = np.zeros((depth, compiled.width(columns, np.dtype(dtype))), dtype)
        w[:, :columns] = rng.normal(size=(depth, columns))
        out = np.full((rows, w.shape[1]), np.nan, dtype)
        compiled.product(a, w, out)
        np.testing.assert_allclose(out, a @ w, atol=20 * np.finfo(dtype).eps)
