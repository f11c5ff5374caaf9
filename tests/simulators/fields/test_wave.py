"""The wave equation, against a matrix exponential, the continuum, and its statistics."""

import numpy as np
import pytest
from grids import BOUNDARIES, five_point, mode
from scipy import sparse
from scipy.sparse.linalg import expm_multiply

from simulators import Wave

every_boundary = pytest.mark.parametrize("boundary", BOUNDARIES)
laplacians = pytest.mark.parametrize("laplacian", ["5-point", "spectral"])


def generators(count: int) -> list[np.random.Generator]:
    return [np.random.default_rng(i) for i in range(count)]


@every_boundary
def test_against_the_matrix_exponential(boundary: str) -> None:
    """The block operator (u, v) -> (v, c^2 Laplacian u), is built cell by cell, without modes."""
    sim = Wave(speed=1.3, size=(12, 9), spacing=0.7, boundary=boundary)
    laplacian = five_point((12, 9), 0.7, boundary)
    block = sparse.block_array([[None, sparse.eye_array(108)], [1.3**2 * laplacian, None]])
    x0 = np.random.default_rng(0).normal(size=(3, 2, 12, 9))  # the mean of v is not zero
    t = np.array([0.0, 0.2, 1.0, 7.0])
    x = sim.trajectories(x0, 2.5 + t)
    for i, elapsed in enumerate(t):
        expected = expm_multiply(elapsed * block.tocsr(), x0.reshape(3, -1).T, traceA=0.0).T
        assert np.abs(x[:, i].reshape(3, -1) - expected).max() <= 1e-10


@every_boundary
def test_second_order_in_space(boundary: str) -> None:
    """A standing wave cos(omega t), on 16 to 128 cells: the 5-point error quarters each time."""
    t, errors = 0.4, []
    for n in (16, 32, 64, 128):
        sim = Wave(speed=0.7, size=(n, 2 * n), spacing=1 / n, boundary=boundary)
        u0, k2 = mode(sim, 1, 2)
        x = sim.trajectories(np.stack([u0, 0 * u0])[None], np.array([0.0, t]))[0, -1]
        errors.append(np.abs(x[0] - np.cos(0.7 * np.sqrt(k2) * t) * u0).max())
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.abs(orders - 2.0).max() <= 0.1


@every_boundary
@pytest.mark.parametrize(("p", "q"), [(1, 1), (3, 2), (1, 4)])
def test_spectral_standing_wave_equals_the_continuum(boundary: str, p: int, q: int) -> None:
    """u = cos(omega t - 0.4) times a mode, v its derivative, over many periods."""
    sim = Wave(speed=0.7, size=(16, 12), spacing=0.3, boundary=boundary, laplacian="spectral")
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
@pytest.mark.parametrize(("boundary", "sign"), [("neumann", 1), ("dirichlet", -1)])
def test_reflection_equals_an_image(boundary: str, sign: int, laplacian: str) -> None:
    """An edge is a mirror: upright if free, inverted if fixed.

    It is compared with a periodic domain of twice the size, where each wave has its image.
    """
    x0 = np.random.default_rng(0).normal(size=(2, 2, 8, 6))
    doubled = np.concatenate([x0, sign * x0[:, :, ::-1]], axis=2)
    doubled = np.concatenate([doubled, sign * doubled[..., ::-1]], axis=3)
    t = np.array([0.0, 3.0, 40.0])
    found = Wave(size=(8, 6), boundary=boundary, laplacian=laplacian).trajectories(x0, t)
    images = Wave(size=(16, 12), boundary="periodic", laplacian=laplacian).trajectories(doubled, t)
    assert np.abs(found - images[..., :8, :6]).max() <= 1e-11


@every_boundary
@laplacians
def test_time_reversal(boundary: str, laplacian: str) -> None:
    """With reversed velocity all states return in reverse order."""
    sim = Wave(size=(10, 7), boundary=boundary, laplacian=laplacian)
    x = sim.simulate(generators(3), 2.0, 30)
    turn = np.array([1.0, -1.0])[:, None, None]
    back = sim.trajectories(x[:, -1] * turn, 2.0 * np.arange(30))
    assert np.abs(back * turn - x[:, ::-1]).max() <= 1e-12


@every_boundary
def test_energy_is_that_of_springs_between_cells(boundary: str) -> None:
    """v^2/2 per cell, (speed difference / h)^2/2 per spring, half as long at a fixed edge."""
    sim = Wave(speed=1.7, size=(6, 5), spacing=0.5, boundary=boundary)
    x = np.random.default_rng(0).normal(size=(2, 3, 2, 6, 5))
    total = (x[:, :, 1] ** 2).sum((2, 3)) / 2
    for axis in (2, 3):
        u = np.moveaxis(x[:, :, 0], axis, -1)
        stretch = (np.diff(u) ** 2).sum((2, 3))
        if boundary == "periodic":
            stretch += ((u[..., 0] - u[..., -1]) ** 2).sum(2)
        if boundary == "dirichlet":
            stretch += 2 * (u[..., 0] ** 2 + u[..., -1] ** 2).sum(2)
        total += (1.7 / 0.5) ** 2 * stretch / 2
    np.testing.assert_allclose(sim.invariants(x)["energy"], total / 30, rtol=1e-12)


@every_boundary
@laplacians
def test_invariants_hold_for_every_boundary(boundary: str, laplacian: str) -> None:
    """For any state; the mean of v is free if no edge is fixed."""
    sim = Wave(size=(16, 11), boundary=boundary, laplacian=laplacian)
    x0 = np.random.default_rng(0).normal(size=(4, 2, 16, 11))
    found = sim.invariants(sim.trajectories(x0, np.linspace(0.0, 300.0, 50)))
    assert ("momentum" in found) == (boundary != "dirichlet")
    for name, value in found.items():
        assert np.ptp(value, axis=1).max() <= 1e-12, name


@pytest.mark.parametrize("boundary", ["neumann", "periodic"])
def test_a_free_membrane_moves_as_a_whole(boundary: str) -> None:
    x0 = np.broadcast_to(np.array([1.0, 0.3])[:, None, None], (1, 2, 5, 4))
    x = Wave(size=(5, 4), boundary=boundary).trajectories(x0, np.array([0.0, 7.0, 1e4]))
    np.testing.assert_allclose(x[0, :, 0].mean((1, 2)), [1.0, 3.1, 3001.0], rtol=1e-12)
    assert np.ptp(x, axis=(3, 4)).max() <= 1e-9


@every_boundary
def test_initial_waves_are_stationary(boundary: str) -> None:
    """u has standard deviation 1 and no mean at all times; u and v/omega of a mode agree."""
    sim = Wave(boundary=boundary)
    x = sim.simulate(generators(100), 37.0, 4)
    np.testing.assert_allclose((x[:, :, 0] ** 2).mean((0, 2, 3)), 1.0, atol=0.05)
    u, v = np.moveaxis((np.abs(sim.operator.forward(x)) ** 2).mean(0), 1, 0)
    strong = u[0] > 1e-2 * u[0].max()
    ratio = v[:, strong] / (sim.wavenumber[strong] ** 2 * u[:, strong])
    assert np.abs(np.log(ratio)).mean() <= 0.2
    assert np.abs(np.log(ratio).mean()) <= 0.05
    if boundary != "dirichlet":
        assert np.abs(x.mean((3, 4))).max() <= 1e-14


@every_boundary
def test_period_is_that_of_the_slowest_mode(boundary: str) -> None:
    sim = Wave(speed=2.0, size=(10, 10), spacing=0.1, boundary=boundary, laplacian="spectral")
    longest = {"neumann": 1.0, "dirichlet": np.sqrt(0.5), "periodic": 0.5}[boundary]
    assert sim.period == pytest.approx(longest)  # 2 L / c etc., L = 1


@pytest.mark.parametrize(
    ("name", "value"), [("size", (1, 8)), ("boundary", "open"), ("laplacian", "9-point")]
)
def test_bad_parameters(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{name}="):
        Wave(**{name: value})
