"""Diffusion on a line, against its closed form."""

import numpy as np
import pytest

from simulators import Diffusion


@pytest.mark.parametrize("k", [1, 5])
def test_a_wave_decays_as_in_apebench(k: int) -> None:
    """gamma_2 = alpha 2 N^2 = 4, and the decay of each wave."""
    sim = Diffusion()
    assert sim.diffusivity * 2 * sim.size[0] ** 2 == 4.0
    wave = np.cos(2 * np.pi * k * sim.coordinates["x"] + 0.3)
    t = np.array([0.0, 1.0, 50.0, 200.0])
    x = sim.trajectories(wave[None, None], 2.0 + t)[0, :, 0]
    expected = np.exp(-7.8125e-5 * (2 * np.pi * k) ** 2 * t)[:, None] * wave
    assert np.abs(x - expected).max() <= 1e-13


def test_invariants_notice_a_violation() -> None:
    x = np.zeros((1, 3, 1, 8))
    x[0, :, 0, 0] = [2.0, 1.0, 3.0]
    found = Diffusion(size=(8,), waves=1).invariants(x)
    np.testing.assert_allclose(found["mean square's growth"], [[0.0, 0.0, 1.0]])
    np.testing.assert_allclose(found["mean"], [[0.25, 0.125, 0.375]])
