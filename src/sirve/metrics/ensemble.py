"""Scores of ensembles, as functions of arrays. Everything in float64.

``ensemble`` is (m, ...) and ``truth`` (...), alike in units; a score has the shape of ``truth``,
one for each component, and is infinite where a member is not finite. m members that are drawn from
the same distribution as the truth are exchangeable with it: "fair" is what they then score best in.

Sources: C. Ferro, Quarterly Journal of the Royal Meteorological Society 140 (2014), for fair
scores; V. Fortin et al., Journal of Hydrometeorology 15 (2014), for spread and error; T. Gneiting,
A. Raftery, Journal of the American Statistical Association 102 (2007), sections 4.1 and 4.2.
"""

import numpy as np
from scipy.stats import norm

from sirve.metrics import shaped


def crps(ensemble: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Fair continuous ranked probability score, in the units of the truth; less is better.

        mean_i |x_i - x|  -  sum_{i,j} |x_i - x_j| / (2 m (m - 1))

    Unbiased for the score of the distribution that the members come from. The absolute error of a
    single member where m = 1. By sorting, O(m log m):
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


def deviation(ensemble: np.ndarray) -> np.ndarray:
    """sqrt of the unbiased variance over members, divided by m - 1."""
    with np.errstate(all="ignore"):
        return _finite(np.std(ensemble, axis=0, ddof=1, dtype=np.float64))


def spread(ensemble: np.ndarray, std: np.ndarray) -> np.ndarray:
    """sqrt(mean over channels and points of (deviation / std_c)^2): (n, steps).

    ``ensemble`` is (m, n, steps, C, *space) and ``std`` (C,): the unit of ``normalised_error``.
    """
    return size(deviation(ensemble), std)


def size(values: np.ndarray, std: np.ndarray) -> np.ndarray:
    """sqrt(mean over channels and points of (values / std_c)^2) of (n, steps, C, *space)."""
    sigma = shaped(std, values.ndim)
    with np.errstate(all="ignore"):
        squares = (values.astype(np.float64) / sigma) ** 2
        return _finite(np.sqrt(squares.mean(tuple(range(2, values.ndim)))))


def spread_over_error(spread: np.ndarray, error: np.ndarray, members: int) -> np.ndarray:
    """sqrt((m + 1) / m * mean spread^2 / mean error^2) over rollouts (n, steps): (steps,).

    ``error`` is that of the mean of the members. 1 where members and truth are exchangeable (the
    mean of m members errs by 1 / m of their variance more than that of infinitely many); below 1
    the ensemble is too sure. NaN where an error is infinite or all are 0.
    """
    with np.errstate(all="ignore"):
        ratio = (spread**2).mean(0) / (error**2).mean(0)
        return np.sqrt((members + 1) / members * np.where(ratio < np.inf, ratio, np.nan))


def standardised_error(
    mean: np.ndarray, deviation: np.ndarray, truth: np.ndarray, members: int
) -> np.ndarray:
    """sqrt of the mean over rollouts of the squares of (truth - mean) / deviation: (steps,).

    Of (n, steps, ...); corrected for m members, more than 3, by m (m - 3) / ((m + 1) (m - 1)), so
    that it is 1 where members and truth come from the same Gaussian. As 1 / ``spread_over_error``,
    but every rollout counts alike: there, those that err most decide. Infinite where a member is
    not finite, or the same as all others.

    Source: G. Candille et al., Monthly Weather Review 135 (2007), section 3b.
    """
    m = members
    with np.errstate(all="ignore"):
        squares = ((truth - mean) / deviation) ** 2
        score = squares.mean((0, *range(2, squares.ndim)))
        return _finite(np.sqrt(score * m * (m - 3) / ((m + 1) * (m - 1))))


def covered(ensemble: np.ndarray, truth: np.ndarray, level: float) -> np.ndarray:
    """Whether the truth lies in the central interval of ``level`` of the members, as 0 or 1.

    Its mean is the coverage. The interval is from the r-th to the (m + 1 - r)-th of the sorted
    members with r = (1 - level) (m + 1) / 2, interpolated between them: exchangeable with m
    members, the truth falls below the r-th with probability r / (m + 1), while that interval by
    quantiles of the m members holds it more seldom. No r below 1: ``level`` is at most
    (m - 1) / (m + 1), beyond which ValueError is raised.
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
    """How many members a central interval of ``level`` needs."""
    return int(np.ceil((1 + level) / (1 - level) - 1e-9))


def log_likelihood(ensemble: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """log of the Gaussian density of the members' mean and ``deviation`` at the truth.

    A density: in 1 / the units of the truth. -infinite where a member is not finite. Proper only
    for Gaussian ensembles, and low for few members, whose deviation is uncertain.
    """
    with np.errstate(all="ignore"):
        mean = np.mean(ensemble, axis=0, dtype=np.float64)
        score = norm.logpdf(truth, mean, deviation(ensemble))
    return np.where(np.isfinite(score), score, -np.inf)


def _between(x: np.ndarray, rank: float) -> np.ndarray:
    """The ``rank``-th of sorted x, from 1, linear between whole ranks."""
    below = min(int(rank + 1e-9), len(x) - 1)
    share = rank - below
    return (1 - share) * x[below - 1] + share * x[below]


def _finite(x: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(x), x, np.inf)
