"""Errors and valid times against closed forms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sirve import metrics

RNG = np.random.default_rng(0)
SHAPES = [(3,), (2, 16), (2, 8, 8)]


def pair(shape: tuple[int, ...], n: int = 40, steps: int = 30) -> tuple[np.ndarray, np.ndarray]:
    std = np.arange(1, shape[0] + 1, dtype=float)
    unit = std.reshape(-1, *[1] * (len(shape) - 1))
    return 5 + unit * RNG.normal(size=(n, steps, *shape)), std


@pytest.mark.parametrize("shape", SHAPES)
def test_perfect_is_zero_and_the_mean_scores_one(shape: tuple[int, ...]) -> None:
    truth, std = pair(shape)
    assert metrics.nrmse(metrics.normalised_error(truth, truth, std)).max() == 0
    mean = np.full_like(truth, 5)
    np.testing.assert_allclose(
        np.sqrt((metrics.normalised_error(truth, mean, std) ** 2).mean()), 1, rtol=0.05
    )
    if len(shape) > 1:
        assert metrics.vrmse(truth, truth).max() == 0
        frame_mean = truth.mean(tuple(range(3, truth.ndim)), keepdims=True) + 0 * truth
        np.testing.assert_allclose(metrics.vrmse(truth, frame_mean), 1, rtol=1e-12)
        assert metrics.correlated_steps(truth, truth) == truth.shape[1]
    assert metrics.nrmse_frame(truth, truth).max() == 0
    np.testing.assert_allclose(metrics.nrmse_frame(truth, 0 * truth), shape[0])
    assert metrics.vpt_chepuri(truth, truth, std, 1.0, 1.0) == truth.shape[1]


def test_error_of_a_shift_in_one_channel() -> None:
    truth, std = pair((3,))
    shifted = truth.copy()
    shifted[..., 1] += 6  # three of its standard deviations, one channel of three
    np.testing.assert_allclose(metrics.normalised_error(truth, shifted, std), 3 / np.sqrt(3))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e200])
def test_a_prediction_that_is_not_finite_has_an_infinite_error(bad: float) -> None:
    truth, std = pair((3,))
    prediction = truth.copy()
    prediction[3, 7, 1] = bad
    error = metrics.normalised_error(truth, prediction, std)
    assert error[3, 7] == np.inf or bad == 1e200
    assert metrics.valid_steps(error, 0.4)[3] == 7
    assert metrics.diverged(truth, prediction, std) == 1 / 40


@settings(derandomize=True, deadline=None)
@given(rate=st.floats(0.05, 2), level=st.sampled_from([0.3, 0.4, 0.5, 0.9]))
def test_valid_time_of_exponential_growth(rate: float, level: float) -> None:
    dt, start = 0.02, 1e-6
    k = np.arange(1, 2001)
    error = np.broadcast_to(start * np.exp(rate * k * dt), (5, 2000))
    found = metrics.valid_time(error, level, dt, 1 / rate)
    expected = min(np.log(level / start), 2000 * dt * rate)
    assert abs(found["median"] - expected) <= dt * rate + 1e-9
    assert found["censored"] == (5 if error[0, -1] <= level else 0)
    assert found["low"] == found["median"] == found["high"]


def test_crossing_counts_leading_steps_only() -> None:
    error = np.array([[0.1, 0.5, 0.1, 0.1], [0.1] * 4, [0.5] * 4])
    assert metrics.valid_steps(error, 0.4).tolist() == [1, 4, 0]


def test_interval_covers_the_median() -> None:
    """Between 90 and 99 % of 95 % intervals from 64 samples contain the true median."""
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(100):
        low, high = metrics.interval(rng.exponential(size=64))
        hits += low <= np.log(2) <= high
    assert 88 <= hits <= 99


def test_a_constant_frame_has_an_infinite_vrmse() -> None:
    assert metrics.vrmse(np.ones((1, 1, 1, 4, 4)), np.zeros((1, 1, 1, 4, 4)))[0, 0] == np.inf


def test_chepuri_divides_by_the_size_of_the_truth() -> None:
    truth = np.tile(np.array([1.0, -1.0]), 50).reshape(1, 100, 1)
    prediction = truth.copy()
    prediction[:, 30:] += 0.89
    prediction[:, 60:] += 0.02
    assert metrics.vpt_chepuri(truth, prediction, np.ones(1), 1.0, 2.0) == 30
