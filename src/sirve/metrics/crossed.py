"""The difference of two models whose seeds are few, with an interval that keeps its level."""

import numpy as np
from scipy import stats

from sirve.metrics.paired import Interval, same_starts


def crossed(a: np.ndarray, b: np.ndarray, ratio: bool = False, level: float = 0.95) -> Interval:
    """Return the difference of two models and its t-interval over seeds and starts.

    Seeds of a, seeds of b and common starts are three random samples. Of the mean difference d over
    all of them, each adds a part to the variance:

        V = s_a^2 / S_a + s_b^2 / S_b + s_i^2 / n

    s_a and s_b are standard deviations of the means of each seed, and s_i is that of the
    differences of each start, averaged over seeds. The interval is d -+ t sqrt(V), with the degrees
    of freedom of Welch and Satterthwaite. It is a little too wide, because what a seed and a start
    have to do with each other is counted twice. A model with one seed adds no part: the interval is
    then not about its seeds. A bootstrap over few seeds would be too narrow.

    Args:
        a: scores (S_a, n) of the first model, one row per seed, one column per start.
        b: scores (S_b, n) of the second model, from the same starts.
        ratio: exp of the difference of logarithms, for scores that are not negative.
        level: probability of the interval.

    Returns:
        The difference or ratio and its interval. Where it is not finite, the bounds are those of
        all numbers.

    Raises:
        ValueError: the tables do not have the same starts.

    Source: F. E. Satterthwaite, Biometrics Bulletin 2 (1946), eq. 17.
    """
    a, b = same_starts(a, b)
    with np.errstate(all="ignore"):
        if ratio:
            a, b = np.log(a), np.log(b)
        starts = a.mean(0) - b.mean(0)
        middle, half = starts.mean(), _half(level, a.mean(1), b.mean(1), starts)
    found = (middle, middle - half, middle + half)
    if not np.isfinite(middle):
        found = (middle, -np.inf, np.inf)
    return Interval(*(float(np.exp(x) if ratio else x) for x in found))


def _half(level: float, *samples: np.ndarray) -> float:
    """Return half of the width of the t-interval of a sum of the means of several samples."""
    sizes = np.array([len(x) for x in samples if len(x) > 1])
    parts = np.array([x.var(ddof=1) / len(x) for x in samples if len(x) > 1])
    if not parts.any():
        return 0.0
    freedom = parts.sum() ** 2 / (parts**2 / (sizes - 1)).sum()
    return float(stats.t.ppf((1 + level) / 2, freedom) * np.sqrt(parts.sum()))
