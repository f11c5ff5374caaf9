"""The heat equation, against a matrix exponential, the continuum, and its statistics."""

import numpy as np
import pytest
from grids import BOUNDARIES, five_point, mode
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import fft
from scipy.sparse.linalg import expm_multiply

from simulators import Heat

every_boundary = pytest.mark.parametrize("boundary", BOUNDARIES)
T = np.array([0.0, 0.2, 1.0, 7.0])


@every_boundary
def test_against_the_matrix_exponential(boundary: str) -> None:
    """The 5-point operator here is built cell by cell, without transforms."""
    sim = Heat(diffusivity=0.8, size=(12, 9), spacing=0.7, boundary=boundary)
    laplacian = five_point((12, 9), 0.7, boundary)
    u0 = np.random.default_rng(0).normal(size=(3, 1, 12, 9))
    x = sim.trajectories(u0, 2.5 + T)
    columns = u0.reshape(3, -1).T
    for i, t in enumerate(T):
        expected = expm_multiply((0.8 * t) * laplacian, columns).T
        assert np.abs(x[:, i].reshape(3, -1) - expected).max() <= 1e-10


@every_boundary
def test_second_order_in_space(boundary: str) -> None:
    """The 5-point error against the continuum quarters as the cells halve, n = 16 to 128."""
    t, errors = 0.05, []
    for n in (16, 32, 64, 128):
        sim = Heat(diffusivity=0.7, size=(n, 2 * n), spacing=1 / n, boundary=boundary)
        u0, k2 = mode(sim, 1, 2)
        x = sim.trajectories(u0[None, None], np.array([0.0, t]))[0, -1, 0]
        errors.append(np.abs(x - np.exp(-0.7 * k2 * t) * u0).max())
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.abs(orders - 2.0).max() <= 0.1


@every_boundary
@pytest.mark.parametrize(("p", "q"), [(1, 1), (3, 2), (1, 4)])
def test_spectral_laplacian_equals_the_continuum(boundary: str, p: int, q: int) -> None:
    sim = Heat(diffusivity=0.7, size=(16, 12), spacing=0.3, boundary=boundary, laplacian="spectral")
    u0, k2 = mode(sim, p, q)
    t = np.linspace(0.0, 2.0, 9)
    x = sim.trajectories(u0[None, None], t)[0, :, 0]
    assert np.abs(x - np.exp(-0.7 * k2 * t)[:, None, None] * u0).max() <= 1e-12


@pytest.mark.parametrize("boundary", ["neumann", "periodic"])
@pytest.mark.parametrize("laplacian", ["5-point", "spectral"])
def test_mean_temperature_is_constant(boundary: str, laplacian: str) -> None:
    sim = Heat(size=(20, 13), boundary=boundary, laplacian=laplacian)
    u0 = 3.0 + np.random.default_rng(0).normal(size=(4, 1, 20, 13))
    mean = sim.trajectories(u0, np.linspace(0.0, 200.0, 50)).mean((2, 3, 4))
    assert np.abs(mean - u0.mean((1, 2, 3))[:, None]).max() <= 1e-12


def test_heat_leaves_through_a_dirichlet_boundary() -> None:
    sim = Heat(size=(8, 8), boundary="dirichlet")
    x = sim.trajectories(np.ones((1, 1, 8, 8)), np.array([0.0, 10.0, 200.0]))
    mean = x.mean((2, 3, 4))[0]
    assert mean[1] < 0.9
    assert mean[2] < 1e-3
    assert "mean temperature" not in sim.invariants(x)


@every_boundary
@settings(derandomize=True, database=None, max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.tuples(st.integers(2, 9), st.integers(2, 9)),
    hot=st.floats(-3.0, 3.0),
)
def test_maximum_principle(boundary: str, seed: int, size: tuple[int, int], hot: float) -> None:
    """With a single hot cell on noise, no cell leaves the initial range of temperatures."""
    sim = Heat(size=size, boundary=boundary)
    u0 = np.random.default_rng(seed).uniform(-1.0, 1.0, size=(1, 1, *size))
    u0[0, 0, 0, 0] = hot
    x = sim.trajectories(u0, np.geomspace(0.01, 100.0, 30))
    at_boundary = [0.0] if boundary == "dirichlet" else []
    assert x.max() <= max([u0.max(), *at_boundary]) + 1e-12
    assert x.min() >= min([u0.min(), *at_boundary]) - 1e-12


def test_invariants_notice_a_violation() -> None:
    """Otherwise the law could not fail."""
    sim = Heat(size=(4, 4))
    x = np.zeros((1, 3, 1, 4, 4))
    x[0, 1, 0, 0, 0], x[0, 2, 0, 0, 0] = 0.5, -0.25
    found = sim.invariants(x)
    np.testing.assert_allclose(found["maximum principle"], [[0.0, 0.5, 0.25]])
    np.testing.assert_allclose(found["mean temperature"], [[0.0, 0.5 / 16, -0.25 / 16]])


@every_boundary
@pytest.mark.parametrize("laplacian", ["5-point", "spectral"])
def test_invariants_hold_for_every_boundary(boundary: str, laplacian: str) -> None:
    sim = Heat(size=(16, 11), boundary=boundary, laplacian=laplacian)
    x = sim.simulate([np.random.default_rng(i) for i in range(4)], 1.0, 50)
    for name, value in sim.invariants(x).items():
        assert np.ptp(value, axis=1).max() <= 1e-12, name


@every_boundary
@pytest.mark.parametrize("size", [(32, 32), (24, 10)])
def test_initial_field_has_unit_standard_deviation(boundary: str, size: tuple[int, int]) -> None:
    sim = Heat(size=size, boundary=boundary)
    for seed in range(5):
        field = sim.initial(np.random.default_rng(seed))
        assert field.shape == (1, *size)
        assert field.std() == pytest.approx(1.0, abs=1e-12)


@every_boundary
@pytest.mark.parametrize("smoothness", [2.0, 0.7])
def test_initial_spectrum(boundary: str, smoothness: float) -> None:
    """Mean square amplitude of each mode proportional to exp(-2 s |k|^2), |k| in radians per cell.

    The mean is geometric: scaling a field to unit standard deviation multiplies all its modes
    alike, so the logarithms' differences between modes are untouched by it, while an arithmetic
    mean is biased.
    """
    n, samples = 16, 2000
    sim = Heat(size=(n, n), boundary=boundary, smoothness=smoothness)
    rng = np.random.default_rng(0)
    fields = np.stack([sim.initial(rng)[0] for _ in range(samples)])
    if boundary == "periodic":
        amplitude, k = fft.fft2(fields, norm="ortho"), 2 * np.pi * fft.fftfreq(n)
        free = np.arange(n)[:, None] % (n // 2) + np.arange(n) % (n // 2) > 0  # complex modes
        std = np.pi / np.sqrt(6)  # of log of a chi-square of 2 degrees
    else:
        transform = fft.dctn if boundary == "neumann" else fft.dstn
        amplitude = transform(fields, axes=(1, 2), norm="ortho")
        k = np.pi * (np.arange(n) + (boundary == "dirichlet")) / n
        free, std = np.full((n, n), True), np.pi / np.sqrt(2)  # of 1 degree
    k2 = k[:, None] ** 2 + k**2
    kept = free & (k2 < 6)  # finer modes are below rounding
    power = np.log(np.abs(amplitude[:, kept]) ** 2).mean(0)
    level = power + 2 * smoothness * k2[kept]
    assert np.abs(level - level.mean()).max() <= 5 * std / np.sqrt(samples)
    slope = np.polyfit(k2[kept], power, 1)[0]
    assert slope == pytest.approx(-2 * smoothness, abs=0.03)


def test_initial_field_does_not_depend_on_the_spacing() -> None:
    """Smoothness is in cells."""
    fields = [Heat(spacing=h).initial(np.random.default_rng(0)) for h in (0.1, 1.0)]
    np.testing.assert_array_equal(*fields)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("size", (1, 8)),
        ("size", (8,)),
        ("size", (8.0, 8)),
        ("boundary", "open"),
        ("laplacian", "9-point"),
    ],
)
def test_bad_parameters(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{name}="):
        Heat(**{name: value})


def test_coordinates_are_cell_centres() -> None:
    found = Heat(size=(3, 2), spacing=0.5).coordinates
    np.testing.assert_allclose(found["x"], [0.25, 0.75, 1.25])
    np.testing.assert_allclose(found["y"], [0.25, 0.75])
