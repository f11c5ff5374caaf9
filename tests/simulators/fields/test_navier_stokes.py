"""Two-dimensional flow: closed forms, the advection itself, budgets, symmetries, resolution."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy.integrate import simpson

from simulators import NavierStokes
from simulators.lyapunov import exponents

SPACE = (-3, -2, -1)
DECAYING = NavierStokes(forcing="none", viscosity=0.02, drag=0.01)


@cache
def starts(sim: NavierStokes, count: int = 3) -> np.ndarray:
    return np.stack([sim.initial(np.random.default_rng(i)) for i in range(count)])


def axes(sim: NavierStokes) -> tuple[np.ndarray, np.ndarray]:
    x, y = sim.coordinates.values()
    return x[:, None], y[None, :]


def gradient(sim: NavierStokes, omega: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    kx, ky = sim.wavenumbers
    v = sim.modes(omega)
    return sim.field(1j * kx * v), sim.field(1j * ky * v)


@pytest.mark.parametrize("drag", [0.0, 0.05])
@pytest.mark.parametrize("k", [1, 3])
def test_taylor_green_vortices_decay(k: int, drag: float) -> None:
    """omega = 2 k cos(k x) cos(k y) exp(-(2 viscosity k^2 + drag) t): advection vanishes."""
    sim = NavierStokes(forcing="none", drag=drag)
    x, y = axes(sim)
    x0, t = (2 * k * np.cos(k * x) * np.cos(k * y))[None, None], np.array([0.0, 0.6, 10.0])
    found = sim.trajectories(x0, t)[0]
    decay = np.exp(-(2 * 0.01 * k**2 + drag) * t)
    assert np.abs(found - decay[:, None, None, None] * x0[0]).max() <= 1e-12


@pytest.mark.parametrize("drag", [0.0, 0.05])
@pytest.mark.parametrize("n", [1, 2, 5])
def test_laminar_kolmogorov_flow(n: int, drag: float) -> None:
    """From rest, u_x = amplitude sin(n y) (1 - exp(-r t)) / r, r = viscosity n^2 + drag."""
    sim = NavierStokes(wavenumber=n, drag=drag)
    rate, t = 0.01 * n**2 + drag, np.array([0.0, 0.6, 10.0])
    speed = 0.04 / rate * -np.expm1(-rate * t)
    found = sim.trajectories(np.zeros((1, *sim.shape)), t)[0, :, 0]
    y = axes(sim)[1]
    assert np.abs(found + n * speed[:, None, None] * np.cos(n * y)).max() <= 1e-13
    ux, uy = sim.velocity(sim.modes(found))
    assert np.abs(ux - speed[:, None, None] * np.sin(n * y)).max() <= 1e-13
    assert np.abs(uy).max() <= 1e-13


def test_advection_equals_its_definition() -> None:
    """-u . grad omega as a product on a grid of twice the points, where it is exact."""
    sim, fine = NavierStokes(forcing="none"), NavierStokes(forcing="none", size=(64, 64))
    omega = starts(sim)
    x, y = axes(fine)
    kx, ky = sim.wavenumbers
    modes = sim.modes(omega)[:, 0] / 32**2 * np.where(ky > 0, 2, 1)
    along_x = np.exp(1j * kx.ravel() * x)
    along_y = np.exp(1j * ky.ravel() * y.ravel()[:, None])
    finer = (along_x @ modes @ along_y.T).real[:, None]
    assert np.abs(finer[..., ::2, ::2] - omega).max() <= 1e-13
    ux, uy = fine.velocity(fine.modes(finer))
    slope_x, slope_y = gradient(fine, finer)
    expected = fine.modes(-ux * slope_x - uy * slope_y)[..., np.r_[:11, -10:0], :11] / 4
    found = sim.nonlinear(sim.modes(omega))[..., np.r_[:11, -10:0], :]
    assert np.abs(found - expected).max() <= 1e-10 * np.abs(expected).max()
    assert (
        np.abs(gradient(sim, ux[..., ::2, ::2])[0] + gradient(sim, uy[..., ::2, ::2])[1]).max()
        <= 1e-13
    )


def test_advection_conserves_energy_and_enstrophy() -> None:
    """Its products with the stream function and with the vorticity vanish to rounding."""
    sim = NavierStokes(forcing="none")
    omega = starts(sim)
    kx, ky = sim.wavenumbers
    k2 = np.where(kx**2 + ky**2 == 0, np.inf, kx**2 + ky**2)
    v = sim.modes(omega)
    advection = sim.field(sim.nonlinear(v))
    for weight in (omega, sim.field(v / k2)):
        size = np.abs(weight * advection).mean(SPACE)
        assert (np.abs((weight * advection).mean(SPACE)) <= 1e-14 * size).all()


@pytest.mark.parametrize("sim", [DECAYING, NavierStokes(drag=0.01)], ids=["decaying", "forced"])
def test_budgets_of_energy_and_enstrophy(sim: NavierStokes) -> None:
    """E = <u^2>/2, Z = <omega^2>/2 and P = <|grad omega|^2>/2 along a trajectory.

    dE/dt = -2 viscosity Z - 2 drag E + <f . u>, dZ/dt = -2 viscosity P - 2 drag Z + <omega curl f>,
    integrated by Simpson's rule.
    """
    omega = sim.trajectories(starts(sim), np.linspace(0.0, 5.0, 81))
    ux, uy = sim.velocity(sim.modes(omega))
    slope_x, slope_y = gradient(sim, omega)
    n, force = sim.wavenumber, sim.amplitude * sim.forced
    y = axes(sim)[1]
    means = (ux**2 + uy**2, omega**2, slope_x**2 + slope_y**2)
    energy, enstrophy, palinstrophy = (square.mean(SPACE) / 2 for square in means)
    power = (force * np.sin(n * y) * ux).mean(SPACE)
    stirring = (-force * n * np.cos(n * y) * omega).mean(SPACE)
    for value, loss, gain in ((energy, enstrophy, power), (enstrophy, palinstrophy, stirring)):
        rate = gain - 2 * sim.viscosity * loss - 2 * sim.drag * value
        change = value[:, -1] - value[:, 0]
        assert np.abs(change - simpson(rate, dx=5 / 80, axis=1)).max() <= 1e-6
        assert np.abs(change).min() >= 1e-4


@pytest.mark.parametrize("sim", [DECAYING, NavierStokes()], ids=["decaying", "forced"])
def test_order_four_in_time(sim: NavierStokes) -> None:
    x0, t = starts(sim), np.array([0.0, 2.0])
    steps = 1 / np.array([5, 10, 20, 40])
    x = [replace(sim, step=h).trajectories(x0, t)[:, -1] for h in (*steps, 1 / 160)]
    errors = np.array([np.abs(found - x[-1]).max() for found in x[:-1]])
    orders = np.log2(errors[:-1] / errors[1:])
    assert np.abs(orders - 4).max() <= 0.25, f"errors {errors}, orders {orders}"


def test_symmetries() -> None:
    """Translations and a quarter turn without a force; a force keeps some of them."""
    t = np.array([0.0, 3.0])
    x0 = starts(DECAYING)
    x = DECAYING.trajectories(x0, t)[:, -1]
    for move in (
        lambda f: np.roll(f, (5, 11), (-2, -1)),
        lambda f: np.rot90(f, axes=(-2, -1)),
        lambda f: -f[..., ::-1],
    ):
        assert np.abs(DECAYING.trajectories(move(x0), t)[:, -1] - move(x)).max() <= 1e-12
    sim = NavierStokes()
    x = sim.trajectories(x0, t)[:, -1]
    for move, alike in (
        (lambda f: np.roll(f, 5, -2), True),
        (lambda f: np.roll(f, 16, -1), True),
        (lambda f: -np.roll(f[..., ::-1, :], 8, -1), True),
        (lambda f: np.roll(f, 5, -1), False),
    ):
        apart = np.abs(sim.trajectories(move(x0), t)[:, -1] - move(x)).max()
        assert (apart <= 1e-12) == alike


@pytest.mark.parametrize("size", [(32, 32), (24, 40)])
def test_initial_state(size: tuple[int, int]) -> None:
    """Root mean square speed, energy around the peak, no mean and no unresolved modes."""
    sim = NavierStokes(size=size, peak=4, speed=0.7)
    omega = starts(sim, 200)
    ux, uy = sim.velocity(sim.modes(omega))
    np.testing.assert_allclose((ux**2 + uy**2).mean(SPACE), 0.49, rtol=1e-12)
    assert np.abs(omega.mean(SPACE)).max() <= 1e-14
    assert np.abs(sim.field(sim.modes(omega)) - omega).max() <= 1e-13
    kx, ky = sim.wavenumbers
    k = np.sqrt(kx**2 + ky**2)
    energy = (np.abs(sim.modes(omega)[:, 0]) ** 2).mean(0) / np.maximum(k, 1) ** 2
    shells = [(energy * np.where(ky > 0, 2, 1))[np.rint(k) == q].sum() for q in range(1, 8)]
    assert np.argmax(shells) + 1 == 4


def test_energy_and_enstrophy_never_grow_without_forcing() -> None:
    x = DECAYING.simulate([np.random.default_rng(i) for i in range(4)], 1.0, 40)
    DECAYING.require_invariants(x)
    assert set(DECAYING.invariants(x)) == {"mean vorticity", "energy growth", "enstrophy growth"}
    grown = DECAYING.invariants(x[:, ::-1])
    assert (grown["energy growth"][:, -1] > 0.001).all()
    assert (grown["enstrophy growth"][:, -1] > 0.001).all()
    assert set(NavierStokes().invariants(x)) == {"mean vorticity"}


@pytest.mark.slow
def test_the_transient_ends_in_stationary_flow() -> None:
    """Enstrophy after the transient is that of much later, far from the laminar flow."""
    sim = NavierStokes(step=0.1)
    omega = sim.simulate([np.random.default_rng(i) for i in range(48)], 75.0, 2)
    early, late = (omega**2).mean((0, 2, 3, 4)) / 2
    assert early == pytest.approx(late, rel=0.25)
    assert late < 0.1 * (0.04 * 2 / 0.04) ** 2 / 4


def test_defaults_resolve_the_flow() -> None:
    """Twice the points give the same flow to 0.01 for half a Lyapunov time."""
    sim, fine = NavierStokes(), NavierStokes(size=(64, 64))
    x0 = sim.simulate([np.random.default_rng(i) for i in range(2)], 1.0, 1)[:, 0]
    v = sim.modes(x0)
    padded = np.zeros((2, 1, 64, 22), complex)
    padded[..., np.r_[:11, -10:0], :11] = 4 * v[..., np.r_[:11, -10:0], :]
    t = np.array([0.0, 18.0])
    x = sim.trajectories(x0, t)[:, -1]
    finer = fine.trajectories(fine.field(padded), t)[:, -1, :, ::2, ::2]
    assert (x - finer).std() <= 0.01 * x.std()


@pytest.mark.slow
def test_declared_exponent() -> None:
    sim = NavierStokes(step=0.1)
    found = exponents(sim, 1, every=5.0, intervals=100, orbits=16)
    assert sim.lyapunov == pytest.approx(found.value[0], abs=0.005)
    assert NavierStokes(viscosity=0.02).lyapunov is None


@pytest.mark.parametrize(
    ("name", "value"),
    [("size", (32,)), ("forcing", "stirred"), ("drag", -0.1), ("wavenumber", 11), ("peak", 0)],
)
def test_bad_parameters(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{name}="):
        NavierStokes(**{name: value})
