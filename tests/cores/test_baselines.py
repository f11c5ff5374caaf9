"""Baselines: equations, delays, and systems that they fit exactly."""

from collections.abc import Callable
from itertools import combinations_with_replacement

import numpy as np
import pytest
import torch

from sirve.cores import (
    NGRC,
    ContextMean,
    Core,
    DynamicModes,
    EchoState,
    Linear,
    Polynomial,
    RandomFeatures,
)
from sirve.cores.baselines.polynomial import monomials
from sirve.cores.delays import Delayed
from sirve.cores.lift import Lift
from sirve.forecasting.rollout import rollout
from sirve.training.least_squares import solve_readout

MAKE: dict[str, Callable[..., Delayed]] = {
    "linear": Linear,
    "ngrc": NGRC,
    "random": lambda shape, **of: RandomFeatures(shape, hidden=5, **of),
}


def normal(*shape: int) -> torch.Tensor:
    return torch.as_tensor(np.random.default_rng(0).normal(size=shape))


def with_random_readout(core: Core) -> Core:
    for parameter in core.double().parameters():
        torch.nn.init.normal_(parameter)
    return core


@pytest.mark.parametrize("degree", [1, 2, 3, 5])
@pytest.mark.parametrize("space", [(), (3,)])
def test_monomials_are_complete_and_unique(degree: int, space: tuple[int, ...]) -> None:
    z = normal(2, 3, 4, *space)
    found = monomials(z, degree)
    expected = [
        z[:, :, list(chosen)].prod(dim=2)
        for d in range(1, degree + 1)
        for chosen in combinations_with_replacement(range(4), d)
    ]
    assert found.shape[2] == len(expected)
    for monomial in expected:
        same = (found - monomial[:, :, None]).abs().amax(dim=(0, 1, *range(3, found.ndim)))
        assert int((same < 1e-12).sum()) == 1


@pytest.mark.parametrize("name", MAKE)
@pytest.mark.parametrize(("delays", "stride"), [(1, 3), (2, 1), (3, 2)])
def test_delays_are_shifts_and_zero_before_the_start(name: str, delays: int, stride: int) -> None:
    core = MAKE[name]((2,), delays=delays, stride=stride, covariates=1).double()
    x = normal(3, 9, 3)
    stacked, _ = core.stack(x, None)
    assert stacked.shape[2] == core.inputs
    for delay in range(delays):
        shifted = np.zeros((3, 9, 2))
        shifted[:, delay * stride :] = x[:, : 9 - delay * stride, :2]
        part = stacked[:, :, 2 * delay : 2 * delay + 2]
        np.testing.assert_array_equal(part.numpy(), shifted)
    assert torch.equal(stacked[:, :, -1], x[:, :, 2])


@pytest.mark.parametrize("name", MAKE)
@torch.no_grad()
def test_delayed_cores_obey_the_laws(name: str) -> None:
    core = with_random_readout(MAKE[name]((2,), delays=3, stride=2))
    x = normal(3, 9, 2)
    whole, end = core(x)
    state, parts = None, []
    for piece in x.split([1, 2, 6], dim=1):
        y, state = core(piece, state)
        parts.append(y)
    torch.testing.assert_close(torch.cat(parts, 1), whole, rtol=0, atol=1e-12)
    torch.testing.assert_close(state, end, rtol=0, atol=0)
    changed = x.clone()
    changed[:, 5:] += 1
    assert torch.equal(core(changed)[0][:, :5], whole[:, :5])
    changed[:, :4] += 1
    assert not torch.equal(core(x[:, 4:])[0][:, 0], whole[:, 4])
    torch.testing.assert_close(core(x[1:2])[0], whole[1:2], rtol=0, atol=1e-12)


@torch.no_grad()
def test_ngrc_fits_a_quadratic_map_with_a_delay() -> None:
    """Hénon's map is x' = 1 - a x^2 + b x_{-1}: one number, two delays, degree 2, exactly."""
    x = np.zeros((20, 40))
    x[:, :2] = np.random.default_rng(0).uniform(-0.1, 0.1, size=(20, 2))
    for t in range(1, 39):
        x[:, t + 1] = 1 - 1.4 * x[:, t] ** 2 + 0.3 * x[:, t - 1]
    core = NGRC((1,), degree=2, delays=2)
    solve_readout(core, [torch.as_tensor(x[..., None])], skip=1)
    assert isinstance(core.readout, Lift)
    # x' - x on x, x_{-1}, x^2, x x_{-1}, x_{-1}^2 and 1
    expected = np.array([[-1, 0.3, -1.4, 0, 0, 1]])
    np.testing.assert_allclose(core.readout.table().numpy(), expected, atol=1e-12)
    y, _ = rollout(core, torch.as_tensor(x[:, :10, None]), 10)
    np.testing.assert_allclose(y[:, 9:, 0].numpy(), x[:, 10:20], atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("symmetric", [False, True])
def test_polynomial_fits_an_explicit_step_of_reaction_and_diffusion(symmetric: bool) -> None:
    """u' = u + d lap(u) + u - u^3, Allen and Cahn's: exact up to the boundary."""
    step = Linear((1, 8, 7), "neumann").double()
    stencil = 0.05 * torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]])
    assert isinstance(step.readout, Lift)
    step.readout.weight.copy_(stencil[None, None])
    x = normal(12, 2, 1, 8, 7)
    x[:, 1:] = step(x[:, :1])[0] + 0.1 * (x[:, :1] - x[:, :1] ** 3)
    core = Polynomial((1, 8, 7), "neumann", kernel=3, symmetric=symmetric)
    solve_readout(core, [x])
    assert isinstance(core.readout, Lift)
    u, squares, cubes = core.readout.weight[0]
    expected = stencil.double()
    expected[1, 1] += 0.1
    torch.testing.assert_close(u, expected, rtol=0, atol=1e-10)
    torch.testing.assert_close(squares, torch.zeros(3, 3).double(), rtol=0, atol=1e-10)
    assert cubes[1, 1].item() == pytest.approx(-0.1)


@torch.no_grad()
def test_linear_on_two_frames_fits_the_explicit_wave_equation() -> None:
    """u'' = c lap(u) in time steps: u_{t+1} = 2 u_t - u_{t-1} + c lap(u_t)."""
    laplace = Linear((1, 8, 7), "periodic").double()
    stencil = 0.2 * torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]])
    assert isinstance(laplace.readout, Lift)
    laplace.readout.weight.copy_(stencil[None, None])
    frames = [normal(4, 1, 1, 8, 7), normal(5, 1, 1, 8, 7)[1:]]
    for _ in range(8):
        frames.append(laplace(frames[-1])[0] + frames[-1] - frames[-2])
    core = Linear((1, 8, 7), "periodic", delays=2)
    solve_readout(core, [torch.cat(frames, dim=1)], skip=1)
    assert isinstance(core.readout, Lift)
    now, before = core.readout.weight[0]
    expected = stencil.double()
    expected[1, 1] += 1
    torch.testing.assert_close(now, expected, rtol=0, atol=1e-9)
    torch.testing.assert_close(before[1, 1].item(), -1.0, rtol=0, atol=1e-9)


@pytest.mark.parametrize("make", [EchoState, RandomFeatures, NGRC])
def test_frames_raise_with_a_remedy(make: Callable[..., Core]) -> None:
    with pytest.raises(ValueError, match=r"reads vectors.*take model="):
        make((1, 6, 5))


def test_too_many_monomials_raise_before_memory_is_allocated() -> None:
    with pytest.raises(ValueError, match="degree=40 of 60 numbers has"):
        Polynomial((20,), degree=40, delays=3)


@torch.no_grad()
def test_context_mean_keeps_the_mean_of_the_context() -> None:
    core, x = ContextMean((2, 3)).double(), normal(4, 7, 2, 3)
    core.scale.copy_(torch.tensor([[0.3], [3.0]]))
    y, _ = rollout(core, x, 50)
    torch.testing.assert_close(y[:, 6:], x.mean(1, keepdim=True).expand(-1, 50, -1, -1))


@pytest.mark.parametrize("delays", [1, 2])
@torch.no_grad()
def test_dynamic_modes_equal_the_exact_decomposition(delays: int) -> None:
    """A = Y V S^-1 U' of rank 3, by NumPy, from a field of 6 cells and a constant."""
    x = normal(30, 5, 2, 3) @ normal(3, 3)
    core = DynamicModes((2, 3), modes=3, delays=delays).double()
    core.fit_statistics(x.split(4))
    pairs = [(x[:, t - delays + 1 : t + 1].flip(1), x[:, t + 1]) for t in range(delays - 1, 4)]
    read = np.concatenate([z.flatten(1).numpy() for z, _ in pairs]).T
    given = np.concatenate([y.flatten(1).numpy() for _, y in pairs]).T
    u, s, vt = np.linalg.svd(read, full_matrices=False)
    basis = core.basis.numpy()
    np.testing.assert_allclose(basis @ basis.T, u[:, :3] @ u[:, :3].T, atol=1e-10)
    solve_readout(core, list(x.split(4)), skip=delays - 1)
    assert isinstance(core.readout, Lift)
    one = np.ones(read.shape[1])
    left = u[:, :3].T @ read
    expected = given @ np.linalg.pinv(np.vstack([left, one]))
    found = core.readout.table().numpy()
    np.testing.assert_allclose(found[:, :3] @ basis.T, expected[:, :3] @ u[:, :3].T, atol=1e-10)
    bare = given @ vt[:3].T / s[:3] @ u[:, :3].T  # without the constant
    np.testing.assert_allclose(bare, given @ np.linalg.pinv(left) @ u[:, :3].T, atol=1e-10)


@torch.no_grad()
def test_dynamic_modes_of_a_low_rank_map_leave_the_other_modes_at_zero() -> None:
    """Two slow waves in a field of 12 cells need four modes; the others are zero."""
    points, t = np.arange(12), np.arange(40)[:, None]
    phases = np.random.default_rng(0).uniform(0, 6, (8, 1, 1))
    waves = [np.sin(k * 2 * np.pi * points / 12 - 0.1 * k * t + k * phases) for k in (1, 2)]
    x = torch.as_tensor(sum(waves))[:, :, None]
    core = DynamicModes((1, 12), modes=8).double()
    core.fit_statistics([x])
    assert int((core.basis.norm(dim=0) > 0.5).sum()) == 4
    solve_readout(core, [x])
    y, _ = rollout(core, x[:, :1], 39)
    torch.testing.assert_close(y, x[:, 1:], rtol=0, atol=1e-9)
