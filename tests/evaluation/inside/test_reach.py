"""The reach of the gradient and the traces, compared with closed forms and the core itself."""

from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from sirve.cores import GRU, LSTM, RNN, Cell, ConvRecurrent, Linear, Recurrent
from sirve.cores.cells import Recur, State
from sirve.evaluation.inside.drift import rollout_with_resets
from sirve.evaluation.inside.gates import gate_paths
from sirve.evaluation.inside.reach import falls_below, reach
from sirve.evaluation.inside.traces import traced
from sirve.forecasting.rollout import rollout

CELLS = [RNN(), LSTM(), GRU(), GRU(reset="after")]
HIDDEN = 6


@dataclass(frozen=True)
class Straight(Cell):
    """h_t = W x_t + b + U h_{t-1}: a network without an activation function."""

    gates: ClassVar = 1

    def step(self, wx: Tensor, state: State, u: Recur) -> State:
        return (wx + u(state[0], 0, 1),)


def vector_core(cell: Cell, layers: int = 1) -> Recurrent:
    torch.manual_seed(0)
    return randomised(Recurrent((3,), cell, hidden=HIDDEN, layers=layers))


def conv_core(cell: Cell) -> ConvRecurrent:
    torch.manual_seed(0)
    return randomised(ConvRecurrent((2, 5, 4), cell, boundary="neumann", hidden=3))


def randomised(core: Recurrent | ConvRecurrent) -> Recurrent | ConvRecurrent:
    with torch.no_grad():
        for parameter in core.double().parameters():
            parameter.copy_(0.5 * torch.randn_like(parameter))
    return core


def states(core: Recurrent | ConvRecurrent, length: int = 12, batch: int = 4) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, length, *core.shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("radius", [0.5, 0.9, 1.0, 1.1])
def test_a_linear_network_of_known_radius_forgets_at_that_rate(radius: float) -> None:
    core = vector_core(Straight())
    orthogonal = torch.linalg.qr(torch.randn(HIDDEN, HIDDEN, dtype=torch.float64)).Q
    with torch.no_grad():
        core.layers[0].u.weight.copy_(radius * orthogonal)
    norms = reach(core, states(core, 41))["h"]
    expected = radius ** torch.arange(40, dtype=torch.float64)
    torch.testing.assert_close(norms, expected.expand(4, -1), rtol=1e-10, atol=0)
    lag = falls_below(norms, 1e-2)
    assert lag == {0.5: 7, 0.9: 44}.get(radius) or radius >= 0.9


def test_an_open_forget_gate_keeps_the_gradient_of_the_conveyor_belt() -> None:
    core = vector_core(LSTM())
    layer = core.layers[0]
    with torch.no_grad():
        layer.u.weight.zero_()
        layer.w.weight[:HIDDEN] = 0
        layer.w.bias[:HIDDEN] = 100.0  # f = 1
    norms = reach(core, states(core, 31))
    torch.testing.assert_close(norms["C"], torch.ones(4, 30, dtype=torch.float64))
    assert (norms["h"][:, 1:] == 0).all()  # without U, only the belt reaches back
    assert falls_below(norms["C"], 1 / torch.e) is None
    with torch.no_grad():
        layer.w.bias[:HIDDEN] = 0.0  # f = 1/2
    halved = 0.5 ** torch.arange(30, dtype=torch.float64)
    torch.testing.assert_close(reach(core, states(core, 31))["C"], halved.expand(4, -1))


@pytest.mark.parametrize("cell", CELLS, ids=str)
@pytest.mark.parametrize("make", [vector_core, conv_core])
@torch.no_grad()
def test_the_norm_is_that_of_central_differences(make: Any, cell: Cell) -> None:
    core, nudge = make(cell), 1e-6
    x = states(core, 8, batch=1)

    def slope(lag: int) -> Tensor:
        """Norm of dL_T / dh at T - lag, by nudging each number of h there."""
        (state,) = core(x[:, : 7 - lag])[1]
        h, n = state[0], state[0].numel()
        moves = nudge * torch.cat([torch.eye(n), -torch.eye(n)]).reshape(2 * n, *h.shape[1:])
        rest = [part.expand(2 * n, *part.shape[1:]) for part in state[1:]]
        read = x[:, 7 - lag : 7].expand(2 * n, -1, *core.shape)
        y, _ = core(read, ((h + moves, *rest),))
        loss = ((y[:, -1] - x[:, 7]) ** 2).flatten(1).mean(1)
        return ((loss[:n] - loss[n:]) / (2 * nudge)).norm()

    norms = reach(core, x)["h"][0]
    torch.testing.assert_close(slope(3) / slope(1), norms[3] / norms[1], rtol=1e-6, atol=0)


@pytest.mark.parametrize("cell", CELLS, ids=str)
@pytest.mark.parametrize("layers", [1, 2])
@torch.no_grad()
def test_traced_activations_give_h_and_leave_the_core_unchanged(cell: Cell, layers: int) -> None:
    core = vector_core(cell, layers)
    x = states(core)
    y, state = core(x)
    with traced(core) as traces:
        again, _ = core(x)
    torch.testing.assert_close(y, again, rtol=1e-12, atol=1e-14)
    assert all(layer.cell is cell for layer in core.layers)
    for trace, last in zip(traces, state, strict=True):
        assert len(trace.states) == len(trace.activations) == x.shape[1]
        torch.testing.assert_close(trace.states[-1][0], last[0], rtol=1e-12, atol=1e-14)
        for before, after, gates in zip(
            trace.states, trace.states[1:], trace.activations[1:], strict=False
        ):
            if isinstance(cell, GRU):
                h = (1 - gates["z"]) * before[0] + gates["z"] * gates["h'"]
            elif isinstance(cell, LSTM):
                h = gates["o"] * torch.tanh(gates["f"] * before[1] + gates["i"] * gates["C'"])
            else:
                assert gates == {}
                continue
            torch.testing.assert_close(h, after[0], rtol=1e-12, atol=1e-14)


def test_a_core_without_cells_has_neither_reach_nor_gates() -> None:
    core = Linear((3,)).double()
    x = torch.randn(2, 5, 3, dtype=torch.float64)
    assert reach(core, x) == {}
    assert gate_paths(core, x[:1], 3) is None


def test_gates_along_a_forecast() -> None:
    core = conv_core(LSTM())
    found = gate_paths(core, states(core)[:1], 5)
    assert found is not None
    assert found.name == "C"
    assert list(found.activations) == ["f", "i", "C'", "o"]
    assert found.memory.shape == (3, 12 + 5 - 1)
    mean, low, high = found.activations["f"]
    assert (low <= mean).all() and (mean <= high).all() and (low > 0).all() and (high <= 1).all()
    moved = found.memory.std(1)
    assert torch.equal(moved, moved.sort(descending=True).values)
    two = gate_paths(vector_core(GRU(), layers=2), states(vector_core(GRU()))[:1], 5)
    assert two is not None
    assert two.name == "h"
    assert "z, layer 2" in two.activations


@torch.no_grad()
def test_a_reset_at_every_step_is_the_core_on_its_last_states() -> None:
    core = vector_core(GRU())
    context = states(core, 4)
    found = rollout_with_resets(core, context, 7, every=1)
    known = context
    for _ in range(7):
        known = torch.cat([known, core(known[:, -4:])[0][:, -1:]], dim=1)
    assert torch.equal(found, known[:, 4:])
    assert torch.equal(
        rollout_with_resets(core, context, 7, every=7), rollout(core, context, 7)[0][:, -7:]
    )
    linear = Linear((3,)).double()
    torch.nn.init.normal_(linear.readout.weight, std=0.1)
    forgetful = rollout_with_resets(linear, context, 7, every=3)
    torch.testing.assert_close(forgetful, rollout(linear, context, 7)[0][:, -7:])
