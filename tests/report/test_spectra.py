"""Power spectra: Parseval, and single waves of known wavenumber or frequency."""

from typing import Any

import numpy as np
import pytest

from sirve.report.dataset import spectra

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("boundary", ["neumann", "dirichlet", "periodic", None])
@pytest.mark.parametrize("size", [(24,), (16, 24)])
def test_shells_add_up_to_the_power(boundary: Any, size: tuple[int, ...]) -> None:
    x = RNG.normal(size=(3, 2, *size))
    k, energy = spectra.in_space(x, [0.5] * len(size), boundary)
    space = tuple(range(2, x.ndim))
    power = (x**2).mean(space) if boundary == "dirichlet" else x.var(space)
    np.testing.assert_allclose(energy.sum(-1) * k[0], power, rtol=1e-12)


@pytest.mark.parametrize(
    ("boundary", "wave"),
    [
        ("periodic", lambda x, length: np.cos(2 * np.pi * 3 * x / length)),
        ("neumann", lambda x, length: np.cos(np.pi * 6 * x / length)),
        ("dirichlet", lambda x, length: np.sin(np.pi * 6 * x / length)),
    ],
)
def test_one_wave_is_in_one_shell(boundary: Any, wave: Any) -> None:
    spacing, cells = 0.25, 48
    length = cells * spacing
    line = wave((np.arange(cells) + 0.5) * spacing, length)
    k, energy = spectra.in_space(line[None], [spacing], boundary)
    assert k[energy[0].argmax()] == pytest.approx(6 * np.pi / length)
    assert energy[0].max() * k[0] == pytest.approx(0.5)
    assert np.sort(energy[0])[-2] < 1e-25


def test_the_wavenumber_of_a_field_is_its_length() -> None:
    """Of a wave that runs across both axes, whose cells differ: |k| is in its shell."""
    x, y = np.meshgrid(np.arange(40) * 0.5, np.arange(30) * 1.0, indexing="ij")
    kx, ky = 2 * np.pi * 4 / 20, 2 * np.pi * 6 / 30
    k, energy = spectra.in_space(np.cos(kx * x + ky * y)[None], [0.5, 1.0], "periodic")
    assert abs(k[energy[0].argmax()] - np.hypot(kx, ky)) <= k[0] / 2
    assert energy[0].max() * k[0] == pytest.approx(0.5)


def test_a_trajectory_s_frequency_and_power() -> None:
    t = 0.01 * np.arange(4096)
    x = np.stack([np.sin(2 * np.pi * 5.0 * t), 3 * np.cos(2 * np.pi * 12.5 * t)], axis=1)[None]
    f, power = spectra.in_time(x, 0.01)
    for channel, (frequency, variance) in enumerate([(5.0, 0.5), (12.5, 4.5)]):
        assert abs(f[power[0, :, channel].argmax()] - frequency) <= f[0]
        assert power[0, :, channel].sum() * f[0] == pytest.approx(variance, rel=1e-2)


def test_noise_is_white() -> None:
    f, power = spectra.in_time(RNG.normal(size=(64, 2048, 1)), 0.5)
    level = power.mean((0, 2))
    assert level[1:-1] == pytest.approx(np.full(len(f) - 2, 1.0), rel=0.3)
