"""Bands of wavenumbers, statistics of the attractor, and trivial forecasts."""

from collections.abc import Callable

import numpy as np
import pytest

from sirve import metrics

RNG = np.random.default_rng(0)
STD = np.array([2.0, 0.5])
FIELDS = np.cumsum(RNG.normal(size=(6, 20, 2, 12, 16)), axis=1) * STD[:, None, None]
VECTORS = np.sin(np.linspace(0, 40, 200)[:, None] + RNG.uniform(0, 6, (8, 1, 2))) * STD
LAST = np.zeros((6, 2, 12, 16))

Score = Callable[[np.ndarray, np.ndarray], float]
SCORES: dict[str, tuple[np.ndarray, Score, float]] = {  # truth, score, worst value
    "band error": (FIELDS, lambda x, y: max(e.max() for e in bands(x, y).values()), np.inf),
    "hellinger": (VECTORS, metrics.hellinger, 1.0),
    "histogram": (VECTORS, metrics.histogram_divergence, np.inf),
    "freezes": (FIELDS, lambda x, y: metrics.freezes(x, y, STD), 1.0),
    "copies": (FIELDS, lambda x, y: metrics.copies(x, y, LAST, STD), 1.0),
    "blurs": (FIELDS, lambda x, y: metrics.blurs(x, y, STD), 1.0),
}


def bands(x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    return metrics.band_error(x, y, STD)


@pytest.mark.parametrize("name", SCORES)
def test_perfect_reordered_and_not_finite_forecasts(name: str) -> None:
    truth, score, worst = SCORES[name]
    assert score(truth, truth) == pytest.approx(0, abs=1e-7)
    other = truth[:, ::-1] + 0.1
    again = RNG.permutation(len(truth))
    assert score(truth[again], other[again]) == pytest.approx(score(truth, other), rel=1e-9)
    broken = truth.copy()
    broken[:, 5:] = np.nan
    found = score(truth, broken)
    assert 0 <= found <= worst


@pytest.mark.parametrize("shape", [(2, 30), (2, 12, 17)])
def test_bands_add_up_to_the_error(shape: tuple[int, ...]) -> None:
    x, y = RNG.normal(size=(2, 3, 4, *shape))
    whole = sum(error**2 for error in metrics.band_error(x, y, STD).values())
    np.testing.assert_allclose(whole, metrics.normalised_error(x, y, STD) ** 2, rtol=1e-12)


def test_a_wave_is_in_its_band() -> None:
    i = np.arange(32)
    for k, band in ((0, "mean"), (3, "low"), (8, "middle"), (20, "high")):
        wave = np.cos(np.pi * k * (i + 0.5) / 32)[None, None, None]
        found = metrics.band_energy(wave, np.ones(1))
        assert found[band] == pytest.approx((wave**2).mean())
        assert sum(e.sum() for e in found.values()) == pytest.approx(found[band].sum())
    with pytest.raises(ValueError, match="no wavenumbers"):
        metrics.band_energy(VECTORS, STD)


def test_disjoint_spectra_have_the_distance_one() -> None:
    t = np.arange(2000)[None, :, None]
    slow, fast = np.sin(0.1 * t), np.sin(2.0 * t)
    assert metrics.hellinger(slow, fast) > 0.95
    assert metrics.hellinger(slow, 3 * np.sin(0.1 * t + 1)) < 0.05  # size and phase do not matter
    assert metrics.hellinger(slow, 0 * slow) == 1


def test_divergence_of_two_halves_has_a_closed_form() -> None:
    truth = RNG.uniform(size=(1, 100_000, 1))
    half = truth / 2  # in the lower half of the bins, twice as dense there
    found = metrics.histogram_divergence(truth, half)
    assert found == pytest.approx(0.5 * np.log(0.5) + 0.5 * np.log(1e5 / 30 / 1e-5), rel=0.05)
    away = metrics.histogram_divergence(truth, truth + 100)
    assert away > found > metrics.histogram_divergence(truth, RNG.uniform(size=truth.shape)) >= 0
    many = RNG.normal(size=(4, 500, 5))
    assert metrics.histogram_divergence(many, RNG.normal(size=many.shape)) < 1


@pytest.mark.parametrize("dimension", [1, 2])
def test_a_filled_cube_has_its_dimension(dimension: int) -> None:
    states = RNG.uniform(size=(4, 1000, dimension))
    assert metrics.correlation_dimension(states) == pytest.approx(dimension, abs=0.1)


def test_a_circle_has_dimension_one_and_a_point_none() -> None:
    angle = RNG.uniform(0, 2 * np.pi, (4, 1000, 1))
    circle = np.concatenate([np.cos(angle), np.sin(angle)], 2)
    assert metrics.correlation_dimension(circle) == pytest.approx(1, abs=0.05)
    assert np.isnan(metrics.correlation_dimension(np.ones((2, 100, 3))))
    assert np.isnan(metrics.correlation_dimension(np.full((2, 100, 3), np.inf)))


def test_freezing_copying_and_blurring_are_distinguished() -> None:
    frozen = np.repeat(FIELDS[:, 3:4], 20, axis=1)
    assert metrics.freezes(FIELDS, frozen, STD) == 1
    assert metrics.copies(FIELDS, np.zeros_like(FIELDS) + 1e-3, LAST, STD) == 1
    means = FIELDS.mean((3, 4), keepdims=True) + 0 * FIELDS
    assert metrics.blurs(FIELDS, means, STD) == 1
    assert metrics.freezes(FIELDS, means, STD) == metrics.copies(FIELDS, 2 * FIELDS, LAST, STD) == 0
