"""Bootstrap intervals over initial conditions and seeds, and paired differences."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Interval:
    """A statistic and the bounds of its interval, which may be nan or infinite."""

    middle: float
    low: float
    high: float

    def __iter__(self) -> Iterator[float]:
        return iter((self.middle, self.low, self.high))


def interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Return the bootstrap percentile interval of the median of ``values`` (fixed rng seed)."""
    if len(values) < 2 or np.ptp(values) == 0:
        return float(np.median(values)), float(np.median(values))
    result = stats.bootstrap(
        (values,),
        np.median,
        confidence_level=level,
        n_resamples=2000,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return float(result.low), float(result.high)


def bootstrap(
    table: np.ndarray,
    statistic: Callable[..., Any],
    *others: np.ndarray,
    level: float = 0.95,
    resamples: int = 2000,
) -> Interval:
    """Return ``statistic(table, *others)`` and its bootstrap percentile interval.

    All tables are scores (seeds, n) of forecasts from the same n starts. A resample samples the
    starts once for all tables and, crossed with them, the seeds of each table separately (fixed rng
    seed). With one seed the interval is over starts only. A resample whose statistic is nan could
    be anything: it counts as the lowest for ``low`` and as the highest for ``high``.

    Args:
        table: (seeds, n).
        statistic: function of as many tables (..., seeds, n) as are given; it returns (...).
        others: more tables, (seeds, n) with the same n.
        level: probability of the interval.
        resamples: number of resamples.

    Sources: B. Efron, R. Tibshirani, An Introduction to the Bootstrap (1993), sections 8.3 and
    13.3; R. Agarwal et al., NeurIPS 34 (2021), section 4.1, for runs of few seeds.
    """
    rng, tables = np.random.default_rng(0), (table, *others)
    seeds = [rng.integers(len(t), size=(resamples, len(t))) for t in tables]
    starts = rng.integers(table.shape[1], size=(resamples, table.shape[1]))
    resampled = statistic(
        *(
            t[s[:, :, None], starts[:, None]]  # (resamples, seeds, n)
            for t, s in zip(tables, seeds, strict=True)
        )
    )
    tail, unknown = (1 - level) / 2, np.isnan(resampled)
    # No interpolation: there is none between an infinite and a finite number.
    low = np.quantile(np.where(unknown, -np.inf, resampled), tail, method="nearest")
    high = np.quantile(np.where(unknown, np.inf, resampled), 1 - tail, method="nearest")
    return Interval(float(statistic(*tables)), float(low), float(high))


def paired(
    a: np.ndarray,
    b: np.ndarray,
    ratio: bool = False,
    level: float = 0.95,
    resamples: int = 2000,
) -> Interval:
    """Return the paired difference of two models, with its ``bootstrap`` interval.

    It is the mean over seeds and starts of a - b, or with ``ratio`` the geometric mean
    exp(mean of log a - mean of log b).

    An infinite error counts as the worst, not as missing: the ratio is infinite if only ``a`` has
    one, 0 if only ``b`` has, and nan if both have, since they cannot be compared. A zero in a ratio
    acts the other way round. nan is unknown.

    Args:
        a: scores (seeds_a, n) of the first model, one row per seed, one column per start.
        b: scores (seeds_b, n) of the second model, from the same starts.
        ratio: compare by the ratio, for scores that are not negative.
        level: probability of the interval.
        resamples: number of resamples.

    Raises:
        ValueError: the tables do not have the same starts.
    """
    a, b = same_starts(a, b)
    with np.errstate(all="ignore"):
        if not ratio:
            return bootstrap(a, _difference, b, level=level, resamples=resamples)
        logs = np.log(a), np.log(b)
        found = bootstrap(logs[0], _difference, logs[1], level=level, resamples=resamples)
        return Interval(*(float(np.exp(x)) for x in found))


def same_starts(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return two tables of scores in float64; raise ValueError unless they are (seeds, same n)."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or not a.size or not b.size:
        raise ValueError(f"scores of shapes {a.shape} and {b.shape}: give (seeds, n), the same n")
    return a, b


def mean(table: np.ndarray) -> np.ndarray:
    """Return the mean over seeds and starts of ``table`` (..., seeds, n)."""
    return np.mean(table, axis=(-2, -1))


def median(table: np.ndarray) -> np.ndarray:
    """Return the median over seeds and starts of ``table`` (..., seeds, n)."""
    return np.median(table, axis=(-2, -1))


def _difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return mean(a) - mean(b)
