"""Intervals of the difference of two models over few seeds and many starts."""

import numpy as np
import pytest
from scipy import stats

from sirve.metrics import crossed


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("scatter", [0.0, 0.05, 0.3], ids=lambda s: f"scatter-{s}")
def test_equal_models_are_called_different_in_five_percent(seeds: int, scatter: float) -> None:
    """Under a null of log errors that differ by start, by seed, and by both, at most 5 + 2 %."""
    rng, n, trials = np.random.default_rng(seeds), 32, 600
    wrong = 0
    for _ in range(trials):
        starts = rng.normal(0, 0.5, n)
        models = [
            starts + rng.normal(0, scatter, (seeds, 1)) + rng.normal(0, 0.2, (seeds, n))
            for _ in range(2)
        ]
        found = crossed(*models)
        wrong += not found.low <= 0 <= found.high
    # It is a little too wide where the seeds differ less than a seed does between starts.
    assert (0.0 if scatter < 0.1 else 0.02) <= wrong / trials <= 0.07


def test_one_start_and_equal_numbers_of_seeds_are_welchs_interval() -> None:
    a, b = np.random.default_rng(0).normal(size=(2, 6, 1))
    welch = stats.ttest_ind(a[:, 0], b[:, 0], equal_var=False).confidence_interval(0.95)
    found = crossed(a, b)
    np.testing.assert_allclose((found.low, found.high), welch)


def test_one_seed_is_students_paired_interval_over_starts() -> None:
    a, b = np.random.default_rng(1).normal(size=(2, 1, 12))
    student = stats.ttest_rel(a[0], b[0]).confidence_interval(0.95)
    found = crossed(a, b)
    np.testing.assert_allclose((found.low, found.high), student)


def test_the_ratio_is_that_of_logarithms() -> None:
    a, b = np.exp(np.random.default_rng(2).normal(size=(2, 3, 9)))
    np.testing.assert_allclose(
        tuple(crossed(a, b, ratio=True)), np.exp(tuple(crossed(np.log(a), np.log(b))))
    )
    assert tuple(crossed(2 * a[:1], a[:1], ratio=True)) == pytest.approx((2, 2, 2))


def test_infinite_errors_have_no_interval() -> None:
    one, lost = np.ones((2, 3)), np.array([[1, np.inf, 1.0]] * 2)
    assert tuple(crossed(lost, one, ratio=True)) == (np.inf, 0.0, np.inf)
    assert tuple(crossed(lost, one)) == (np.inf, -np.inf, np.inf)


def test_tables_of_different_starts_raise() -> None:
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(2, 4\)"):
        crossed(np.ones((2, 3)), np.ones((2, 4)))
