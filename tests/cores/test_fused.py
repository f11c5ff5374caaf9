"""Fused layers give the values, states and gradients of the plain loop."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import forward_ad

from sirve.cores import GRU, LSTM, RNN, Cell, ConvRecurrent, Core, Recurrent
from sirve.cores.fast import fused
from sirve.cores.recurrent import Layer

CELLS = {"gru": GRU(), "lstm": LSTM()}
MISSING = pytest.mark.skipif(not find_spec("numba"), reason='numba is missing: ".[fast]" has it')
B, T, C = 3, 9, 2


def make(cell: Cell, layers: int = 1, dtype: torch.dtype = torch.float64) -> Core:
    torch.manual_seed(0)
    core = Recurrent((C,), cell, hidden=5, layers=layers)
    for parameter in core.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    return core.to(dtype)


def inputs(dtype: torch.dtype = torch.float64, length: int = T) -> Tensor:
    return torch.randn(B, length, C, generator=torch.Generator().manual_seed(1)).to(dtype)


@pytest.fixture(params=["torch", pytest.param("compiled", marks=MISSING)])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused, "COMPILED", request.param == "compiled")


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], Any]:
    """Return a function that calls another one with nothing fused."""

    def call(function: Callable[[], Any]) -> Any:
        with monkeypatch.context() as patch:
            patch.setattr(fused, "covers", lambda *_: False)
            return function()

    return call


def covered(core: Core, x: Tensor) -> bool:
    layer = core.layers[0]
    assert isinstance(layer, Layer)
    return fused.covers(layer.cell, layer.w, layer.u, x)


def everything(core: Core, x: Tensor, split: int) -> list[Tensor]:
    """Return values, the state after and all gradients of a sequence in two pieces."""
    x = x.clone().requires_grad_()
    first, state = core(x[:, :split])
    second, state = core(x[:, split:], state)
    y = torch.cat([first, second], 1)
    after = [part for layer in state for part in layer]
    weight = torch.linspace(-1, 2, y.numel(), dtype=y.dtype).reshape(y.shape)
    loss = (weight * y).sum() + sum((part**2).sum() for part in after)
    gradients = torch.autograd.grad(loss, [x, *core.parameters()])
    return [y, *after, *gradients]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_fused_equals_the_plain_loop(
    way: None, cell: str, layers: int, dtype: torch.dtype, plain: Any
) -> None:
    core, x = make(CELLS[cell], layers, dtype), inputs(dtype)
    assert covered(core, x)
    atol = 1e-12 if dtype == torch.float64 else 2e-5
    found = everything(core, x, 5)
    expected = plain(lambda: everything(core, x, 5))
    torch.testing.assert_close(found, expected, rtol=atol, atol=atol)


def test_more_rows_than_a_block(way: None, plain: Any) -> None:
    core = make(GRU())
    x = torch.randn(70, 5, C, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    expected = plain(lambda: everything(core, x, 4))
    torch.testing.assert_close(everything(core, x, 4), expected, rtol=1e-11, atol=1e-11)


def test_gradients_of_the_gru_by_finite_differences(way: None) -> None:
    torch.manual_seed(0)
    shapes = ((T, B, C), (B, 4), (12, C), (12, 4), (12,))
    arguments = [torch.randn(s, dtype=torch.float64, requires_grad=True) for s in shapes]
    assert torch.autograd.gradcheck(fused._Gru.apply, arguments)
    few = [arguments[0][:3].detach().requires_grad_(), *arguments[1:]]
    assert torch.autograd.gradgradcheck(fused._Gru.apply, few)


@pytest.mark.parametrize("cell", CELLS)
def test_numbers_are_the_same_without_gradients(way: None, cell: str) -> None:
    core, x = make(CELLS[cell]), inputs()
    y = core(x)[0].detach()
    with torch.inference_mode():
        assert torch.equal(core(x)[0], y)


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")  # raised by torch in jvp
@pytest.mark.parametrize("cell", CELLS)
def test_transforms_use_the_plain_loop(cell: str, plain: Any) -> None:
    core, x = make(CELLS[cell]), inputs()
    _, state = core(x)
    tangent = torch.ones_like(x)

    def jvp() -> Any:
        function = lambda x, s: core(x, s)[0]  # noqa: E731
        zero = [tuple(torch.ones_like(part) for part in state[0])]
        return torch.func.jvp(function, (x, list(state)), (tangent, zero))

    def jacobian() -> Any:
        return torch.func.jacrev(lambda x: core(x)[0][:, -1])(x)

    def batched() -> Any:
        return torch.func.vmap(lambda x: core(x[None])[0])(x)

    def dual() -> Any:
        with forward_ad.dual_level():
            return forward_ad.unpack_dual(core(forward_ad.make_dual(x, tangent))[0]).tangent

    for function in (jvp, jacobian, batched, dual):
        torch.testing.assert_close(function(), plain(function), rtol=1e-12, atol=1e-12)


def test_batched_gradients_of_the_gru(way: None, plain: Any) -> None:
    core, x = make(GRU()), inputs().requires_grad_()

    def jacobian() -> Tensor:
        y = core(x)[0][0, -1]
        return torch.autograd.grad(y, x, torch.eye(C, dtype=y.dtype), is_grads_batched=True)[0]

    def mapped() -> Tensor:
        y = core(x)[0][0, -1]
        gradient = lambda v: torch.autograd.grad(y, x, v, retain_graph=True)[0]  # noqa: E731
        return torch.func.vmap(gradient)(torch.eye(C, dtype=y.dtype))

    for function in (jacobian, mapped):
        torch.testing.assert_close(function(), plain(function), rtol=1e-12, atol=1e-12)


def test_other_cells_keep_the_plain_loop() -> None:
    class Other(GRU):
        """A cell with other equations."""

    x = inputs()
    for cell in (RNN(), GRU(reset="after"), Other()):
        assert not covered(make(cell), x)
    assert not covered(ConvRecurrent((C, 8), GRU(), "periodic"), torch.zeros(1, 9, C, 8))
    with torch.autocast("cpu", torch.bfloat16):
        assert not covered(make(GRU()), x)
