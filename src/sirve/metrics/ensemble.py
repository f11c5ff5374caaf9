"""Scores of ensembles, as functions of arrays, computed in float64.

``ensemble`` is (m, ...) and ``truth`` (...), in the same units. A score has the shape of ``truth``
and is infinite where a member is not finite. A score is "fair" if, in the mean, it is best for
members that are sampled from the same distribution as the truth (exchangeable with it).

Sources: C. Ferro, Quarterly Journal of the Royal Meteorological Society 140 (2014), for fair
scores; V. Fortin et al., Journal of Hydrometeorology 15 (2014), for spread and error; T. Gneiting,
A. Raftery, Journal of the American Statistical Association 102 (2007), sections 4.1 and 4.2.
"""

import numpy as np
from scipy.stats import norm

from sirve.metrics import shaped


def crps(ensemble: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the fair continuous ranked probability score, in the units of the truth.

        mean_i |x_i - x|  -  sum_{i,j} |x_i - x_j| / (2 m (m - 1))

    Less is better. It is an unbiased estimate of the score of the distribution of the members, and
    the absolute error for m = 1. Sorting makes it O(m log m):
    sum_{i,j} |x_i - x_j| = 2 sum_k (2 k - m - 1) x_(k), k from 1.
    """
    x = np.sort(np.asarray(ensemble, np.float64), axis=0)
    m = len(x)
    with np.errstate(all="ignore"):
        score = np.abs(x - truth).mean(0)
        if m > 1:
            weights = (2 * np.arange(1, m + 1) - m - 1) / (m * (m - 1))
            score -= np.tensordot(weights, x, axes=1)
    return _finite(score)


def standard_deviation(ensemble: np.ndarray) -> np.ndarray:
    """Return the standard deviation over members, from the variance divided by m - 1."""
    with np.errstate(all="ignore"):
        return _finite(np.std(ensemble, axis=0, ddof=1, dtype=np.float64))


def spread(ensemble: np.ndarray, std: np.ndarray) -> np.ndarray:
    """Return the spread sqrt(mean over channels and points of (s / std_c)^2): (n, steps).

    s is the standard deviation over members of ``ensemble`` (m, n, steps, C, *space). The unit is
    that of ``normalised_error``.
    """
    return root_mean_square(standard_deviation(ensemble), std)


def root_mean_square(values: np.ndarray, std: np.ndarray) -> np.ndarray:
    """Return sqrt(mean over channels and points of (values / std_c)^2): (n, steps)."""
    sigma = shaped(std, values.ndim)
    with np.errstate(all="ignore"):
        squares = (values.astype(np.float64) / sigma) ** 2
        return _finite(np.sqrt(squares.mean(tuple(range(2, values.ndim)))))


def spread_over_error(spread: np.ndarray, error: np.ndarray, members: int) -> np.ndarray:
    """Return sqrt((m + 1) / m * mean spread^2 / mean error^2), means over rollouts: (steps,).

    It is 1 if members and truth are exchangeable (the squared error of a mean of m members is
    larger by 1 / m of their variance than with infinitely many), and below 1 if the ensemble is
    overconfident. NaN where an error is infinite or all errors are 0.

    Args:
        spread: (n, steps).
        error: (n, steps), of the mean of the members.
        members: m.
    """
    with np.errstate(all="ignore"):
        ratio = (spread**2).mean(0) / (error**2).mean(0)
        return np.sqrt((members + 1) / members * np.where(ratio < np.inf, ratio, np.nan))


def standardised_error(
    mean: np.ndarray, deviation: np.ndarray, truth: np.ndarray, members: int
) -> np.ndarray:
    """Return the root mean square over rollouts of (truth - mean) / deviation: (steps,).

    The square is multiplied by m (m - 3) / ((m + 1) (m - 1)), so that the result is 1 if members
    and truth come from the same Gaussian. It is like 1 / ``spread_over_error``, but all rollouts
    have the same weight; there, those with the largest errors dominate. Infinite where a member is
    not finite or all members are equal.

    Args:
        mean: of the members, (n, steps, ...).
        deviation: standard deviation of the members, of the same shape.
        truth: of the same shape.
        members: m, more than 3.

    Source: G. Candille et al., Monthly Weather Review 135 (2007), section 3b.
    """
    m = members
    with np.errstate(all="ignore"):
        squares = ((truth - mean) / deviation) ** 2
        score = squares.mean((0, *range(2, squares.ndim)))
        return _finite(np.sqrt(score * m * (m - 3) / ((m + 1) * (m - 1))))


def covered(ensemble: np.ndarray, truth: np.ndarray, level: float) -> np.ndarray:
    """Return 1 where the truth lies in the central interval of the members, else 0.

    The mean of the result is the coverage. The interval reaches from the r-th to the (m + 1 - r)-th
    of the sorted members, r = (1 - level) (m + 1) / 2, with linear interpolation. A truth that is
    exchangeable with m members falls below the r-th with probability r / (m + 1); an interval
    between quantiles of the members would contain it too seldom.

    Args:
        ensemble: (m, ...).
        truth: (...).
        level: probability of the interval, at most (m - 1) / (m + 1), so that r is at least 1.

    Raises:
        ValueError: there are too few members for ``level``.
    """
    m = len(ensemble)
    r = (1 - level) * (m + 1) / 2
    if r < 1 - 1e-9:
        raise ValueError(
            f"level={level} needs more than {m} members; at least {least_members(level)}"
        )
    with np.errstate(all="ignore"):
        x = np.sort(np.asarray(ensemble, np.float64), axis=0)
        low, high = _between(x, r), _between(x, m + 1 - r)
        return ((low <= truth) & (truth <= high)).astype(np.float64)


def least_members(level: float) -> int:
    """Return the number of members that a central interval of ``level`` needs."""
    return int(np.ceil((1 + level) / (1 - level) - 1e-9))


def log_likelihood(ensemble: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the logarithm of a Gaussian density at the truth, in 1 / the units of the truth.

    The Gaussian has the mean and the ``deviation`` of the members. The result is -infinite where a
    member is not finite. It is a proper score for Gaussian ensembles only, and low for few members,
    whose standard deviation is uncertain.
    """
    with np.errstate(all="ignore"):
        mean = np.mean(ensemble, axis=0, dtype=np.float64)
        score = norm.logpdf(truth, mean, standard_deviation(ensemble))
    return np.where(np.isfinite(score), score, -np.inf)


def _between(x: np.ndarray, rank: float) -> np.ndarray:
    """Return the ``rank``-th of sorted x, counted from 1, linear between whole ranks."""
    below = min(int(rank + 1e-9), len(x) - 1)
    share = rank - below
    return (1 - share) * x[below - 1] + share * x[below]


def _finite(x: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(x), x, np.inf)
