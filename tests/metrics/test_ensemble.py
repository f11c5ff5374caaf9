"""Scores of ensembles against closed forms and against the package scoringrules."""

import numpy as np
import pytest
from scipy.stats import norm

from sirve import metrics
from sirve.metrics import ensemble

RNG = np.random.default_rng(0)


def calibrated(members: int, n: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Sample members and truths from Gaussians with various means and standard deviations."""
    rng = np.random.default_rng(members)
    mean, std = rng.normal(size=n), rng.uniform(0.5, 2, size=n)
    return mean + std * rng.normal(size=(members, n)), mean + std * rng.normal(size=n)


def test_crps_of_one_member_is_the_absolute_error() -> None:
    x, truth = RNG.normal(size=(1, 5, 3)), RNG.normal(size=(5, 3))
    np.testing.assert_array_equal(ensemble.crps(x, truth), np.abs(x[0] - truth))


def test_crps_equals_its_definition() -> None:
    x, truth = RNG.normal(size=(7, 50)), RNG.normal(size=50)
    pairs = np.abs(x[:, None] - x[None]).sum((0, 1)) / (2 * 7 * 6)
    expected = np.abs(x - truth).mean(0) - pairs
    np.testing.assert_allclose(ensemble.crps(x, truth), expected, atol=1e-14)


@pytest.mark.parametrize("members", [2, 20])
def test_crps_is_unbiased_for_the_closed_form_of_a_gaussian(members: int) -> None:
    """CRPS(N(0, 1), x) = x (2 F(x) - 1) + 2 f(x) - 1 / sqrt(pi), for any number of members."""
    truth = np.array([-2.0, 0.0, 0.5])
    x = np.random.default_rng(1).normal(size=(members, 100_000, 1)) + np.zeros(3)
    closed = truth * (2 * norm.cdf(truth) - 1) + 2 * norm.pdf(truth) - 1 / np.sqrt(np.pi)
    np.testing.assert_allclose(ensemble.crps(x, truth).mean(0), closed, atol=0.015)


@pytest.mark.parametrize("members", [2, 5, 50])
def test_spread_of_calibrated_ensembles_equals_their_error(members: int) -> None:
    x, truth = calibrated(members)
    spread, error = ensemble.standard_deviation(x), np.abs(x.mean(0) - truth)
    ratio = ensemble.spread_over_error(spread[:, None], error[:, None], members)
    assert ratio.shape == (1,)
    assert ratio[0] == pytest.approx(1, abs=0.05)
    halved = x.mean(0) + 0.5 * (x - x.mean(0))
    small = ensemble.standard_deviation(halved)
    sure = ensemble.spread_over_error(small[:, None], error[:, None], members)
    assert sure[0] == pytest.approx(ratio[0] / 2)


@pytest.mark.parametrize("members", [10, 50])
def test_standardised_errors_of_calibrated_ensembles_are_one(members: int) -> None:
    x, truth = calibrated(members)
    mean, std = x.mean(0)[:, None], ensemble.standard_deviation(x)[:, None]
    found = ensemble.standardised_error(mean, std, truth[:, None], members)
    assert found[0] == pytest.approx(1, abs=0.04)
    sure = ensemble.standardised_error(mean, std / 2, truth[:, None], members)
    assert sure[0] == pytest.approx(2 * found[0])


@pytest.mark.parametrize(("members", "level"), [(3, 0.5), (20, 0.5), (20, 0.9), (19, 0.9)])
def test_calibrated_ensembles_have_the_nominal_coverage(members: int, level: float) -> None:
    x, truth = calibrated(members, 20_000)
    assert ensemble.covered(x, truth, level).mean() == pytest.approx(level, abs=0.012)


def test_too_few_members_for_an_interval_raise() -> None:
    with pytest.raises(ValueError, match=r"level=0.9 needs more than 18 members; at least 19"):
        ensemble.covered(np.zeros((18, 2)), np.zeros(2), 0.9)
    assert ensemble.least_members(0.5) == 3


def test_log_likelihood_is_gaussian_and_scales_as_a_density() -> None:
    x, truth = calibrated(9, 6)
    expected = norm.logpdf(truth, x.mean(0), x.std(0, ddof=1))
    np.testing.assert_allclose(ensemble.log_likelihood(x, truth), expected)
    np.testing.assert_allclose(ensemble.log_likelihood(10 * x, 10 * truth), expected - np.log(10))


def test_spread_and_error_have_the_same_unit() -> None:
    """A shift of all members by s gives an error equal to the spread of a standard deviation s."""
    std = np.array([1.0, 2.0, 4.0])
    truth = RNG.normal(size=(3, 5, 3, 4))
    std4 = std.reshape(3, 1)
    pair = np.stack(
        [truth - std4 / np.sqrt(2), truth + std4 / np.sqrt(2)]
    )  # standard deviation std
    np.testing.assert_allclose(ensemble.spread(pair, std), 1)
    np.testing.assert_allclose(metrics.normalised_error(truth, truth + std4, std), 1)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_member_that_is_not_finite_has_an_infinite_score(bad: float) -> None:
    x, truth = RNG.normal(size=(5, 2, 3, 1)), np.zeros((2, 3, 1))
    x[2, 1, 2, 0] = bad
    assert ensemble.crps(x, truth)[1, 2, 0] == np.inf
    assert ensemble.log_likelihood(x, truth)[1, 2, 0] == -np.inf
    spread = ensemble.spread(x, np.ones(1))
    assert (spread == np.inf).sum() == 1
    error = np.ones((2, 3))
    error[1, 2] = np.inf
    assert np.isnan(ensemble.spread_over_error(spread, error, 5)[2])


def test_agrees_with_scoringrules() -> None:
    scoringrules = pytest.importorskip("scoringrules")
    x, truth = RNG.normal(size=(12, 30)), RNG.normal(size=30)
    fair = scoringrules.crps_ensemble(truth, x, m_axis=0, estimator="fair", backend="numpy")
    np.testing.assert_allclose(ensemble.crps(x, truth), fair, atol=1e-12)
    logs = scoringrules.logs_normal(truth, x.mean(0), x.std(0, ddof=1), backend="numpy")
    np.testing.assert_allclose(ensemble.log_likelihood(x, truth), -logs, atol=1e-12)
