"""Exponents of cores whose exponents are known."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from sirve.cores import GRU, LSTM, ConvRecurrent, Core, Linear, Recurrent
from sirve.evaluation.inside.exponents import exponents


class Henon(Core):
    """(a, b) -> (1 - 1.4 a^2 + b, 0.3 a). M. Hénon, Commun. Math. Phys. 50 (1976)."""

    def __init__(self) -> None:
        super().__init__((2,))
        self.readout = nn.Identity()

    def features(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        return x, state

    def forward(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        a, b = x.unbind(-1)
        return torch.stack([1 - 1.4 * a**2 + b, 0.3 * a], dim=-1), None


def test_the_henon_map_has_its_published_exponents() -> None:
    start = 0.1 * torch.rand(256, 1, 2, generator=torch.Generator().manual_seed(0))
    found = exponents(Henon(), start, dt=1.0, count=9, steps=600, turning=100)
    assert found is not None
    assert found.orbits == 256
    first, second = found.value[-1].tolist()
    # J. C. Sprott, Chaos and Time-Series Analysis (2003), appendix A.2.1
    assert first == pytest.approx(0.419, abs=0.003)
    assert second == pytest.approx(-1.623, abs=0.003)
    assert first + second == pytest.approx(torch.log(torch.tensor(0.3)).item(), abs=1e-6)
    assert abs(first - 0.41922) < 1.5 * found.error[-1, 0] < 0.005


def test_a_linear_core_has_the_logarithms_of_its_eigenvalues() -> None:
    core = Linear((4,)).double()
    values = torch.tensor([0.99, 0.9, -0.5, 0.1], dtype=torch.float64)
    basis = torch.randn(4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    a = basis @ torch.diag(values) @ torch.linalg.inv(basis)
    with torch.no_grad():
        core.readout.weight.copy_(a - torch.eye(4))
    found = exponents(core, torch.randn(3, 2, 4), dt=0.1, count=4, steps=50, turning=200)
    assert found is not None
    torch.testing.assert_close(found.value[-1], values.abs().log() / 0.1, rtol=1e-6, atol=0)
    assert (found.error < 1e-6).all()
    assert found.time[-1].item() == pytest.approx(5.0)


def core_of(name: str) -> tuple[Core, Tensor]:
    torch.manual_seed(0)
    core: Core
    if name == "conv":
        core = ConvRecurrent((1, 6), GRU(), boundary="periodic", hidden=2, covariates=1)
        context = torch.randn(4, 3, 2, 6)
    else:
        core = Recurrent((2,), LSTM(), hidden=3, layers=2, covariates=1)
        context = torch.randn(4, 3, 3)
    for parameter in core.parameters():
        nn.init.normal_(parameter, std=0.4)
    return core.double(), context.double()


@pytest.mark.parametrize("name", ["conv", "lstm"])
def test_all_exponents_add_up_to_the_logarithm_of_the_determinant(name: str) -> None:
    """Of the Jacobian by autograd, of every exponent that x and memory have together."""
    core, context = core_of(name)
    core.scale.fill_(0.1)
    sizes = {"conv": 6 + 12, "lstm": 2 + 2 * 2 * 3}
    steps = 6
    found = exponents(core, context, 1.0, count=99, steps=steps, turning=0, every=1)
    assert found is not None
    assert found.value.shape == (steps, sizes[name])
    y, state = core(context)
    own, total = core.shape[0], torch.zeros(len(context), dtype=torch.float64)
    given = y[:, -1:, own:]
    parts, form = pytree.tree_flatten((y[:, -1:, :own], state))
    for _ in range(steps):
        for i in range(len(context)):
            step = partial(one_step, core, form, given[i : i + 1])
            single = tuple(part[i : i + 1].detach() for part in parts)
            blocks = torch.autograd.functional.jacobian(step, single)
            rows = [torch.cat([b.flatten(p.ndim).reshape(p.numel(), -1) for b in row], dim=1)
                    for row, p in zip(blocks, single, strict=True)]  # fmt: skip
            total[i] += torch.linalg.slogdet(torch.cat(rows)).logabsdet
        parts = one_step(core, form, given, *parts)
    expected = total.mean().detach() / steps
    torch.testing.assert_close(found.value[-1].sum(), expected, rtol=1e-8, atol=0)


def one_step(core: Core, form: Any, given: Tensor, *parts: Tensor) -> tuple[Tensor, ...]:
    x, state = pytree.tree_unflatten(list(parts), form)
    y, state = core(torch.cat([x, given], dim=2), state)
    return tuple(pytree.tree_leaves((core.predicted(y), state)))


def test_orbits_that_leave_the_data_are_left_out_and_counted() -> None:
    core = Linear((1,)).double()
    with torch.no_grad():
        core.readout.weight.fill_(0.1)  # x -> 1.1 x
    start = torch.tensor([1e-9, 2e-9, 3e-9, 5.0]).reshape(4, 1, 1)
    found = exponents(core, start, dt=1.0, steps=50, turning=0)
    assert found is not None
    assert (found.orbits, found.escaped) == (3, 1)
    assert found.value[-1, 0].item() == pytest.approx(torch.log(torch.tensor(1.1)).item())
    assert exponents(core, start[-2:] * 1e9, dt=1.0, steps=50, turning=0) is None
