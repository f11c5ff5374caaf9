"""Variable projection: derivatives are the functional's, steps lead down, known solutions found."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from sirve.cores import GRU, LSTM, RNN, Cell, Recurrent
from sirve.varpro.problem import Windows, layer_of
from sirve.varpro.separable import LevenbergMarquardt, solve

CELLS = [RNN(), RNN("sigmoid"), LSTM(), GRU(), GRU("after")]


class Exponentials:
    """y_o(t) = sum over k of V_ok exp(-theta_k t)."""

    def __init__(self, theta: Tensor, table: Tensor) -> None:
        self.t = torch.linspace(0, 4, 60, dtype=torch.float64)[:, None]
        self.targets = self.columns(theta) @ table.T

    def columns(self, theta: Tensor) -> Tensor:
        return torch.exp(-self.t * theta)

    def jacobians(self, theta: Tensor, table: Tensor) -> Iterator[Tensor]:
        for v in table:
            yield -self.t * self.columns(theta) * v


def test_finds_a_sum_of_exponentials() -> None:
    """The classical separable problem, of Golub and Pereyra: both parts to 8 digits."""
    theta = torch.tensor([0.3, 1.0, 4.0], dtype=torch.float64)
    table = torch.tensor([[1.0, -2.0, 3.0], [0.5, 1.0, -1.0]], dtype=torch.float64)
    problem = Exponentials(theta, table)
    found, method = torch.tensor([0.2, 1.5, 5.0], dtype=torch.float64), LevenbergMarquardt()
    for _ in range(60):
        found, _ = method.step(problem, found)
    torch.testing.assert_close(found, theta, rtol=0, atol=1e-8)
    solved = solve(problem.columns(found), problem.targets, method.ridge)
    torch.testing.assert_close(solved, table, rtol=0, atol=1e-8)


def problem(cell: Cell, moving: str = "all", reach: int = 10) -> tuple[Windows, Tensor]:
    """Of smooth waves, so small that its derivatives can be had by differences."""
    torch.manual_seed(1)
    core = Recurrent((2,), cell, hidden=3).double()
    core.scale.copy_(torch.tensor([0.5, 2.0]))
    layer = layer_of(core)
    parameters = list((layer.w if moving == "inputs" else layer).parameters())
    t = torch.arange(11, dtype=torch.float64) / 3 + torch.arange(12)[:, None]
    x = torch.stack([torch.sin(t), torch.cos(1.3 * t) * torch.sin(t)], dim=2)
    theta = torch.cat([p.detach().flatten() for p in parameters])
    return Windows(core, x, parameters, washout=9, reach=reach), theta


@pytest.mark.parametrize("moving", ["all", "inputs"])
@pytest.mark.parametrize("cell", CELLS, ids=repr)
def test_jacobian_is_that_of_the_columns(cell: Cell, moving: str) -> None:
    windows, theta = problem(cell, moving)
    table = torch.randn(2, 3 + 2 + 1, dtype=torch.float64)
    found = torch.stack(list(windows.jacobians(theta, table)))
    for move in directions(len(theta)):
        slope = (windows.columns(theta + move) - windows.columns(theta - move)) @ table.T / 2
        torch.testing.assert_close(found @ move, slope.T, rtol=1e-6, atol=1e-11)


def directions(size: int) -> Tensor:
    """Three small moves, for central differences."""
    return 1e-5 * torch.randn(3, size, dtype=torch.float64)


@pytest.mark.parametrize("cell", CELLS, ids=repr)
def test_gradient_is_that_of_the_projected_functional(cell: Cell) -> None:
    """J' r is half the gradient of min over V of || r ||^2, the readout solved anew each time."""
    windows, theta = problem(cell)
    method = LevenbergMarquardt()
    _, slope, _ = method.normal(windows, theta)

    def functional(at: Tensor) -> Tensor:
        columns = windows.columns(at)
        table = solve(columns, windows.targets, method.ridge)
        return (columns @ table.T - windows.targets).square().sum()

    for move in directions(len(theta)):
        difference = functional(theta + move) - functional(theta - move)
        torch.testing.assert_close(4 * slope @ move, difference, rtol=1e-5, atol=1e-12)


def test_soap_follows_the_same_gradient() -> None:
    """Not going through the solve costs nothing: V is at its best."""
    windows, theta = problem(GRU())
    _, slope, before = LevenbergMarquardt().normal(windows, theta)
    columns = windows.rows()
    table = solve(columns.detach(), windows.targets, 1e-26)
    loss = (columns @ table.T - windows.targets).square().sum()
    gradients = torch.autograd.grad(loss, windows.moving)
    torch.testing.assert_close(loss.detach(), before)
    torch.testing.assert_close(torch.cat([g.flatten() for g in gradients]) / 2, slope)


@pytest.mark.parametrize("cell", CELLS, ids=repr)
def test_kaufmans_steps_lead_down(cell: Cell) -> None:
    windows, theta = problem(cell)
    method, losses = LevenbergMarquardt(), []
    for _ in range(8):
        theta, before = method.step(windows, theta)
        losses.append(before)
    assert all(after < before for before, after in pairwise(losses))
    assert losses[-1] < losses[0] / 2


def test_a_shorter_reach_is_a_better_jacobian_than_none_and_a_longer_one_a_better() -> None:
    whole = torch.cat(list(_jacobian(10)))
    errors = [float((torch.cat(list(_jacobian(reach))) - whole).norm()) for reach in (1, 4, 9)]
    assert float(whole.norm()) > errors[0] > errors[1] > errors[2] > 0


def _jacobian(reach: int) -> Iterator[Tensor]:
    windows, theta = problem(GRU(), reach=reach)
    return windows.jacobians(theta, torch.ones(2, 6, dtype=torch.float64))
