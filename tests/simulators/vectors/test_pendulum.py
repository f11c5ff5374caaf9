"""The pendulum: closed form, integration, damping and drive, against independent solutions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.special import ellipk

from simulators import Pendulum

T = np.linspace(0.0, 20.0, 201)
RELEASES = (0.1, 1.0, 2.0, 3.0, 3.1)
TURNING = ((0.5, 2.5), (-2.0, -2.5), (0.0, 2.05))  # (theta, omega) beyond the separatrix
STARTS = [(a, 0.0) for a in RELEASES] + list(TURNING)


def state(theta: float, omega: float = 0.0) -> np.ndarray:
    return np.array([np.sin(theta), np.cos(theta), omega])


def angle(x: np.ndarray) -> np.ndarray:
    return np.arctan2(x[..., 0], x[..., 1])


def energy(x: np.ndarray, omega0: float = 1.0) -> np.ndarray:
    return x[..., 2] ** 2 / 2 + omega0**2 * (1 - x[..., 1])


@pytest.mark.parametrize("others", [0, 255])
@pytest.mark.parametrize("start", STARTS)
def test_integration_against_the_closed_form(start: tuple[float, float], others: int) -> None:
    """Alone, and among gentle swings that would loosen SciPy's error norm."""
    x0 = np.stack([state(*start)] + [state(0.1)] * others)
    x = Pendulum(method="DOP853").trajectories(x0, T)
    assert np.abs(x - Pendulum().trajectories(x0, T)).max() <= 1e-6
    assert np.ptp(energy(x), axis=1).max() <= 1e-8


@pytest.mark.parametrize("start", STARTS)
def test_closed_form_against_an_implicit_method(start: tuple[float, float]) -> None:
    """Radau on other code, which shares nothing with the elliptic functions."""
    omega0, (theta, omega) = 1.3, start
    omega *= omega0
    independent = solve_ivp(
        lambda t, u: [u[1], -(omega0**2) * np.sin(u[0])],
        (0.0, 8.0),
        [theta, omega],
        method="Radau",
        t_eval=T[T <= 8.0],
        rtol=1e-11,
        atol=1e-11,
        jac=lambda t, u: [[0.0, 1.0], [-(omega0**2) * np.cos(u[0]), 0.0]],
    )
    expected = np.stack([state(*u) for u in independent.y.T])
    x = Pendulum(omega0=omega0).trajectories(state(theta, omega)[None], T[T <= 8.0])[0]
    assert np.abs(x - expected).max() <= 1e-9


def test_small_swings_follow_the_cosine() -> None:
    """The effect of the amplitude on the phase is a^2 omega0 t / 16."""
    a, omega0 = 1e-4, 1.7
    x = Pendulum(omega0=omega0).trajectories(state(a)[None], T)[0]
    assert np.abs(angle(x) / a - np.cos(omega0 * T)).max() <= 5e-8
    assert np.abs(x[:, 2] / (a * omega0) + np.sin(omega0 * T)).max() <= 5e-8


@pytest.mark.parametrize("method", ["auto", "DOP853"])
@pytest.mark.parametrize("amplitude", RELEASES)
def test_period_grows_with_the_amplitude(amplitude: float, method: str) -> None:
    """4 K(sin^2(a/2)) / omega0: back at rest, mirrored halfway, no turning point in between."""
    omega0 = 1.7
    period = 4 * ellipk(np.sin(amplitude / 2) ** 2) / omega0
    x = Pendulum(omega0=omega0, method=method).trajectories(
        state(amplitude)[None], np.linspace(0.0, period, 101)
    )[0]
    assert np.abs(x[-1] - x[0]).max() <= 1e-8
    assert np.abs(x[50] - state(-amplitude)).max() <= 1e-8
    assert (x[1:50, 2] < 0).all()
    assert (x[51:-1, 2] > 0).all()


@settings(derandomize=True, database=None, max_examples=200, deadline=None)
@given(
    theta=st.floats(-3.1, 3.1),
    omega=st.floats(-6.0, 6.0),
    omega0=st.floats(0.3, 3.0),
    split=st.floats(0.1, 9.9),
)
def test_closed_form_from_any_state(
    theta: float, omega: float, omega0: float, split: float
) -> None:
    """On the circle, of constant energy, and independent of how time is divided."""
    sim = Pendulum(omega0=omega0)
    x0 = state(theta, omega)[None]
    x = sim.trajectories(x0, np.array([0.0, split, 10.0]))
    size = 1 + energy(x0, omega0).max()
    assert np.abs(x[..., 0] ** 2 + x[..., 1] ** 2 - 1).max() <= 1e-12
    assert np.ptp(energy(x, omega0)) <= 1e-10 * size
    moved = abs((omega / (2 * omega0)) ** 2 + np.sin(theta / 2) ** 2 - 1)
    if moved > 1e-3:  # nearer to the separatrix, rounding of the state grows as exp(omega0 t)
        again = sim.trajectories(x[:, 1], np.array([split, 10.0]))[:, -1]
        assert np.abs(again - x[:, -1]).max() <= 1e-9 * size


@pytest.mark.parametrize(
    "x0",
    [state(3.14159), state(np.pi), state(0.0, 2.0), state(np.pi, -1e-9), state(0.0, 2 + 1e-11)],
    ids=["nearly upright", "upright", "separatrix", "leaving upright", "just beyond"],
)
def test_at_the_separatrix(x0: np.ndarray) -> None:
    """There SciPy's elliptic functions return NaN or 1e20, so DOP853 must take over."""
    x = Pendulum().trajectories(np.stack([x0, state(0.1)]), np.linspace(0.0, 60.0, 601))
    assert np.ptp(energy(x), axis=1).max() <= 1e-8


def test_separatrix_orbit() -> None:
    """From the bottom at 2 omega0: sin(theta/2) = tanh(omega0 t), omega = 2 omega0 / cosh."""
    t = np.linspace(0.0, 5.0, 51)
    x = Pendulum().trajectories(state(0.0, 2.0)[None], t)[0]
    assert np.abs(np.sin(angle(x) / 2) - np.tanh(t)).max() <= 1e-9
    assert np.abs(x[:, 2] - 2 / np.cosh(t)).max() <= 1e-9


def test_damping_takes_energy_at_every_instant() -> None:
    sim = Pendulum(damping=0.3)
    assert sim.invariants(np.zeros((1, 2, 3))) == {}
    x = sim.trajectories(np.stack([state(a, w) for a, w in STARTS]), T)
    assert (np.diff(energy(x), axis=1) < 0).all()


def test_small_damped_swings() -> None:
    """The linear oscillator, released at rest."""
    a, omega0, damping = 1e-4, 1.3, 0.4
    x = Pendulum(omega0=omega0, damping=damping).trajectories(state(a)[None], T)[0]
    wd = np.sqrt(omega0**2 - damping**2 / 4)
    shape = np.cos(wd * T) + damping / (2 * wd) * np.sin(wd * T)
    assert np.abs(angle(x) / a - np.exp(-damping * T / 2) * shape).max() <= 5e-8


@pytest.mark.parametrize("frequency", [2 / 3, 1.0, 1.6])
def test_small_driven_swings(frequency: float) -> None:
    """A cos(W t - phi), A = F / sqrt((w0^2 - W^2)^2 + (g W)^2), for any first time."""
    force, damping = 1e-3, 0.5
    sim = Pendulum(drive=force, damping=damping, drive_frequency=frequency)
    assert sim.period == pytest.approx(2 * np.pi / frequency)
    start = 3.7
    t = start + np.concatenate([[0.0], 60.0 + np.linspace(0.0, 2 * sim.period, 100)])
    theta = angle(sim.trajectories(state(0.0)[None], t)[0])[1:]
    waves = np.stack([np.cos(frequency * t[1:]), np.sin(frequency * t[1:])], axis=1)
    cosine, sine = np.linalg.lstsq(waves, theta, rcond=None)[0]
    stiffness, friction = 1 - frequency**2, damping * frequency
    assert np.hypot(cosine, sine) == pytest.approx(force / np.hypot(stiffness, friction), rel=0.02)
    assert np.arctan2(sine, cosine) == pytest.approx(np.arctan2(friction, stiffness), abs=0.02)


@pytest.mark.parametrize("drive", [0.3, 1.15])
def test_the_drive_keeps_its_phase(drive: float) -> None:
    """A trajectory from t[0] = s on is the end of an earlier one, not one from zero on."""
    sim = Pendulum(drive=drive, damping=0.5)
    whole = sim.trajectories(state(1.0)[None], np.array([0.0, 2.0, 2.5, 3.0]))
    tail = sim.trajectories(whole[:, 1], np.array([2.0, 2.5, 3.0]))
    at_zero = sim.trajectories(whole[:, 1], np.array([0.0, 0.5, 1.0]))
    assert np.abs(tail - whole[:, 1:]).max() <= 1e-9
    assert np.abs(at_zero - whole[:, 1:]).max() > 1e-2


def test_drive_against_an_implicit_method() -> None:
    """Large swings, damped and driven from a time that is not zero, with other code."""
    independent = solve_ivp(
        lambda t, u: [u[1], 1.15 * np.cos(2 / 3 * t) - np.sin(u[0]) - 0.5 * u[1]],
        (4.0, 14.0),
        [2.0, 0.3],
        method="Radau",
        rtol=1e-10,
        atol=1e-10,
    )
    sim = Pendulum(drive=1.15, damping=0.5, drive_frequency=2 / 3)
    x = sim.trajectories(state(2.0, 0.3)[None], np.array([4.0, 14.0]))[0, -1]
    assert np.abs(x - state(*independent.y[:, -1])).max() <= 1e-6


def test_initial_amplitudes_are_below_the_release() -> None:
    """The amplitude of the orbit follows from the energy: E = omega0^2 (1 - cos a)."""
    sim = Pendulum(omega0=1.7, release=1.2)
    x = np.stack([sim.initial(np.random.default_rng(i)) for i in range(400)])
    widest = np.arccos(1 - energy(x, 1.7) / 1.7**2)
    assert np.abs(x[:, 0] ** 2 + x[:, 1] ** 2 - 1).max() <= 1e-12
    assert 0.12 - 1e-9 <= widest.min() < 0.15
    assert 1.17 < widest.max() <= 1.2 + 1e-9


@pytest.mark.parametrize(
    ("name", "value"),
    [("release", np.pi), ("damping", -0.1), ("method", "RK4")],
)
def test_bad_parameters(name: str, value: float | str) -> None:
    with pytest.raises(ValueError, match=f"{name}="):
        Pendulum(**{name: value})


def test_solver_names_the_method() -> None:
    assert Pendulum().solver == "Jacobi elliptic functions"
    assert Pendulum(method="DOP853").solver == Pendulum(damping=0.1).solver == "DOP853"
    assert Pendulum(drive=0.1).solver == "DOP853"
