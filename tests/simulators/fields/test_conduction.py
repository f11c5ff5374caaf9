"""Conduction, against a dense exponential, made and layered solutions, and the plain heat equation.

Matrices here are assembled face by face, by a loop.
"""

from functools import cached_property

import numpy as np
import pytest
from grids import BOUNDARIES
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm

from simulators import Conduction, Heat, SimulationError

every_boundary = pytest.mark.parametrize("boundary", BOUNDARIES)
materials = pytest.mark.parametrize("material", ["smooth", "two-phase"])


def generators(count: int) -> list[np.random.Generator]:
    return [np.random.default_rng(100 + i) for i in range(count)]


def assembled(kappa: np.ndarray, spacing: float, boundary: str) -> np.ndarray:
    """Return the matrix of cells that exchange heat through two half cells in series."""
    h, w = kappa.shape
    matrix = np.zeros((h, w, h, w))
    for i, j in np.ndindex(h, w):
        for p, q in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)):
            inside = 0 <= p < h and 0 <= q < w
            if inside or boundary == "periodic":
                p, q = p % h, q % w
                conductance = 1 / (0.5 / kappa[i, j] + 0.5 / kappa[p, q])
                matrix[i, j, p, q] += conductance
                matrix[i, j, i, j] -= conductance
            elif boundary == "dirichlet":
                matrix[i, j, i, j] -= 1 / (0.5 / kappa[i, j])
    return matrix.reshape(h * w, h * w) / spacing**2


@every_boundary
@materials
def test_against_the_dense_exponential(boundary: str, material: str) -> None:
    """The exponential of the affine equation as one matrix, (u, 1) -> (A u + s, 0)."""
    sim = Conduction(
        conductivity=0.8,
        material=material,
        size=(7, 6),
        spacing=0.7,
        boundary=boundary,
        strength=3.0,
    )
    block = np.zeros((43, 43))
    block[:42, :42] = 0.8 * assembled(sim.kappa, 0.7, boundary)
    block[:42, 42] = 3.0 * sim.source.ravel()
    x0 = np.random.default_rng(0).normal(size=(3, 1, 7, 6))
    t = np.array([0.0, 0.2, 1.0, 7.0])
    x = sim.trajectories(x0, 2.5 + t)
    start = np.concatenate([x0.reshape(3, -1), np.ones((3, 1))], axis=1)
    for i, elapsed in enumerate(t):
        expected = (expm(elapsed * block) @ start.T)[:42].T
        assert np.abs(x[:, i].reshape(3, -1) - expected).max() <= 1e-11


@every_boundary
def test_uniform_medium_without_heaters_is_the_heat_equation(boundary: str) -> None:
    sim = Conduction(contrast=1.0, heaters=0, size=(12, 9), spacing=0.7, boundary=boundary)
    heat = Heat(size=(12, 9), spacing=0.7, boundary=boundary)
    t = np.array([0.0, 0.3, 1.0, 20.0])
    x0 = np.stack([sim.initial(rng) for rng in generators(3)])
    np.testing.assert_array_equal(x0, np.stack([heat.initial(rng) for rng in generators(3)]))
    assert np.abs(sim.trajectories(x0, t) - heat.trajectories(x0, t)).max() <= 1e-12


class Bumpy(Conduction):
    """A manufactured steady state U of a smooth conductivity, by the source -div(kappa grad U)."""

    @property
    def points(self) -> tuple[np.ndarray, np.ndarray]:
        return np.ix_(*self.coordinates.values())

    @cached_property
    def kappa(self) -> np.ndarray:
        x, y = self.points
        return 1 + 0.5 * np.sin(2 * np.pi * x) * np.cos(2 * np.pi * y)

    @property
    def made(self) -> np.ndarray:
        x, y = self.points
        wave = np.sin if self.boundary == "dirichlet" else np.cos
        return wave(2 * np.pi * x) * wave(2 * np.pi * y)

    @cached_property
    def source(self) -> np.ndarray:
        x, y = (2 * np.pi * p for p in self.points)
        ddx, ddy = 0.5 * np.cos(x) * np.cos(y), -0.5 * np.sin(x) * np.sin(y)  # of kappa
        if self.boundary == "dirichlet":
            ux, uy = np.cos(x) * np.sin(y), np.sin(x) * np.cos(y)
        else:
            ux, uy = -np.sin(x) * np.cos(y), -np.cos(x) * np.sin(y)
        s = (2 * np.pi) ** 2 * (2 * self.kappa * self.made - ddx * ux - ddy * uy)
        return s - s.mean() if self.boundary != "dirichlet" else s


@every_boundary
def test_steady_state_is_of_second_order_in_space(boundary: str) -> None:
    errors = []
    for n in (16, 32, 64, 128):
        sim = Bumpy(conductivity=1.0, strength=1.0, size=(n, n), spacing=1 / n, boundary=boundary)
        errors.append(np.abs(sim.steady(np.zeros((1, 1, n, n))) - sim.made).max())
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.abs(orders[-2:] - 2.0).max() <= 0.1, orders


class Decaying(Conduction):
    """A conductivity for which f = cos(K x) + a cos(3 K x) / 3 decays at the single rate K^2.

    (kappa f')' = -K^2 f when kappa = (sin(K x) + a sin(3 K x) / 9) / (sin(K x) + a sin(3 K x)),
    and sin(3 z) / sin(z) = 3 - 4 sin^2(z) leaves no pole.
    """

    @property
    def wave(self) -> np.ndarray:
        turn = (2 if self.boundary == "periodic" else 1) * np.pi
        return turn * np.broadcast_to(self.coordinates["x"][:, None], self.size)

    @cached_property
    def kappa(self) -> np.ndarray:
        ratio = 0.2 * (3 - 4 * np.sin(self.wave) ** 2)
        return (1 + ratio / 9) / (1 + ratio)


@pytest.mark.parametrize("boundary", ["neumann", "periodic"])
def test_decay_is_of_second_order_in_space(boundary: str) -> None:
    rate = ((2 if boundary == "periodic" else 1) * np.pi) ** 2
    t, errors = 0.5 / rate, []
    for n in (16, 32, 64, 128):
        sim = Decaying(conductivity=1.0, heaters=0, size=(n, 3), spacing=1 / n, boundary=boundary)
        f = np.cos(sim.wave) + 0.2 / 3 * np.cos(3 * sim.wave)
        x = sim.trajectories(f[None, None], np.array([0.0, t]))[0, 1, 0]
        errors.append(np.abs(x - np.exp(-rate * t) * f).max())
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.abs(orders - 2.0).max() <= 0.1, orders


@pytest.mark.parametrize("axis", [0, 1])
def test_layers_are_exact(axis: int) -> None:
    """A heat flux through layers drops the temperature by the flux times their resistance.

    The resistance is the integral of dx / kappa.
    """
    layers = np.array([1.0, 1.0, 0.05, 0.05, 2.0, 0.3, 0.3, 0.3])
    frame = np.broadcast_to(layers[:, None], (8, 3))

    class Layers(Conduction):
        kappa = frame if axis == 0 else frame.T
        source = np.zeros((8, 3))
        source[0], source[-1] = 1.0, -1.0
        source = source if axis == 0 else source.T

    sim = Layers(conductivity=0.5, strength=2.0, size=Layers.kappa.shape, spacing=0.1, grain=1.0)
    x = sim.trajectories(np.zeros((1, 1, *sim.size)), np.array([0.0, 40.0, 80.0]))[0, :, 0]
    profile = (x if axis == 0 else x.swapaxes(1, 2))[-1]
    resistance = np.cumsum(0.1 / layers) - 0.05 / layers  # from the boundary to each centre
    drop = 2.0 * 0.1 / 0.5 * (resistance[0] - resistance)  # flux = source times the cell's width
    assert np.abs(profile - profile[:1] - drop[:, None]).max() <= 1e-10
    assert np.abs(x[2] - x[1]).max() <= 1e-11


@every_boundary
@materials
def test_every_state_ends_in_the_steady_state(boundary: str, material: str) -> None:
    """The mean is conserved if no heat leaves; the steady equation is solved here separately."""
    sim = Conduction(material=material, size=(7, 5), boundary=boundary, contrast=4.0)
    x0 = 3.0 + np.stack([sim.initial(rng) for rng in generators(2)])
    end = sim.trajectories(x0, np.array([0.0, 800.0]))[:, -1]
    matrix = 0.5 * assembled(sim.kappa, 1.0, boundary)
    heat = -2.0 * sim.source.ravel()
    if boundary == "dirichlet":
        expected = np.broadcast_to(np.linalg.solve(matrix, heat).reshape(7, 5), (2, 1, 7, 5))
    else:  # the shortest solution has no mean
        shortest = np.linalg.lstsq(matrix, heat, rcond=1e-10)[0].reshape(7, 5)
        expected = shortest + x0.mean((1, 2, 3), keepdims=True)
    assert np.abs(end - expected).max() <= 1e-9


@every_boundary
@materials
def test_invariants_hold_for_every_boundary(boundary: str, material: str) -> None:
    sim = Conduction(material=material, size=(16, 11), boundary=boundary)
    found = sim.invariants(sim.simulate(generators(4), 1.0, 50))
    assert ("mean temperature" in found) == (boundary != "dirichlet")
    for name, value in found.items():
        assert np.ptp(value, axis=1).max() <= 1e-12, name


@every_boundary
@settings(derandomize=True, database=None, max_examples=15, deadline=None)
@given(
    medium=st.integers(0, 2**32 - 1),
    size=st.tuples(st.integers(2, 7), st.integers(2, 7)),
    contrast=st.floats(1.0, 1e3),
    hot=st.floats(-3.0, 3.0),
)
def test_maximum_principle(
    boundary: str, medium: int, size: tuple[int, int], contrast: float, hot: float
) -> None:
    """Without heaters no cell leaves the initial range of temperatures, in any medium."""
    sim = Conduction(
        medium=medium, contrast=contrast, grain=1.0, heaters=0, size=size, boundary=boundary
    )
    u0 = np.random.default_rng(medium).uniform(-1.0, 1.0, size=(1, 1, *size))
    u0[0, 0, 0, 0] = hot
    x = sim.trajectories(u0, np.geomspace(0.01, 30.0, 8))
    at_boundary = [0.0] if boundary == "dirichlet" else []
    assert x.max() <= max([u0.max(), *at_boundary]) + 1e-12
    assert x.min() >= min([u0.min(), *at_boundary]) - 1e-12


def test_invariants_notice_a_violation() -> None:
    """Otherwise the law could not fail."""
    sim = Conduction(size=(4, 4))
    x = np.zeros((1, 3, 1, 4, 4)) + sim.steady(np.zeros((1, 1, 1, 4, 4)))
    x[0, 1, 0, 0, 0] += 0.5
    x[0, 2, 0, 0, 0] -= 0.25
    found = sim.invariants(x)
    np.testing.assert_allclose(found["maximum principle"], [[0.0, 0.5, 0.25]], atol=1e-14)
    np.testing.assert_allclose(found["mean temperature"], [[0.0, 0.5 / 16, -0.25 / 16]], atol=1e-14)


@every_boundary
@materials
def test_medium_has_its_contrast_about_one(boundary: str, material: str) -> None:
    sim = Conduction(material=material, contrast=9.0, size=(20, 16), boundary=boundary)
    assert sim.kappa.min() == pytest.approx(1 / 3)
    assert sim.kappa.max() == pytest.approx(3.0)
    values = len(np.unique(sim.kappa))
    assert values == 2 if material == "two-phase" else values > 300
    if material == "two-phase":
        assert (sim.kappa > 1).mean() == 0.5


def test_medium_depends_on_its_seed_only() -> None:
    first, again, other = (Conduction(medium=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.kappa, again.kappa)
    assert np.abs(first.kappa - other.kappa).max() > 1
    assert np.abs(first.source - other.source).max() > 0.01
    starts = [sim.initial(np.random.default_rng(0)) for sim in (first, other)]
    np.testing.assert_array_equal(*starts)


@every_boundary
def test_heaters_and_sinks_have_equal_power(boundary: str) -> None:
    sim = Conduction(heaters=3, spacing=0.5, boundary=boundary)
    assert sim.source.sum() == pytest.approx(0.0, abs=1e-14)
    assert 1 < sim.source.clip(min=0).sum() * 0.5**2 <= 3.0 + 1e-12  # 3 if none overlap
    assert not Conduction(heaters=0, boundary=boundary).source.any()


def test_too_much_work_raises() -> None:
    sim = Conduction(size=(4, 4), spacing=1e-3)
    x0 = np.zeros((1, 1, 4, 4))
    with pytest.raises(SimulationError, match=r"t=1 .*spacing"):
        sim.trajectories(x0, np.array([0.0, 1.0]))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("size", (1, 8)),
        ("boundary", "open"),
        ("material", "foam"),
        ("contrast", 0.5),
        ("grain", 33.0),
        ("medium", -1),
        ("heaters", 1.5),
    ],
)
def test_bad_parameters(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{name}="):
        Conduction(**{name: value})
