"""Scores of other projects, correlation and the maximum principle, against closed forms."""

import numpy as np
import pytest

from sirve import metrics

RNG = np.random.default_rng(0)
FIELDS = RNG.normal(size=(6, 20, 2, 8, 12))
VECTORS = 5 + RNG.normal(size=(6, 20, 3)) * [1.0, 2.0, 3.0]
STD = np.array([1.0, 2.0, 3.0])


def test_smape_by_hand() -> None:
    assert metrics.smape(np.array([3.0, 1.0, 0.0, 2.0]), np.array([1.0, -1.0, 0.0, 2.0])) == 75.0


def test_smape_is_zero_for_the_truth_and_200_for_no_overlap() -> None:
    assert metrics.smape(VECTORS, VECTORS).max() == 0
    for worst in (-VECTORS, 0 * VECTORS, np.full_like(VECTORS, np.nan), VECTORS * np.inf):
        np.testing.assert_allclose(metrics.smape(VECTORS, worst), 200)
    np.testing.assert_allclose(metrics.smape(VECTORS, 3 * VECTORS), 100)  # in any unit
    mean = np.full(10_000, 1.0)
    uniform = (np.arange(10_000) + 0.5) / 5000  # mean |x - 1| / (x + 1) over 0 < x < 2
    expected = 200 * (np.log(2) - 0.5 + 0.5 - np.log(3 / 2))
    assert metrics.smape(uniform, mean) == pytest.approx(expected, rel=1e-6)


def test_vlachas_counts_steps_below_the_threshold_and_takes_the_mean() -> None:
    error = np.array([[0.1, 0.5, 0.1], [0.1, 0.4999, 0.6], [0.2, 0.2, 0.2], [np.inf] * 3])
    assert metrics.vpt_vlachas(error, 0.5, 2.0) == (1 + 2 + 3 + 0) / 4 * 0.25
    # ``valid_time`` differs at the threshold itself, and has the median.
    assert metrics.valid_steps(error, 0.5).tolist() == [3, 2, 3, 0]
    perfect = metrics.normalised_error(VECTORS, VECTORS, STD)
    assert metrics.vpt_vlachas(perfect, 1.0, 1.0) == 20


def test_magrilab_divides_by_the_standard_deviation_so_far() -> None:
    """x alternates between 2 and -2: over an even number of steps the standard deviation is 2."""
    truth = np.tile([2.0, -2.0], 50).reshape(1, 100, 1) + np.zeros((3, 1, 1))
    prediction = truth.copy()
    prediction[:, 10:] += 1.0  # then k errors of 1 in 10 + k: sqrt(k / (10 + k) / 2) > 0.4
    over = next(k for k in range(1, 90) if np.sqrt(k / (10 + k) / 2) > 0.4)
    found = metrics.vpt_magrilab(truth, prediction, 0.1, 1.0)
    assert found == pytest.approx((10 + over - 1) * 0.1, abs=0.11)
    assert metrics.vpt_magrilab(truth, truth, 1.0, 1.0) == 100
    scaled = metrics.vpt_magrilab(100 * truth, 100 * prediction, 0.1, 1.0)
    assert scaled == pytest.approx(1.0)  # it depends on the unit: 100 is over at once


def test_magrilab_against_a_literal_transcription() -> None:
    prediction = VECTORS + 0.02 * np.arange(20)[:, None]
    counts = []
    for x, y in zip(VECTORS, prediction, strict=True):
        counts.append(20)
        for k in range(1, 21):
            if np.sqrt((((x - y)[:k]) ** 2 / x[:k].std()).mean()) > 0.1:
                counts[-1] = k - 1
                break
    assert 0 < np.median(counts) < 20
    assert metrics.vpt_magrilab(VECTORS, prediction, 1.0, 1.0, 0.1) == np.median(counts)


def test_correlation_does_not_depend_on_mean_and_size() -> None:
    np.testing.assert_allclose(metrics.pearson(FIELDS, 3 * FIELDS + 7), 1)
    np.testing.assert_allclose(metrics.pearson(FIELDS, -FIELDS), -1)
    assert metrics.pearson(FIELDS, np.ones_like(FIELDS)).max() == 0  # the mean predictor
    broken = FIELDS.copy()
    broken[0, 3, 0, 0, 0] = np.nan
    assert metrics.pearson(FIELDS, broken)[0, 3] == 0


def test_first_crossing_and_count_differ_if_correlation_returns() -> None:
    noise = RNG.normal(size=FIELDS.shape)
    prediction = FIELDS.copy()
    prediction[:, 5:10] = noise[:, 5:10]
    correlation = metrics.pearson(FIELDS, prediction)
    time = metrics.correlation_time(correlation, 0.8, 0.5, 1.0)
    assert (time["median"], time["censored"]) == (2.5, 0)
    assert metrics.correlated_steps(FIELDS, prediction, 0.8) == 15
    again = metrics.correlation_time(metrics.pearson(FIELDS, FIELDS), 0.95, 0.5, 1.0)
    assert (again["median"], again["censored"]) == (10.0, 6)


def test_pdearena_takes_the_mean_over_rollouts_before_it_counts() -> None:
    """Half of the rollouts right, half wrong: 0.5 on average, which is over 0.4 and not 0.6."""
    prediction = FIELDS.copy()
    prediction[3:] = RNG.normal(size=prediction[3:].shape)
    assert metrics.correlated_steps(FIELDS, prediction, 0.4) > 15
    assert metrics.correlated_steps(FIELDS, prediction, 0.7) == 0


def test_excess_is_zero_for_diffusion_and_else_the_distance() -> None:
    start, std = FIELDS[:, 0], np.array([2.0, 0.5])
    mean = start.mean((2, 3), keepdims=True)
    decay = np.exp(-0.1 * np.arange(20))[:, None, None, None]
    truth = mean[:, None] + decay * (start - mean)[:, None]
    assert metrics.excess(truth, start, std).max() == 0
    outside = truth.copy()
    outside[2, 7, 1, 3, 3] = start[2, 1].max() + 3
    outside[4, 9, 0, 0, 0] = start[4, 0].min() - 1
    outside[5, 2, 0, 0, 0] = np.nan
    found = metrics.excess(outside, start, std)
    assert found[2, 7] == pytest.approx(3 / 0.5)
    assert found[4, 9] == pytest.approx(1 / 2.0)
    assert found[5, 2] == np.inf
    assert (found > 0).sum() == 3


def test_a_boundary_value_belongs_to_the_range() -> None:
    start = 1 + RNG.uniform(size=(2, 1, 6))
    cooled = 0.5 * start[:, None]
    assert metrics.excess(cooled, start, np.ones(1)).min() > 0
    assert metrics.excess(cooled, start, np.ones(1), boundary_value=0.0).max() == 0
