"""Variable projection: derivatives are the functional's, steps lead down, known solutions found."""

import copy
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from sirve.cores import GRU, LSTM, RNN, Cell, ConvRecurrent, Core, Linear, Persistence, Recurrent
from sirve.data.states import StatesInMemory
from sirve.data.windows import Windows
from sirve.forecasting.rollout import rollout
from sirve.training.varpro import LM, SOAP, Descent, VarPro
from sirve.training.varpro.problem import Batch, layer_of
from sirve.training.varpro.separable import LevenbergMarquardt, solve

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


def problem(cell: Cell, trainable: str = "all", reach: int = 10) -> tuple[Batch, Tensor]:
    """Of smooth waves, so small that its derivatives can be had by differences."""
    torch.manual_seed(1)
    core = Recurrent((2,), cell, hidden=3).double()
    core.scale.copy_(torch.tensor([0.5, 2.0]))
    layer = layer_of(core)
    parameters = list((layer.w if trainable == "inputs" else layer).parameters())
    t = torch.arange(11, dtype=torch.float64) / 3 + torch.arange(12)[:, None]
    x = torch.stack([torch.sin(t), torch.cos(1.3 * t) * torch.sin(t)], dim=2)
    theta = torch.cat([p.detach().flatten() for p in parameters])
    return Batch(core, x, parameters, washout=9, reach=reach), theta


@pytest.mark.parametrize("trainable", ["all", "inputs"])
@pytest.mark.parametrize("cell", CELLS, ids=repr)
def test_jacobian_is_that_of_the_columns(cell: Cell, trainable: str) -> None:
    windows, theta = problem(cell, trainable)
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
    gradients = torch.autograd.grad(loss, windows.trainable)
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


PLANS = [
    LM(
        trainable="all",
        updates=6,
        batch=120,
        washout=5,
        scored=3,
        validations=2,
        readout_size=4,
        reach=3,
    ),
    SOAP(
        updates=6, batch=24, washout=5, scored=3, validations=2, readout_size=4, lr=0.03, warmup=2
    ),
]


def descent(plan: VarPro, seed: int = 0) -> Descent:
    """Of a GRU of four units on waves."""
    t = torch.arange(40, dtype=torch.float64) / 3 + torch.arange(6)[:, None]
    x = torch.stack([torch.sin(t), torch.cos(1.3 * t) * torch.sin(t)], dim=2)
    windows = Windows(StatesInMemory(x), plan.length, plan.batch, seed)
    core = Recurrent((2,), GRU(), hidden=4)

    @torch.no_grad()
    def score() -> float:
        y, _ = rollout(core, x[:, :10], 20)
        return float((y[:, -20:] - x[:, 10:30]).square().mean().log10())

    return Descent(plan, core, windows.__getitem__, x[: plan.readout_size], score, seed, skip=8)


def weights(of: Descent) -> list[Tensor]:
    return [p.detach().clone() for p in of.core.parameters()]


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: type(plan).__name__)
def test_learns_and_keeps_the_best(plan: VarPro) -> None:
    found = descent(replace(plan, updates=30, validations=10))
    rows = []
    while not found.done:
        rows.append(found.advance())
    found.finish()
    losses = [row["train/loss"] for row in rows]
    assert sum(losses[-10:]) < 0.7 * sum(losses[:3]) * 10 / 3
    scores = [row["valid/log_error"] for row in rows if "valid/log_error" in row]
    assert len(scores) == 10
    assert found.best == min(scores)
    kept = torch.cat([w.detach().flatten() for w in found.weights])
    torch.testing.assert_close(kept, found.kept, rtol=0, atol=0)


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: type(plan).__name__)
def test_same_seed_same_bits_and_interrupted_too(plan: VarPro) -> None:
    whole, again = descent(plan), descent(plan)
    first = [whole.advance() for _ in range(6)]
    for _ in range(4):
        again.advance()
    middle, state = copy.deepcopy((again.core.state_dict(), again.state_dict()))
    resumed = descent(plan, seed=0)
    resumed.core.load_state_dict(middle)
    resumed.load_state_dict(state)
    assert [resumed.advance() for _ in range(2)] == first[4:]
    assert all(map(torch.equal, weights(whole), weights(resumed)))
    assert torch.equal(whole.kept, resumed.kept)
    other = descent(plan, seed=1)
    other.advance()
    assert not torch.equal(other.kept, whole.kept)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (dict(trainable="some"), "trainable"),
        (dict(updates=0), "updates"),
        (dict(reach=40), "reach"),
        (dict(ridge=-1.0), "ridge"),
        (dict(validations=1000), "validations"),
        (dict(damping=0.0), "damping"),
    ],
)
def test_refuses_wrong_plans(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        LM(**wrong)


@pytest.mark.parametrize(
    "core",
    [
        Linear((3,)),
        Persistence((3,)),
        Recurrent((3,), GRU(), hidden=4, layers=2),
        ConvRecurrent((1, 5, 5), GRU(), "neumann", hidden=2),
    ],
    ids=lambda core: type(core).__name__,
)
def test_refuses_what_has_no_one_layer_of_matrices(core: Core) -> None:
    with pytest.raises(ValueError, match="one recurrent layer"):
        LM().weights(core)


def test_refuses_too_many_weights_for_a_matrix_of_their_square() -> None:
    plan = LM(trainable="all")
    with pytest.raises(ValueError, match="13056 weights"):
        plan.mover(plan.weights(Recurrent((3,), GRU(), hidden=64)))
