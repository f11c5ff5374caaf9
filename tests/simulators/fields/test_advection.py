"""Advection: a shift, and initial states as in APEBench."""

import numpy as np
import pytest

from simulators import Advection, Diffusion


def starts(count: int) -> np.ndarray:
    sim = Advection()
    return np.stack([sim.initial(np.random.default_rng(i)) for i in range(count)])


def test_a_step_is_a_shift_by_four_points() -> None:
    x0 = starts(5)
    x = Advection().trajectories(x0, 3.0 + np.arange(201))
    for k in (1, 7, 40, 200):
        assert np.abs(x[:, k] - np.roll(x0, 4 * k, axis=-1)).max() <= 1e-12


def test_between_points_it_is_the_shifted_profile() -> None:
    sim = Advection(length=3.0, velocity=0.7)
    x = sim.coordinates["x"]

    def profile(x: np.ndarray) -> np.ndarray:
        return np.sin(2 * np.pi * x / 3.0) - 0.3 * np.cos(2 * np.pi * 5 * x / 3.0)

    found = sim.trajectories(profile(x)[None, None], np.array([0.0, 1.234]))[0, -1, 0]
    assert np.abs(found - profile(x - 0.7 * 1.234)).max() <= 1e-12


def test_initial_states_are_those_of_apebench() -> None:
    """Five waves of equal strength, no mean, largest absolute value 1."""
    x = starts(400)
    np.testing.assert_allclose(np.abs(x).max(-1), 1.0, rtol=1e-14)
    power = np.abs(np.fft.rfft(x[:, 0])) ** 2
    assert power[:, 0].max() <= 1e-20
    assert power[:, 6:].max() <= 1e-20
    mean = power[:, 1:6].mean(0)
    assert np.abs(mean / mean.mean() - 1).max() <= 0.2  # 4 standard deviations


@pytest.mark.parametrize("decay", [0.5, 1.0])
def test_amplitudes_fall_with_the_wavenumber(decay: float) -> None:
    """As k^-decay, with the root mean square 1; the random numbers are those of no decay."""
    sim = Advection(size=(64,), waves=8, decay=decay, scaled_by="rms")
    x = np.stack([sim.initial(np.random.default_rng(i)) for i in range(5)])
    np.testing.assert_allclose((x**2).mean(-1), 1.0, rtol=1e-13)
    power, k = np.abs(np.fft.rfft(x[:, 0])) ** 2, np.arange(1, 9)
    assert power[:, 9:].max() <= 1e-20
    flat = Advection(size=(64,), waves=8).initial(np.random.default_rng(0))
    ratio = np.fft.rfft(x[0, 0])[k] / np.fft.rfft(flat[0])[k] * k**decay
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-10)


@pytest.mark.parametrize("cls", [Advection, Diffusion])
@pytest.mark.parametrize(
    ("name", "value"),
    [("size", (16, 16)), ("waves", 0), ("waves", 54), ("decay", -1.0), ("scaled_by", "mean")],
)
def test_bad_parameters(cls: type[Advection], name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{name}="):
        cls(**{name: value})
