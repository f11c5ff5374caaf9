"""The double pendulum: normal modes, the simple pendulum, Hamilton's equations, its measure."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import eigh

from simulators import DoublePendulum, Pendulum
from simulators.lyapunov import exponents

UNLIKE = DoublePendulum(m1=1.3, m2=0.7, l1=0.8, l2=1.2, g=9.0)


def state(theta: np.ndarray, omega: np.ndarray) -> np.ndarray:
    """Return the state of angles and speeds (..., 2)."""
    angles = np.stack([np.sin(theta), np.cos(theta)], axis=-1)
    return np.concatenate([angles.reshape(*theta.shape[:-1], 4), omega], axis=-1)


def angles(x: np.ndarray) -> np.ndarray:
    return np.arctan2(x[..., (0, 2)], x[..., (1, 3)])


def samples(sim: DoublePendulum, count: int) -> np.ndarray:
    return np.stack([sim.initial(np.random.default_rng([7, i])) for i in range(count)])


def mass(sim: DoublePendulum, d: float) -> np.ndarray:
    """Return the matrix M of the kinetic energy, omega M omega / 2."""
    off = sim.m2 * sim.l1 * sim.l2 * np.cos(d)
    return np.array([[(sim.m1 + sim.m2) * sim.l1**2, off], [off, sim.m2 * sim.l2**2]])


def weight(sim: DoublePendulum) -> np.ndarray:
    """Return the weight of the potential energy weight . (1 - cos theta)."""
    return sim.g * np.array([(sim.m1 + sim.m2) * sim.l1, sim.m2 * sim.l2])


@pytest.mark.parametrize("mode", [0, 1])
def test_small_swings_are_the_normal_modes(mode: int) -> None:
    """K v = W^2 M v in closed form; the relative error is of the second order in the amplitude."""
    squares, modes = eigh(np.diag(weight(UNLIKE)), mass(UNLIKE, 0.0))
    frequency, shape = np.sqrt(squares[mode]), modes[:, mode] / np.abs(modes[:, mode]).max()
    t = np.linspace(0.0, 5.0, 51)
    amplitudes = np.array([0.02, 0.01, 0.005])
    x0 = state(amplitudes[:, None] * shape, np.zeros((3, 2)))
    theta = angles(UNLIKE.trajectories(x0, t)) / amplitudes[:, None, None]
    error = np.abs(theta - np.cos(frequency * t)[:, None] * shape).max((1, 2))
    assert error[-1] <= 1e-3
    assert np.abs(np.log2(error[:-1] / error[1:]) - 2.0).max() <= 0.02


def test_the_period_is_that_of_the_slower_mode() -> None:
    squares = eigh(np.diag(weight(UNLIKE)), mass(UNLIKE, 0.0), eigvals_only=True)
    assert UNLIKE.period == pytest.approx(2 * np.pi / np.sqrt(squares[0]), rel=1e-12)


def test_with_a_light_second_bob_the_first_is_a_simple_pendulum() -> None:
    """In closed form at any amplitude, also turning over."""
    sim = DoublePendulum(m2=1e-12, l1=0.8)
    t = np.linspace(0.0, 4.0, 81)
    theta, omega = np.array([[1.0, 0.3], [3.0, -1.0], [-0.5, 2.0]]), np.zeros((3, 2))
    omega[2, 0] = 9.0
    found = sim.trajectories(state(theta, omega), t)[..., (0, 1, 4)]
    simple = Pendulum(omega0=np.sqrt(sim.g / sim.l1))
    expected = simple.trajectories(found[:, 0], t)
    assert np.abs(found - expected).max() <= 1e-7


def test_against_hamiltons_equations() -> None:
    """Momenta instead of speeds, another method: d theta/dt = M^-1 p, dp/dt = -dH/d theta."""
    sim, x0, t = UNLIKE, samples(UNLIKE, 4), np.linspace(0.0, 4.0, 41)

    def rhs(_: float, u: np.ndarray) -> np.ndarray:
        theta, p = u[:2], u[2:]
        d = theta[0] - theta[1]
        omega = np.linalg.solve(mass(sim, d), p)
        couple = sim.m2 * sim.l1 * sim.l2 * np.sin(d) * omega[0] * omega[1]
        return np.concatenate([omega, np.array([-couple, couple]) - weight(sim) * np.sin(theta)])

    for start, found in zip(x0, sim.trajectories(x0, t), strict=True):
        theta, omega = angles(start), start[4:]
        p = mass(sim, theta[0] - theta[1]) @ omega
        u0 = np.concatenate([theta, p])
        u = solve_ivp(rhs, (0.0, 4.0), u0, "DOP853", t, rtol=1e-12, atol=1e-12).y.T
        speeds = np.stack([np.linalg.solve(mass(sim, v[0] - v[1]), v[2:]) for v in u])
        assert np.abs(state(u[:, :2], speeds) - found).max() <= 1e-6


def test_time_is_reversible() -> None:
    sim = DoublePendulum()
    x0, mirror = samples(sim, 8), np.array([1.0, 1.0, 1.0, 1.0, -1.0, -1.0])
    there = sim.trajectories(x0, np.array([0.0, 3.0]))[:, -1]
    back = sim.trajectories(there * mirror, np.array([0.0, 3.0]))[:, -1]
    assert np.abs(back * mirror - x0).max() <= 1e-6


def test_energy_over_a_long_time() -> None:
    x = UNLIKE.simulate([np.random.default_rng(i) for i in range(4)], 0.5, 30)
    energy = UNLIKE.invariants(x)["energy"]
    released = (weight(UNLIKE) * (1 - np.cos(UNLIKE.release))).sum()
    assert np.abs(energy / released - 1).max() <= 1e-10


def test_initial_states_share_the_energy_among_the_momenta() -> None:
    """Microcanonical: equipartition, <p1 omega1> = <p2 omega2>, the mean kinetic energy."""
    x = samples(UNLIKE, 1000)
    theta, omega = angles(x), x[:, 4:]
    momenta = np.stack([mass(UNLIKE, a - b) @ w for (a, b), w in zip(theta, omega, strict=True)])
    share = (momenta * omega).mean(0)
    assert share[0] == pytest.approx(share[1], rel=0.1)


def test_initial_states_have_the_invariant_measure() -> None:
    """Moments are the same after any time."""
    sim = DoublePendulum(rtol=1e-5, atol=1e-5, m1=0.5)  # a light m1: M varies much
    x = sim.trajectories(samples(sim, 1500), np.array([0.0, 1.5]))
    together = x[..., 1] * x[..., 3] + x[..., 0] * x[..., 2]
    for value in (x[..., 1], x[..., 3], together**2, x[..., 4] ** 2, x[..., 5] ** 2):
        error = np.sqrt(2 / len(x)) * value[:, 0].std()
        assert abs(value[:, 1].mean() - value[:, 0].mean()) <= 4 * error


@pytest.mark.slow
def test_the_declared_exponent() -> None:
    """A coarse check; the docstring has the command that measured it."""
    sim = DoublePendulum(rtol=1e-7, atol=1e-7)
    found = exponents(sim, 1, every=0.4, intervals=100, orbits=128)
    assert found.error[0] <= 0.05
    assert DoublePendulum().lyapunov == pytest.approx(found.value[0], abs=0.05)


@pytest.mark.slow
def test_the_declared_exponent_closely() -> None:
    found = exponents(DoublePendulum(rtol=1e-10, atol=1e-10), 1, 0.4, intervals=500, orbits=512)
    assert DoublePendulum().lyapunov == pytest.approx(found.value[0], abs=2 * found.error[0])


def test_gentle_swings_are_not_chaotic() -> None:
    assert DoublePendulum(release=0.5, rtol=1e-7, atol=1e-7).lyapunov is None


def test_the_scene_has_rods_of_the_right_length() -> None:
    scene = UNLIKE.scene(samples(UNLIKE, 5))
    ends = scene.bars[..., 2:4] - scene.bars[..., :2]
    np.testing.assert_allclose(np.hypot(*np.moveaxis(ends, -1, 0)), [[0.8, 1.2]] * 5, rtol=1e-12)
    np.testing.assert_array_equal(scene.bars[..., 2:4], scene.discs[..., :2])
    hanging = UNLIKE.scene(state(np.zeros((1, 2)), np.zeros((1, 2)))).discs[0, :, :2]
    np.testing.assert_allclose(hanging, [[0.0, -0.8], [0.0, -2.0]], rtol=1e-12)


@pytest.mark.parametrize(("name", "value"), [("release", 3.2), ("method", "RK4")])
def test_bad_parameters(name: str, value: float | str) -> None:
    with pytest.raises(ValueError, match=f"{name}="):
        DoublePendulum(**{name: value})
