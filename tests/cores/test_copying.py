"""Analogues, parrots and the mean state: what they copy, by a loop, and exactly."""

import pytest
import torch
from torch import Tensor

from sirve.cores import Analogue, Climatology, MeanState, Parrot
from sirve.forecasting.rollout import rollout


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


SPACES = [(2,), (1, 5), (2, 3, 4)]


@pytest.mark.parametrize("shape", SPACES)
@pytest.mark.parametrize("frames", [1, 3])
def test_analogue_is_the_loop_of_its_equation(shape: tuple[int, ...], frames: int) -> None:
    train, x = normal(4, 9, *shape), normal(2, 6, *shape, seed=1)
    core = Analogue(shape, frames=frames).double()
    core.fit_statistics([train[:1], train[1:]])
    y, _ = core(x)
    for i in range(2):
        for t in range(6):
            m = min(frames, t + 1)
            places = [(n, s) for n in range(4) for s in range(m - 1, 8)]
            now = x[i, t - m + 1 : t + 1]
            apart = [float(((now - train[n, s - m + 1 : s + 1]) ** 2).sum()) for n, s in places]
            n, s = places[apart.index(min(apart))]
            torch.testing.assert_close(y[i, t], train[n, s + 1], rtol=0, atol=1e-12)


@pytest.mark.parametrize("shape", SPACES)
@pytest.mark.parametrize("frames", [1, 3])
def test_parrot_is_the_loop_of_its_equation(shape: tuple[int, ...], frames: int) -> None:
    x = normal(2, 12, *shape)
    y, _ = Parrot(shape, frames=frames).double()(x)
    assert torch.equal(y[:, 0], x[:, 0])  # nothing to copy yet
    for i in range(2):
        for t in range(1, 12):
            m = min(frames, (t + 1) // 2)
            now = x[i, t - m + 1 : t + 1]
            ends = range(m - 1, t - m + 1)
            apart = [float(((now - x[i, s - m + 1 : s + 1]) ** 2).sum()) for s in ends]
            s = ends[apart.index(min(apart))]
            torch.testing.assert_close(y[i, t], x[i, s + 1], rtol=0, atol=1e-12)


@pytest.mark.parametrize("shape", SPACES)
@torch.no_grad()
def test_analogue_of_a_training_trajectory_is_that_trajectory(shape: tuple[int, ...]) -> None:
    train = normal(5, 30, *shape)
    core = Analogue(shape, frames=2).double()
    core.fit_statistics([train])
    y, _ = rollout(core, train[:, :4], 26)
    torch.testing.assert_close(y[:, 1:], train[:, 2:], rtol=0, atol=1e-12)


@pytest.mark.parametrize("period", [1, 4, 7])
@pytest.mark.parametrize("shape", SPACES)
@torch.no_grad()
def test_parrot_continues_a_repeated_sequence_for_ever(shape: tuple[int, ...], period: int) -> None:
    x = normal(3, period, *shape).repeat(1, 80, *[1] * len(shape))
    core = Parrot(shape, frames=3, memory=20).double()
    y, _ = rollout(core, x[:, : 2 * period + 3], 60)
    known = 2 * period + 2
    expected = x[:, known + 1 : known + 61]
    torch.testing.assert_close(y[:, -60:], expected, rtol=0, atol=1e-12)


@torch.no_grad()
def test_a_parrot_keeps_its_last_states_only() -> None:
    x = normal(2, 40, 3)
    core = Parrot((3,), frames=2, memory=6).double()
    late = core(x[:, 20:])[0]
    torch.testing.assert_close(core(x)[0][:, 27:], late[:, 7:], rtol=0, atol=0)


def test_a_library_holds_whole_trajectories_until_it_is_full() -> None:
    train = normal(3, 10, 2)
    core = Analogue((2,), states=24).double()
    core.fit_statistics([train])
    assert torch.equal(core.library[:20], train[:2].flatten(0, 1))
    assert torch.equal(core.library[20:], train[2, :4])
    ages = [*range(9), -1, *range(9), -1, *range(3), -1]
    assert core.age.tolist() == ages


@pytest.mark.parametrize("shape", SPACES)
@torch.no_grad()
def test_the_mean_state_is_the_mean_in_each_cell(shape: tuple[int, ...]) -> None:
    train = normal(4, 9, *shape) + normal(*shape, seed=1)
    core = MeanState(shape).double()
    core.scale.fill_(0.3)
    assert torch.equal(core(train)[0], Climatology(shape).double()(train)[0])  # not fitted yet
    core.fit_statistics([train[:1], train[1:]])
    expected = train.mean((0, 1)).expand(4, 12, *shape)
    torch.testing.assert_close(rollout(core, train[:, :3], 10)[0], expected, rtol=0, atol=1e-12)
    if len(shape) == 1:  # normalised vectors have the mean 0
        off = train - train.mean((0, 1))
        core.fit_statistics([off])
        still = Climatology(shape).double()(off)[0]
        torch.testing.assert_close(core(off)[0], still, rtol=0, atol=1e-12)
