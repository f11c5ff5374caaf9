"""Burgers' equation, against the closed form of Cole and Hopf."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import fft

from simulators import Burgers

T = np.array([0.0, 0.5, 1.0, 3.0, 8.0])


def cole_hopf(k: int, sine: float, cosine: float, viscosity: float, t: float, n: int) -> np.ndarray:
    """u = -2 viscosity phi_x / phi at n points, where u(0) = sine sin(k x) + cosine cos(x).

    phi = exp(-(integral of u) / 2 viscosity) diffuses; its FFT on 4096 points is exact to rounding.
    """
    x, q = 2 * np.pi * np.arange(4096) / 4096, np.arange(2049)
    integral = -sine * np.cos(k * x) / k + cosine * np.sin(x)
    phi = fft.rfft(np.exp(-integral / (2 * viscosity))) * np.exp(-viscosity * q**2 * t)
    u = -2 * viscosity * fft.irfft(1j * q * phi, n=4096) / fft.irfft(phi, n=4096)
    return u[:: 4096 // n]


def starts(sim: Burgers, count: int = 4) -> np.ndarray:
    return np.stack([sim.initial(np.random.default_rng(i)) for i in range(count)])


@pytest.mark.parametrize("viscosity", [0.1, 0.3])
@pytest.mark.parametrize(("k", "sine", "cosine"), [(1, 1.0, 0.0), (2, 0.9, -0.6), (3, -0.5, 0.8)])
def test_against_cole_and_hopf(k: int, sine: float, cosine: float, viscosity: float) -> None:
    """Through the formation, merging and decay of shocks."""
    sim = Burgers(size=(256,), viscosity=viscosity)
    x = sim.coordinates["x"]
    x0 = sine * np.sin(k * x) + cosine * np.cos(x)
    found = sim.trajectories(x0[None, None], T)[0, :, 0]
    for t, u in zip(T, found, strict=True):
        expected = cole_hopf(k, sine, cosine, viscosity, t, 256)
        assert np.abs(u - expected).max() <= 1e-8


def test_order_four_in_time() -> None:
    sim = Burgers()
    x0, t = starts(sim), np.array([0.0, 1.0])
    steps = 1 / np.array([50, 100, 200, 400])
    x = [replace(sim, step=h).trajectories(x0, t)[:, -1] for h in (*steps, 1 / 1600)]
    errors = np.array([np.abs(found - x[-1]).max() for found in x[:-1]])
    orders = np.log2(errors[:-1] / errors[1:])
    assert np.abs(orders - 4).max() <= 0.25, f"errors {errors}, orders {orders}"


def test_spectral_convergence_in_space() -> None:
    """Twice the points square the error of a shock, exp(-c N)."""
    truth = cole_hopf(1, 1.0, 0.0, 0.1, 1.5, 32)
    errors = []
    for n in (32, 64, 128):
        sim = Burgers(size=(n,))
        x0 = np.sin(sim.coordinates["x"])[None, None]
        x = sim.trajectories(x0, np.array([0.0, 1.5]))[0, -1, 0]
        errors.append(np.abs(x[:: n // 32] - truth).max())
    assert errors[1] <= 3 * errors[0] ** 2
    assert errors[2] <= 3 * errors[1] ** 2


def test_defaults_resolve_their_shocks() -> None:
    sim, fine = Burgers(), Burgers(size=(512,))
    t = np.linspace(0.0, 4.0, 21)
    x = sim.trajectories(starts(sim, 32), t)
    error = np.abs(x - fine.trajectories(starts(fine, 32), t)[..., ::4])
    assert error.max() <= 1e-3
    assert np.median(error.max((1, 2, 3))) <= 1e-4


def test_energy_is_lost_by_viscosity_only() -> None:
    """d<u^2/2>/dt = -viscosity <u_x^2>, for waves of any steepness."""
    sim = Burgers()
    x = sim.trajectories(starts(sim), np.array([0.0, 1.0]))[:, -1]
    v = sim.modes(x)
    slope = sim.field(1j * sim.wavenumbers[0] * v)
    rate = (x * sim.field(sim.linear * v)).mean((1, 2))
    np.testing.assert_allclose(rate, -sim.viscosity * (slope**2).mean((1, 2)), rtol=1e-12)
    steepening = x * sim.field(sim.nonlinear(v))
    assert np.abs(steepening.mean((1, 2))).max() <= 1e-15
    assert np.abs(steepening).max() > 0.1


def test_extremes_never_grow() -> None:
    """The maximum principle."""
    sim = Burgers()
    x = sim.trajectories(starts(sim, 64), np.linspace(0.0, 6.0, 121))
    assert (np.diff(x.max((2, 3)), axis=1) <= 0).all()
    assert (np.diff(x.min((2, 3)), axis=1) >= 0).all()


def test_symmetries() -> None:
    """Translation, mirroring u(x) -> -u(-x), and a moving frame, whose mean is constant."""
    sim = Burgers(size=(256,))
    x0, t = starts(sim), np.array([0.0, 2.0])
    x = sim.trajectories(x0, t)[:, -1]
    assert np.abs(sim.trajectories(np.roll(x0, 9, -1), t)[:, -1] - np.roll(x, 9, -1)).max() <= 1e-12
    assert np.abs(sim.trajectories(-x0[..., ::-1], t)[:, -1] + x[..., ::-1]).max() <= 1e-12
    c = 7 * (2 * np.pi / 256) / 2  # seven points in two units of time
    moving = sim.trajectories(x0 + c, t)[:, -1]
    assert np.abs(moving - c - np.roll(x, 7, -1)).max() <= 1e-6
    assert np.abs(moving.mean((1, 2)) - c).max() <= 1e-14


def test_invariants_notice_a_violation() -> None:
    x = np.zeros((1, 4, 1, 8))
    x[0, :, 0, 0] = [2.0, 1.0, 3.0, 1.0]
    found = Burgers(size=(8,), waves=1).invariants(x)
    np.testing.assert_allclose(found["energy growth"], [[0.0, 0.0, 0.5, 0.0]])
    np.testing.assert_allclose(found["mean"], [[0.25, 0.125, 0.375, 0.125]])


@pytest.mark.parametrize("waves", [1, 4])
def test_initial_state(waves: int) -> None:
    """It has the given number of waves and root mean square."""
    sim = Burgers(waves=waves, amplitude=0.7)
    x = starts(sim, 20)
    np.testing.assert_allclose(x.std((1, 2)), 0.7, rtol=1e-12)
    v = np.abs(sim.modes(x)).max((0, 1))
    assert (v[1 : waves + 1] > 1).all()
    assert np.delete(v, np.arange(1, waves + 1)).max() <= 1e-12


@pytest.mark.parametrize(
    ("name", "value"), [("size", (64, 64)), ("waves", 0), ("waves", 43), ("waves", 2.0)]
)
def test_bad_parameters(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{name}="):
        Burgers(**{name: value})
