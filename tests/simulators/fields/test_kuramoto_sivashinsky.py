"""Kuramoto-Sivashinsky: linear growth, budget, symmetries, and an independent method."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy.integrate import simpson, solve_ivp
from support import quick

from simulators import KuramotoSivashinsky
from simulators.lyapunov import exponents


@cache
def on_attractor(sim: KuramotoSivashinsky, count: int = 4) -> np.ndarray:
    rngs = [np.random.default_rng(i) for i in range(count)]
    return sim.simulate(rngs, 0.5, 1)[:, 0]


def derivative(sim: KuramotoSivashinsky, x: np.ndarray, order: int = 1) -> np.ndarray:
    (k,) = sim.wavenumbers
    return sim.field((1j * k) ** order * sim.modes(x))


@pytest.mark.parametrize("viscosity", [1.0, 0.6])
@pytest.mark.parametrize("wave", [1, 2, 4, 7])
def test_small_waves_grow_and_decay(wave: int, viscosity: float) -> None:
    """As exp((k^2 - viscosity k^4) t), while their square is below rounding."""
    sim = KuramotoSivashinsky(viscosity=viscosity)
    k = 2 * np.pi * wave / 22
    x0 = 1e-10 * np.cos(k * sim.coordinates["x"] + 0.3)
    t = np.array([0.0, 0.7, 3.0])
    x = sim.trajectories(x0[None, None], t)[0, :, 0]
    expected = np.exp((k**2 - viscosity * k**4) * t)[:, None] * x0
    assert np.abs(x - expected).max() <= 1e-18


def test_order_four_in_time() -> None:
    """If the finest waves are not stiff; otherwise only shorter steps have the order."""
    sim = KuramotoSivashinsky(size=(32,))
    x0, t = on_attractor(sim), np.array([0.0, 1.0])
    steps = 1 / np.array([80, 160, 320, 640])
    x = [replace(sim, step=h).trajectories(x0, t)[:, -1] for h in (*steps, 1 / 2560)]
    errors = np.array([np.abs(found - x[-1]).max() for found in x[:-1]])
    orders = np.log2(errors[:-1] / errors[1:])
    assert np.abs(orders - 4).max() <= 0.25, f"errors {errors}, orders {orders}"


def test_spectral_convergence_in_space() -> None:
    """Errors fall faster than any power of 1/N: their orders rise, to rounding at 96 points."""
    fine = KuramotoSivashinsky(size=(192,))
    x0, t = on_attractor(fine), np.array([0.0, 1.0])
    truth = fine.trajectories(x0, t)[:, -1]
    sizes = np.array([24, 32, 48, 64, 96])
    errors = []
    for n in sizes.tolist():
        x = replace(fine, size=(n,)).trajectories(x0[..., :: 192 // n].copy(), t)[:, -1]
        errors.append(np.abs(x - truth[..., :: 192 // n]).max())
    orders = -np.diff(np.log(errors)) / np.diff(np.log(sizes))
    assert (np.diff(orders) > 0).all(), f"errors {errors}, orders {orders}"
    assert errors[-1] <= 1e-9


def test_against_convolution_sums_and_another_method() -> None:
    """Complex amplitudes of k = -5 to 5, with products as sums, by DOP853: no FFT or aliasing."""
    sim = KuramotoSivashinsky(size=(16,))
    q = 2 * np.pi * np.arange(-5, 6) / 22
    waves = np.exp(1j * np.outer(q, sim.coordinates["x"]))

    def rhs(t: float, a: np.ndarray) -> np.ndarray:
        return (q**2 - q**4) * a - 0.5j * q * np.convolve(a, a)[5:16]

    x0 = on_attractor(sim, 1)
    a0 = waves.conj() @ x0[0, 0] / 16
    a = solve_ivp(rhs, (0.0, 4.0), a0, "DOP853", rtol=1e-12, atol=1e-12).y[:, -1]
    x = sim.trajectories(x0, np.array([0.0, 4.0]))[0, -1, 0]
    assert np.abs(x - a @ waves).max() <= 1e-6


@pytest.mark.parametrize("viscosity", quick([1.0, 0.5], 0.5))
def test_energy_budget(viscosity: float) -> None:
    """d<u^2/2>/dt = <u_x^2> - viscosity <u_xx^2>: steepening only moves energy between waves."""
    sim = KuramotoSivashinsky(viscosity=viscosity)
    x = on_attractor(sim)
    v = sim.modes(x)
    linear, steepening = (x * sim.field(rate) for rate in (sim.linear * v, sim.nonlinear(v)))
    gained = derivative(sim, x) ** 2 - viscosity * derivative(sim, x, 2) ** 2
    np.testing.assert_allclose(linear.mean((1, 2)), gained.mean((1, 2)), atol=1e-12)
    assert np.abs(steepening.mean((1, 2))).max() <= 1e-14
    assert np.abs(steepening).max() > 0.1


def test_energy_budget_along_a_trajectory() -> None:
    """The same, integrated over a time by Simpson's rule."""
    sim = KuramotoSivashinsky()
    x = sim.trajectories(on_attractor(sim), np.linspace(0.0, 2.0, 81))
    gain = (derivative(sim, x) ** 2 - derivative(sim, x, 2) ** 2).mean((2, 3))
    energy = (x**2).mean((2, 3)) / 2
    change = energy[:, -1] - energy[:, 0]
    assert np.abs(change - simpson(gain, dx=0.025, axis=1)).max() <= 1e-6
    assert np.abs(change).max() > 0.01


def test_symmetries() -> None:
    """Translation, mirroring u(x) -> -u(-x), and a moving frame: u(x - c t) + c."""
    sim = KuramotoSivashinsky()
    x0, t = on_attractor(sim), np.array([0.0, 2.0])
    x = sim.trajectories(x0, t)[:, -1]
    shifted = sim.trajectories(np.roll(x0, 5, -1), t)[:, -1]
    assert np.abs(shifted - np.roll(x, 5, -1)).max() <= 1e-12
    mirrored = sim.trajectories(-x0[..., ::-1], t)[:, -1]
    assert np.abs(mirrored + x[..., ::-1]).max() <= 1e-12
    c = 3 * (22 / 64) / 2  # three points in two units of time
    moving = sim.trajectories(x0 + c, t)[:, -1]
    assert np.abs(moving - c - np.roll(x, 3, -1)).max() <= 1e-4


@pytest.mark.slow
def test_declared_exponent() -> None:
    """0.048 in Cvitanović et al. (2010); 0.0490 +- 0.0007 here from 128 orbits of 2000."""
    sim = KuramotoSivashinsky(step=0.1)
    found = exponents(sim, 1, every=4.0, intervals=100)
    assert sim.lyapunov == 0.048
    assert found.error[0] <= 0.005
    assert found.value[0] == pytest.approx(0.048, abs=0.008)


@pytest.mark.slow
def test_computed_exponents() -> None:
    """Twice the length is more chaotic; a short domain comes to rest or travels."""
    assert 0.07 <= KuramotoSivashinsky(length=44.0, size=(96,), step=0.1).lyapunov <= 0.11
    assert KuramotoSivashinsky(length=12.0, size=(32,), step=0.1).lyapunov is None


def test_initial_state() -> None:
    sim = KuramotoSivashinsky()
    x = np.stack([sim.initial(np.random.default_rng(i)) for i in range(20)])
    np.testing.assert_allclose(x.std((1, 2)), 1.0, rtol=1e-12)
    assert np.abs(x.mean((1, 2))).max() <= 1e-15


def test_the_transient_ends_on_the_attractor() -> None:
    """Its statistics are those of much later states."""
    sim = KuramotoSivashinsky(step=0.1)
    x0 = on_attractor(sim, 100)
    late = sim.trajectories(x0, np.array([0.0, 100.0]))[:, -1]
    assert x0.std() == pytest.approx(late.std(), rel=0.03)


@pytest.mark.parametrize(
    ("name", "value"), [("size", (64, 64)), ("size", (4,)), ("size", (64.0,)), ("length", -22.0)]
)
def test_bad_parameters(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{name}="):
        KuramotoSivashinsky(**{name: value})
