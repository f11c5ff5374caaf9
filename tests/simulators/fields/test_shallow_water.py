"""Shallow water: small waves in closed form, budgets, symmetries, order and resolution."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from simulators import ShallowWater

SPACE = (-2, -1)


@cache
def starts(sim: ShallowWater, count: int = 2) -> np.ndarray:
    return np.stack([sim.initial(np.random.default_rng(i)) for i in range(count)])


@pytest.mark.parametrize(("p", "q"), [(1, 0), (0, 3), (2, 3)])
@pytest.mark.parametrize("depth", [1.0, 2.5])
def test_small_waves_travel_at_the_speed_of_gravity_waves(p: int, q: int, depth: float) -> None:
    """height = a cos(k . x - omega t), u = height / depth c k / |k|, omega = k sqrt(g depth)."""
    sim = ShallowWater(depth=depth, viscosity=1e-9)
    x, y = sim.coordinates.values()
    kx, ky = 2 * np.pi / 100 * p, 2 * np.pi / 100 * q
    k, c, small = np.hypot(kx, ky), np.sqrt(9.81 * depth), 1e-7
    t = np.array([0.0, 3.1, 9.7])
    phase = kx * x[:, None] + ky * y - k * c * t[:, None, None]
    height = small * np.cos(phase)
    flow = height * c / depth / k
    expected = np.stack([height, flow * kx, flow * ky], axis=1)
    found = sim.trajectories(expected[None, 0], t)[0]
    assert np.abs(found - expected).max() <= 1e-3 * small


def test_viscosity_damps_a_shear_flow() -> None:
    """u_x = sin(k y) exp(-viscosity k^2 t) moves no water up or down and is exact at any speed."""
    sim = ShallowWater()
    k, t = 2 * np.pi / 100 * 3, np.array([0.0, 4.0, 20.0])
    x0 = np.zeros((1, *sim.shape))
    x0[0, 1] = 2 * np.sin(k * sim.coordinates["y"])
    found = sim.trajectories(x0, t)[0]
    decay = np.exp(-0.5 * k**2 * t)[:, None, None, None]
    assert np.abs(found - decay * x0[0]).max() <= 1e-12


def test_energy_is_constant_without_viscosity_while_waves_are_smooth() -> None:
    sim = ShallowWater(viscosity=1e-9, amplitude=0.01)
    x = sim.trajectories(starts(sim), np.linspace(0.0, 10.0, 11))
    h = 1 + x[:, :, 0]
    energy = (h * (x[:, :, 1:] ** 2).sum(2) + 9.81 * x[:, :, 0] ** 2).mean(SPACE) / 2
    assert np.abs(energy / energy[:, :1] - 1).max() <= 1e-4


def test_the_loss_of_energy_is_that_of_the_equation() -> None:
    """dE/dt = -viscosity <h |grad u|^2>, by a central difference in time."""
    sim = ShallowWater(size=(48, 48))
    x = sim.trajectories(starts(sim), 5.0 + np.array([0.0, 0.05, 0.1]))
    h = 1 + x[:, :, 0]
    energy = (h * (x[:, :, 1:] ** 2).sum(2) + 9.81 * x[:, :, 0] ** 2).mean(SPACE) / 2
    k = 2 * np.pi / 100 * np.fft.fftfreq(48, 1 / 48)
    v = np.fft.fft2(x[:, 1, 1:])
    slopes = [np.fft.ifft2(1j * w * v).real for w in (k[:, None], k[None, :])]
    loss = (h[:, 1] * sum((s**2).sum(1) for s in slopes)).mean(SPACE) * sim.viscosity
    np.testing.assert_allclose((energy[:, 0] - energy[:, 2]) / 0.1, loss, rtol=0.02)


def test_mass_and_momentum_are_constant_and_energy_never_grows() -> None:
    sim = ShallowWater(amplitude=0.1, viscosity=2.0)
    x0 = starts(sim).copy()
    x0[:, 1] += 0.3  # a current that carries the waves along
    x = sim.trajectories(x0, np.linspace(0.0, 20.0, 21))
    sim.require_invariants(x)
    found = sim.invariants(x)
    assert np.abs(found["momentum along x"]).min() > 0.1
    assert (sim.invariants(x[:, ::-1])["energy growth"][:, -1] > 1e-3).all()


def test_order_four_in_time() -> None:
    sim = ShallowWater(size=(16, 16), amplitude=0.1, viscosity=2.0)
    x0, t = starts(sim), np.array([0.0, 4.0])
    x = [replace(sim, step=h).trajectories(x0, t)[:, -1] for h in (0.5, 0.25, 0.125, 0.03125)]
    errors = np.array([np.abs(found - x[-1]).max() for found in x[:-1]])
    orders = np.log2(errors[:-1] / errors[1:])
    assert np.abs(orders - 4).max() <= 0.3, f"errors {errors}, orders {orders}"


def test_symmetries() -> None:
    """A shift, a mirror and a quarter turn, which turn the velocities as well."""
    sim = ShallowWater(size=(16, 16), amplitude=0.1, viscosity=2.0)
    x0, t = starts(sim), np.array([0.0, 3.0])
    x = sim.trajectories(x0, t)[:, -1]
    turned = np.array([1.0, -1.0, 1.0])[:, None, None]
    for move in (
        lambda f: np.roll(f, (3, -5), SPACE),
        lambda f: turned * np.roll(f[..., ::-1, :], 1, -2),
        lambda f: np.swapaxes(f, -1, -2)[:, [0, 2, 1]],
    ):
        assert np.abs(sim.trajectories(move(x0), t)[:, -1] - move(x)).max() <= 1e-12


def test_initial_state() -> None:
    """Root mean square height, no mean, equal energies, and momentum along each wave."""
    sim = ShallowWater(peak=3)
    x = starts(sim, 60)
    height, q = x[:, 0], (1 + x[:, :1]) * x[:, 1:]
    np.testing.assert_allclose(height.std(SPACE), 0.04, rtol=1e-12)
    assert np.abs(height.mean(SPACE)).max() <= 1e-15
    assert np.abs(q.mean(SPACE)).max() <= 1e-15
    kinetic, potential = (q**2).sum(1).mean(), 9.81 * (height**2).mean()
    assert kinetic == pytest.approx(potential, rel=0.15)
    kx, ky = sim.wavenumbers
    v = sim.modes(q)
    assert np.abs(kx * v[:, 1] - ky * v[:, 0]).max() <= 1e-12 * np.abs(v).max()  # no vortices
    shells = np.rint(np.hypot(kx, ky) * 100 / 2 / np.pi)
    energy = (np.abs(sim.modes(height)) ** 2).mean(0)
    found = np.array([energy[shells == n].sum() for n in range(1, 8)])
    assert found @ np.arange(1, 8) / found.sum() == pytest.approx(3, abs=0.3)


def test_defaults_resolve_the_waves() -> None:
    """Twice the points give the same height to 2 % of its size, 20 s on."""
    sim, fine = ShallowWater(step=0.125), ShallowWater(size=(64, 64), step=0.125)
    x0 = starts(sim)
    v, padded = sim.modes(sim._scaled(x0, 1)), np.zeros((2, 3, 64, 22), complex)
    padded[..., np.r_[:11, -10:0], :11] = 4 * v[..., np.r_[:11, -10:0], :]
    t = np.array([0.0, 20.0])
    x = sim.trajectories(x0, t)[:, -1, 0]
    finer = fine.trajectories(fine._scaled(fine.field(padded), -1), t)[:, -1, 0, ::2, ::2]
    assert (x - finer).std() <= 0.02 * x.std()


@pytest.mark.parametrize(("name", "value"), [("size", (32,)), ("peak", 0), ("peak", 11)])
def test_bad_parameters(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{name}="):
        ShallowWater(**{name: value})
