"""Lyapunov exponents against closed forms."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.linalg import expm

from simulators import Channel, Heat, Pendulum, Simulator
from simulators.lyapunov import exponents


@dataclass(frozen=True)
class Linear(Simulator):
    """The linear system dx/dt = A x."""

    matrix: tuple[tuple[float, ...], ...] = ()
    channels = (Channel("x", "1"),)

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.matrix),)

    def initial(self, rng: np.random.Generator) -> np.ndarray:
        return rng.normal(size=self.shape)

    def solve(self, x0: np.ndarray, t: np.ndarray) -> np.ndarray:
        flow = np.stack([expm(np.array(self.matrix) * (s - t[0])) for s in t])
        return np.einsum("tij,bj->bti", flow, x0)


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        (((-2.0, 0.0, 0.0), (0.0, -0.1, 0.0), (0.0, 0.0, -0.5)), [-0.1, -0.5, -2.0]),
        (((-0.1, -2.0, 0.0), (2.0, -0.1, 0.0), (0.0, 0.0, -1.5)), [-0.1, -0.1, -1.5]),
        (((-1.0, 0.0), (1.0, -0.1)), [-0.1, -1.0]),
    ],
    ids=["diagonal", "rotation", "sheared"],
)
def test_a_linear_system_has_its_eigenvalues(matrix: object, expected: list[float]) -> None:
    """The real parts, largest first."""
    found = exponents(Linear(matrix), orbits=2, every=1.0, intervals=100)  # type: ignore[arg-type]
    np.testing.assert_allclose(found.value, expected, rtol=0, atol=1e-6)


def test_exponents_of_a_damped_pendulum_add_up_to_its_damping() -> None:
    found = exponents(Pendulum(damping=0.5, drive=1.15), orbits=8)
    assert found.value.sum() == pytest.approx(-0.5, abs=1e-6)
    assert found.value[0] > 0.05


def test_a_free_pendulum_is_not_chaotic() -> None:
    """Nearby states separate linearly in time, so the exponents vanish as log(time) / time."""
    assert np.abs(exponents(Pendulum(), orbits=8, every=2.0).value).max() <= 0.03


def test_leading_exponents_of_the_heat_equation() -> None:
    """They are that of the mean, 0, and those of the two longest waves."""
    sim = Heat(size=(8, 8), diffusivity=0.3)
    found = exponents(sim, 3, every=1.0, intervals=400, orbits=2)
    slowest = np.sort(0.3 * sim.operator.eigenvalues.ravel())[::-1][:3]
    np.testing.assert_allclose(found.value, slowest, atol=1e-3)
