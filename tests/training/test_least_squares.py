"""Closed-form readouts: exact where an exact one exists, by blocks as at once, no digits lost."""

import numpy as np
import pytest
import torch

from sirve.cores import GRU, ConvRecurrent, Core, Linear, Recurrent
from sirve.cores.lift import Lift
from sirve.training.least_squares import factorise, solve_readout


def test_linear_recovers_a_linear_system() -> None:
    rng = np.random.default_rng(0)
    a = np.eye(3) + 0.1 * rng.normal(size=(3, 3))
    x = [rng.normal(size=(20, 3))]
    for _ in range(10):
        x.append(x[-1] @ a.T + 0.1)
    core = Linear((3,))
    core.scale.fill_(0.25)
    solve_readout(core, [torch.as_tensor(np.stack(x, axis=1))])
    assert isinstance(core.readout, Lift)
    table = core.readout.double().table().detach().numpy()
    np.testing.assert_allclose(0.25 * table[:, :3] + np.eye(3), a, atol=1e-5)  # float32 weights
    np.testing.assert_allclose(0.25 * table[:, 3], 0.1, atol=1e-5)


@pytest.mark.parametrize("boundary", ["neumann", "dirichlet", "periodic"])
def test_linear_on_frames_recovers_a_stencil_to_the_walls(boundary: str) -> None:
    from simulators import Heat

    # One explicit Euler step is exactly a 3 x 3 stencil whose walls are the heat equation's own.
    heat = Heat(size=(8, 7), boundary=boundary)  # type: ignore[arg-type]
    core = Linear(heat.shape, heat.boundary).double()
    x0 = np.random.default_rng(0).normal(size=(6, 1, 8, 7))
    h = 1e-4
    slope = (heat.trajectories(x0, np.array([0, h])) - x0[:, None])[:, 1] / h
    x1 = x0 + 0.1 * slope
    solve_readout(core, [torch.as_tensor(np.stack([x0, x1], axis=1))])
    assert isinstance(core.readout, Lift)
    found = core.readout.weight.detach().numpy()[0, 0]
    stencil = 0.05 * np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]])
    np.testing.assert_allclose(found, stencil, atol=1e-4)


def cores() -> list[Core]:
    torch.manual_seed(0)
    return [
        Linear((3,)).double(),
        Recurrent((3,), GRU(), hidden=6).double(),
        Linear((2, 5, 4), "neumann").double(),
        ConvRecurrent((2, 5, 4), GRU(), "neumann", hidden=3).double(),
    ]


@pytest.mark.parametrize("index", range(4))
def test_equals_least_squares_and_blocks_are_the_whole(index: int) -> None:
    core = cores()[index]
    assert isinstance(core.readout, Lift)
    x = torch.randn(12, 9, *core.shape, dtype=torch.float64)
    solve_readout(core, [x])
    whole = core.readout.table().clone()
    solve_readout(core, x.split(5))
    torch.testing.assert_close(core.readout.table(), whole, rtol=1e-9, atol=1e-9)
    phi, _ = core.features(x[:, :-1])
    columns = core.readout.columns(phi.flatten(0, 1)).detach()
    target = (x[:, 1:] - core.base(x[:, :-1])).flatten(0, 1)
    target = target.reshape(len(target), whole.shape[0], -1).movedim(1, 2)
    expected, *_ = np.linalg.lstsq(columns.numpy(), target.flatten(0, 1).numpy())
    np.testing.assert_allclose(whole.detach().numpy(), expected.T, rtol=1e-6, atol=1e-8)


def test_digits_are_not_halved() -> None:
    """A condition number of 1e10 leaves 1e-6 by QR; normal equations would leave nothing."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 2, 2))
    x[:, :, 1] = x[:, :, 0] + 1e-10 * x[:, :, 1]
    x[:, 1] = x[:, 0] @ np.array([[0.5, 0.25], [-0.5, 1.0]]).T + x[:, 0]
    core = Linear((2,)).double()
    solve_readout(core, [torch.as_tensor(x)])
    assert isinstance(core.readout, Lift)
    found = core.readout.weight.detach().numpy()
    np.testing.assert_allclose(found, [[0.5, 0.25], [-0.5, 1.0]], atol=1e-4)


@pytest.mark.parametrize("states", [2, 3, 4, 6, 7, 9])
def test_with_few_rows_it_is_the_least_squares_of_least_norm(states: int) -> None:
    x = torch.as_tensor(np.random.default_rng(0).normal(size=(1, states, 3)))
    core = Linear((3,)).double()
    solve_readout(core, [x])
    assert isinstance(core.readout, Lift)
    target = (x[:, 1:] - x[:, :-1])[0].numpy()
    columns = core.readout.columns(x[0, :-1]).numpy()
    best = np.linalg.lstsq(columns, target)[0]
    found = columns @ core.readout.table().detach().numpy().T
    np.testing.assert_allclose(found, columns @ best, atol=1e-9)


def test_ridge_shrinks() -> None:
    x = torch.randn(30, 5, 3, dtype=torch.float64)
    sizes = []
    for ridge in (0.0, 1.0, 100.0):
        core = Linear((3,)).double()
        solve_readout(core, [x], ridge)
        assert isinstance(core.readout, Lift)
        sizes.append(core.readout.weight.detach().norm().item())
    assert sizes[0] > sizes[1] > sizes[2]


@pytest.mark.parametrize("every", [1, 3, 7, 1001])
def test_every_so_many_states_are_those_of_the_whole(every: int) -> None:
    core = Linear((2,)).double()
    x = torch.randn(5, 41, 2, dtype=torch.float64)
    found = factorise(core, x.split(2), every=every).solve([0.0])[0]
    now = torch.cat([part[:, :-1].flatten(0, 1) for part in x.split(2)])[::every]
    later = torch.cat([part[:, 1:].flatten(0, 1) for part in x.split(2)])[::every]
    columns = core.readout.columns(now)  # type: ignore[operator]
    best = np.linalg.lstsq(columns.numpy(), (later - now).numpy())[0]
    np.testing.assert_allclose(columns @ found.T, columns.numpy() @ best, atol=1e-9)
