"""The wave equation, against a matrix exponential, the continuum, and its own statistics."""

import numpy as np
import pytest
from grids import BOUNDARIES, five_point, mode
from scipy import sparse
from scipy.sparse.linalg import expm_multiply

from simulators import Wave

boundary = pytest.mark.parametrize("wall", BOUNDARIES)
laplacians = pytest.mark.parametrize("laplacian", ["5-point", "spectral"])


def generators(count: int) -> list[np.random.Generator]:
    return [np.random.default_rng(i) for i in range(count)]


@boundary
def test_against_the_matrix_exponential(wall: str) -> None:
    """The block operator (u, v) -> (v, c^2 Laplacian u), cell by cell, knows nothing of modes."""
    sim = Wave(speed=1.3, size=(12, 9), spacing=0.7, boundary=wall)
    laplacian = five_point((12, 9), 0.7, wall)
    block = sparse.block_array([[None, sparse.eye_array(108)], [1.3**2 * laplacian, None]])
    x0 = np.random.default_rng(0).normal(size=(3, 2, 12, 9))  # the mean of v is not zero
    t = np.array([0.0, 0.2, 1.0, 7.0])
    x = sim.trajectories(x0, 2.5 + t)
    for i, elapsed in enumerate(t):
        expected = expm_multiply(elapsed * block.tocsr(), x0.reshape(3, -1).T, traceA=0.0).T
        assert np.abs(x[:, i].reshape(3, -1) - expected).max() <= 1e-10


@boundary
def test_second_order_in_space(wall: str) -> None:
    """A standing wave cos(omega t), on 16 to 128 cells: the 5-point error quarters each time."""
    t, errors = 0.4, []
    for n in (16, 32, 64, 128):
        sim = Wave(speed=0.7, size=(n, 2 * n), spacing=1 / n, boundary=wall)
        u0, k2 = mode(sim, 1, 2)
        x = sim.trajectories(np.stack([u0, 0 * u0])[None], np.array([0.0, t]))[0, -1]
        errors.append(np.abs(x[0] - np.cos(0.7 * np.sqrt(k2) * t) * u0).max())
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.abs(orders - 2.0).max() <= 0.1


@boundary
@pytest.mark.parametrize(("p", "q"), [(1, 1), (3, 2), (1, 4)])
def test_spectral_standing_wave_is_the_continuum(wall: str, p: int, q: int) -> None:
    """u = cos(omega t - 0.4) times a mode, v its derivative, over many periods."""
    sim = Wave(speed=0.7, size=(16, 12), spacing=0.3, boundary=wall, laplacian="spectral")
    shape, k2 = mode(sim, p, q)
    omega = 0.7 * np.sqrt(k2)
    t = np.linspace(0.0, 50.0, 101)
    turn = omega * t[:, None, None] - 0.4
    expected = np.stack([np.cos(turn) * shape, -omega * np.sin(turn) * shape], axis=1)
    x = sim.trajectories(expected[:1], t)[0]
    assert np.abs(x - expected).max() <= 1e-11


@pytest.mark.parametrize("axis", [0, 1])
def test_plane_wave_travels_unchanged(axis: int) -> None:
    """D'Alembert: u = f(x - c t), v = -c f'(x - c t), f periodic and smooth."""
    n, c = 48, 0.8
    sim = Wave(speed=c, size=(n, n), spacing=1 / n, boundary="periodic", laplacian="spectral")
    x = sim.coordinates["x"]

    def expected(t: float) -> np.ndarray:
        turn = 2 * np.pi * (x - c * t)
        u, slope = np.exp(np.sin(turn)), 2 * np.pi * np.cos(turn) * np.exp(np.sin(turn))
        frame = np.broadcast_to(np.stack([u, -c * slope])[..., None], (2, n, n))
        return frame if axis == 0 else frame.swapaxes(1, 2)

    t = np.array([0.0, 0.123, 0.5, 3.21])
    found = sim.trajectories(expected(0.0)[None], t)[0]
    assert np.abs(found - np.stack([expected(s) for s in t])).max() <= 1e-10


@laplacians
@pytest.mark.parametrize(("wall", "sign"), [("neumann", 1), ("dirichlet", -1)])
def test_reflection_is_that_of_an_image(wall: str, sign: int, laplacian: str) -> None:
    """A wall is a mirror: upright for free edges, upside down for fixed ones. No wall is needed
    on twice the domain, periodic, where each wave has its images."""
    x0 = np.random.default_rng(0).normal(size=(2, 2, 8, 6))
    doubled = np.concatenate([x0, sign * x0[:, :, ::-1]], axis=2)
    doubled = np.concatenate([doubled, sign * doubled[..., ::-1]], axis=3)
    t = np.array([0.0, 3.0, 40.0])
    found = Wave(size=(8, 6), boundary=wall, laplacian=laplacian).trajectories(x0, t)
    images = Wave(size=(16, 12), boundary="periodic", laplacian=laplacian).trajectories(doubled, t)
    assert np.abs(found - images[..., :8, :6]).max() <= 1e-11


@boundary
@laplacians
def test_time_reversal(wall: str, laplacian: str) -> None:
    """With the velocity turned round, every state comes back in the reverse order."""
    sim = Wave(size=(10, 7), boundary=wall, laplacian=laplacian)
    x = sim.simulate(generators(3), 2.0, 30)
    turn = np.array([1.0, -1.0])[:, None, None]
    back = sim.trajectories(x[:, -1] * turn, 2.0 * np.arange(30))
    assert np.abs(back * turn - x[:, ::-1]).max() <= 1e-12


@boundary
def test_energy_is_that_of_springs_between_cells(wall: str) -> None:
    """v^2/2 a cell and (speed difference / h)^2/2 a spring; one to a fixed wall is half as long."""
    sim = Wave(speed=1.7, size=(6, 5), spacing=0.5, boundary=wall)
    x = np.random.default_rng(0).normal(size=(2, 3, 2, 6, 5))
    total = (x[:, :, 1] ** 2).sum((2, 3)) / 2
    for axis in (2, 3):
        u = np.moveaxis(x[:, :, 0], axis, -1)
        stretch = (np.diff(u) ** 2).sum((2, 3))
        if wall == "periodic":
            stretch += ((u[..., 0] - u[..., -1]) ** 2).sum(2)
        if wall == "dirichlet":
            stretch += 2 * (u[..., 0] ** 2 + u[..., -1] ** 2).sum(2)
        total += (1.7 / 0.5) ** 2 * stretch / 2
    np.testing.assert_allclose(sim.invariants(x)["energy"], total / 30, rtol=1e-12)


@boundary
@laplacians
def test_invariants_hold_for_every_wall(wall: str, laplacian: str) -> None:
    """Of any state; the mean of v is free where nothing holds the membrane."""
    sim = Wave(size=(16, 11), boundary=wall, laplacian=laplacian)
    x0 = np.random.default_rng(0).normal(size=(4, 2, 16, 11))
    found = sim.invariants(sim.trajectories(x0, np.linspace(0.0, 300.0, 50)))
    assert ("momentum" in found) == (wall != "dirichlet")
    for name, value in found.items():
        assert np.ptp(value, axis=1).max() <= 1e-12, name


@pytest.mark.parametrize("wall", ["neumann", "periodic"])
def test_a_free_membrane_moves_as_a_whole(wall: str) -> None:
    x0 = np.broadcast_to(np.array([1.0, 0.3])[:, None, None], (1, 2, 5, 4))
    x = Wave(size=(5, 4), boundary=wall).trajectories(x0, np.array([0.0, 7.0, 1e4]))
    np.testing.assert_allclose(x[0, :, 0].mean((1, 2)), [1.0, 3.1, 3001.0], rtol=1e-12)
    assert np.ptp(x, axis=(3, 4)).max() <= 1e-9


@boundary
def test_initial_waves_are_stationary(wall: str) -> None:
    """u deviates by 1 and carries no mean, then and later; u and v/omega of a mode are alike."""
    sim = Wave(boundary=wall)
    x = sim.simulate(generators(100), 37.0, 4)
    np.testing.assert_allclose((x[:, :, 0] ** 2).mean((0, 2, 3)), 1.0, atol=0.05)
    u, v = np.moveaxis((np.abs(sim.operator.forward(x)) ** 2).mean(0), 1, 0)
    strong = u[0] > 1e-2 * u[0].max()
    ratio = v[:, strong] / (sim.wavenumber[strong] ** 2 * u[:, strong])
    assert np.abs(np.log(ratio)).mean() <= 0.2
    assert np.abs(np.log(ratio).mean()) <= 0.05
    if wall != "dirichlet":
        assert np.abs(x.mean((3, 4))).max() <= 1e-14


@boundary
def test_period_is_that_of_the_slowest_mode(wall: str) -> None:
    sim = Wave(speed=2.0, size=(10, 10), spacing=0.1, boundary=wall, laplacian="spectral")
    longest = {"neumann": 1.0, "dirichlet": np.sqrt(0.5), "periodic": 0.5}[wall]
    assert sim.period == pytest.approx(longest)  # 2 L / c, and so on, L = 1


@pytest.mark.parametrize(
    ("name", "value"), [("size", (1, 8)), ("boundary", "open"), ("laplacian", "9-point")]
)
def test_bad_parameters(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{name}="):
        Wave(**{name: value})
