"""The Lorenz system and the Lyapunov exponents, against literature and independent methods."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from simulators import Lorenz
from simulators.lyapunov import exponents


def on_attractor(count: int) -> np.ndarray:
    rngs = [np.random.default_rng(i) for i in range(count)]
    return Lorenz().simulate(rngs, 0.02, 1)[:, 0]


@pytest.mark.slow
def test_exponents_of_the_classic_parameters() -> None:
    """Sprott (2003): 0.9056, 0, -14.5723; their sum is the divergence, -(sigma + 1 + beta)."""
    found = exponents(Lorenz(rtol=1e-10, atol=1e-10), orbits=256, intervals=250)
    assert found.value[0] == pytest.approx(0.9056, abs=0.01)
    assert found.error[0] <= 0.01
    assert found.value[1] == pytest.approx(0.0, abs=0.003)
    assert found.value.sum() == pytest.approx(-13.666667, abs=1e-5)


def test_declared_exponent_of_the_classic_parameters() -> None:
    assert Lorenz().lyapunov == 0.9056


@pytest.mark.slow
def test_computed_exponent_of_other_parameters() -> None:
    """Wolf et al., Physica D 16 (1985), table 1: 2.16 bits, 1.50 nats, at (16, 45.92, 4)."""
    assert Lorenz(sigma=16.0, rho=45.92, beta=4.0).lyapunov == pytest.approx(1.50, abs=0.03)


def test_no_exponent_if_the_motion_is_not_chaotic() -> None:
    """Below rho 24.06 all orbits end in one of the two fixed points."""
    assert Lorenz(rho=20.0).lyapunov is None


@pytest.mark.slow
def test_trajectories_against_another_method() -> None:
    """RK45 at its smallest tolerance, with other code: up to t = 10 an error grows e^9 times."""
    x0 = on_attractor(4)
    sim = Lorenz()

    def rhs(t: float, u: np.ndarray) -> list[float]:
        x, y, z = u.tolist()
        return [10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z]

    expected = [
        solve_ivp(rhs, (0.0, 10.0), x, method="RK45", rtol=3e-14, atol=1e-13).y[:, -1] for x in x0
    ]
    found = sim.trajectories(x0, np.array([0.0, 10.0]))[:, -1]
    assert np.abs(found - np.stack(expected)).max() <= 1e-5


def test_fixed_points_are_stationary() -> None:
    """The origin and (+-s, +-s, rho - 1), s = sqrt(beta (rho - 1)), for different parameters.

    At rest the step grows to the limit of stability, where interpolation adds 2e-9 within it.
    """
    sim = Lorenz(rho=25.0, beta=3.0)
    s = np.sqrt(3.0 * 24.0)
    x0 = np.array([[0.0, 0.0, 0.0], [s, s, 24.0], [-s, -s, 24.0]])
    assert np.abs(sim.rhs(0.0, x0.T)).max() <= 1e-12
    x = sim.trajectories(x0, np.linspace(0.0, 2.0, 21))
    assert np.abs(x - x0[:, None]).max() <= 1e-8
    assert np.abs(x[:, -1] - x0).max() <= 1e-11


def test_mirror_symmetry() -> None:
    """(x, y, z) -> (-x, -y, z) maps trajectories to trajectories."""
    mirror = np.array([-1.0, -1.0, 1.0])
    x0, t = on_attractor(4), np.linspace(0.0, 2.0, 41)
    sim = Lorenz()
    x = sim.trajectories(x0, t)
    assert np.abs(sim.trajectories(x0 * mirror, t) - x * mirror).max() <= 1e-9
    assert np.abs(x - x * mirror).max() > 1.0


def test_simulated_states_lie_on_the_attractor() -> None:
    """Means over the attractor: x and y zero by symmetry, z 23.55; and beta <z> = <x y>."""
    rngs = [np.random.default_rng(i) for i in range(64)]
    x = Lorenz().simulate(rngs, 0.1, 100)
    assert np.abs(x[..., :2].mean((0, 1))).max() < 1.0
    assert x[..., 2].mean() == pytest.approx(23.55, abs=0.2)
    assert (x[..., 0] * x[..., 1]).mean() == pytest.approx(8 / 3 * x[..., 2].mean(), rel=0.01)
    assert x[..., 2].min() > 0
    assert x[..., 2].max() < 50
