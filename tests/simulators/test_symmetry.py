"""Symmetric systems: turns, mirrors and shifts of a frame commute with the flow."""

from itertools import product

import numpy as np
import pytest
from grids import BOUNDARIES

from simulators import GrayScott, Heat, NavierStokes, Simulator, Wave

T = np.array([0.0, 0.37, 2.0])
SYSTEMS: list[Simulator] = [
    cls(size=(16, 16), boundary=boundary, laplacian=laplacian)
    for cls, boundary, laplacian in product((Heat, Wave), BOUNDARIES, ("5-point", "spectral"))
] + [GrayScott(size=(16, 16), length=0.25), NavierStokes(size=(16, 16), forcing="none")]


def start(sim: Simulator) -> np.ndarray:
    return np.stack([sim.initial(np.random.default_rng(i)) for i in range(2)])


@pytest.mark.parametrize("sim", SYSTEMS, ids=str)
def test_the_flow_has_the_symmetries_of_the_square(sim: Simulator) -> None:
    """All eight: quarter turns with and without a mirror, which changes the sign of vorticity."""
    x0 = start(sim)
    x = sim.trajectories(x0, T)
    image = -1 if isinstance(sim, NavierStokes) else 1
    for turns, mirror in product(range(4), (False, True)):

        def moved(a: np.ndarray, turns: int = turns, mirror: bool = mirror) -> np.ndarray:
            turned = np.rot90(a, turns, axes=(-2, -1))
            return image * turned[..., ::-1] if mirror else turned

        assert np.abs(sim.trajectories(moved(x0), T) - moved(x)).max() <= 1e-12
    assert np.abs(x - np.rot90(x, axes=(-2, -1))).max() > 0.1 * x.std()


@pytest.mark.parametrize("sim", [s for s in SYSTEMS if s.boundary == "periodic"], ids=str)
def test_the_flow_commutes_with_shifts(sim: Simulator) -> None:
    x0 = start(sim)
    shifted = sim.trajectories(np.roll(x0, (3, -5), axis=(-2, -1)), T)
    expected = np.roll(sim.trajectories(x0, T), (3, -5), axis=(-2, -1))
    assert np.abs(shifted - expected).max() <= 1e-12
