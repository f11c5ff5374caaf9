"""Lorenz-96: its energy budget, the rest state's closed form, symmetry, published exponents."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from simulators import Lorenz96
from simulators.lyapunov import exponents


def on_attractor(count: int, sim: Lorenz96) -> np.ndarray:
    return sim.simulate([np.random.default_rng(i) for i in range(count)], 0.05, 1)[:, 0]


def test_energy_budget() -> None:
    """The quadratic terms conserve E = sum x^2 / 2, so dE/dt = -2 E + F sum x at any state."""
    x = 5 * np.random.default_rng(0).normal(size=(13, 50))
    gained = (x * Lorenz96(sites=13, forcing=3.7).rhs(0.0, x)).sum(0)
    np.testing.assert_allclose(gained, -(x**2).sum(0) + 3.7 * x.sum(0), rtol=1e-12)


def test_energy_is_balanced_on_the_attractor() -> None:
    """<x^2> = F <x>; Lorenz and Emanuel (1998): mean 2.3, standard deviation 3.6 at forcing 8."""
    x = Lorenz96(rtol=1e-6, atol=1e-6).simulate(
        [np.random.default_rng(i) for i in range(16)], 0.1, 200
    )
    assert (x**2).mean() == pytest.approx(8 * x.mean(), rel=0.02)
    assert x.mean() == pytest.approx(2.3, abs=0.1)
    assert x.std() == pytest.approx(3.6, abs=0.1)


@pytest.mark.parametrize("forcing", [0.5, 2.0])
def test_waves_about_the_rest_state(forcing: float) -> None:
    """x = F is a fixed point; a wave exp(i k j) on it grows as F (exp(ik) - exp(-2ik)) - 1."""
    n, t = 12, np.linspace(0.0, 2.0, 11)
    sim = Lorenz96(sites=n, forcing=forcing)
    assert np.abs(sim.rhs(0.0, np.full((n, 1), forcing))).max() == 0
    k = 2 * np.pi * np.arange(n // 2 + 1) / n
    rate = forcing * (np.exp(1j * k) - np.exp(-2j * k)) - 1
    wave = np.exp(1j * k[:, None] * np.arange(n))
    x = sim.trajectories(forcing + 1e-6 * wave.real, t)
    grown = (np.exp(rate[:, None] * t)[..., None] * wave[:, None]).real
    assert np.abs((x - forcing) / 1e-6 - grown).max() <= 1e-4
    assert (rate.real.max() > 0) == (forcing > 8 / 9)


def test_against_another_method() -> None:
    """RK45 on the equation with explicit indices."""

    def rhs(_: float, x: np.ndarray) -> list[float]:
        n = len(x)
        return [(x[(j + 1) % n] - x[(j - 2) % n]) * x[(j - 1) % n] - x[j] + 6.5 for j in range(n)]

    sim = Lorenz96(sites=7, forcing=6.5)
    x0 = on_attractor(2, sim)
    expected = [solve_ivp(rhs, (0, 3), x, "RK45", rtol=1e-11, atol=1e-11).y[:, -1] for x in x0]
    found = sim.trajectories(x0, np.array([0.0, 3.0]))[:, -1]
    assert np.abs(found - np.stack(expected)).max() <= 1e-7


@pytest.mark.parametrize("sites", [4, 5, 40])
def test_all_sites_are_equivalent(sites: int) -> None:
    """Rotating the circle commutes with the motion; mirroring it does not."""
    sim = Lorenz96(sites=sites)
    x0, t = on_attractor(3, sim), np.linspace(0.0, 1.0, 5)
    x = sim.trajectories(x0, t)
    turned = sim.trajectories(np.roll(x0, 3, axis=-1), t)
    assert np.abs(turned - np.roll(x, 3, axis=-1)).max() <= 1e-9
    mirrored = sim.trajectories(x0[:, ::-1].copy(), t)
    assert np.abs(mirrored - x[..., ::-1]).max() > 0.1


def test_no_state_leaves_the_ball() -> None:
    sim = Lorenz96(sites=8, forcing=3.0)
    x0 = np.stack([np.full(8, 3.0), np.full(8, -9.0), 20.0 * np.eye(8)[0]])
    x = sim.trajectories(x0, np.linspace(0.0, 5.0, 101))
    assert sim.invariants(x)["absorbing ball"].max() == 0
    x[0, 40] = 4.0  # otherwise the law could not fail
    assert sim.invariants(x)["absorbing ball"][0, 40] == pytest.approx(1.0)


def test_published_exponent() -> None:
    sim = Lorenz96(rtol=1e-6, atol=1e-6)
    found = exponents(sim, 1, intervals=250, orbits=64)
    assert sim.lyapunov == 1.68
    assert found.error[0] <= 0.03
    assert found.value[0] == pytest.approx(1.68, abs=0.05)


@pytest.mark.slow
def test_published_exponent_and_dimension_closely() -> None:
    """13 exponents are positive, and those up to the Kaplan-Yorke dimension, 27.1, sum to zero."""
    sim = Lorenz96(rtol=1e-6, atol=1e-6)
    largest = exponents(sim, 1, intervals=1000, orbits=64)
    assert largest.error[0] <= 0.015
    assert largest.value[0] == pytest.approx(1.68, abs=0.03)
    value = exponents(sim, 30, every=0.4, intervals=100, orbits=8).value
    assert (value > 0.025).sum() == 13
    sums = np.cumsum(value)
    whole = int((sums > 0).sum())
    assert whole - sums[whole - 1] / value[whole] == pytest.approx(27.1, abs=0.2)


def test_volumes_shrink_at_the_damping() -> None:
    """The divergence is -1 per site, and so is the sum of all exponents."""
    found = exponents(Lorenz96(sites=5, rtol=1e-8, atol=1e-8), intervals=20, orbits=4)
    assert found.value.sum() == pytest.approx(-5.0, abs=1e-5)


def test_computed_exponents() -> None:
    """2.27 at forcing 10 (Vlachas et al. 2020); None if every orbit comes to rest."""
    strong = Lorenz96(forcing=10.0, rtol=1e-6, atol=1e-6)
    assert strong.lyapunov == pytest.approx(2.27, abs=0.1)
    assert Lorenz96(forcing=0.5).lyapunov is None


@pytest.mark.parametrize(("name", "value"), [("sites", 3), ("sites", 8.0), ("method", "RK4")])
def test_bad_parameters(name: str, value: float | str) -> None:
    with pytest.raises(ValueError, match=f"{name}="):
        Lorenz96(**{name: value})


def test_channels_are_numbered() -> None:
    assert [c.name for c in Lorenz96(sites=5).channels] == ["x0", "x1", "x2", "x3", "x4"]
