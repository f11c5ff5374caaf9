"""Intervals over initial conditions and seeds by the bootstrap, and paired differences."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Interval:
    """A statistic and the bounds of its interval; nan or infinite where there is no number."""

    middle: float
    low: float
    high: float

    def __iter__(self) -> Iterator[float]:
        return iter((self.middle, self.low, self.high))


def interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Bootstrap percentile interval of the median over initial conditions (fixed seed)."""
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
    """``statistic(table, *others)`` of scores (seeds, n) each, and its percentile interval.

    All seeds of all tables forecast from the same n starts: a resample draws the starts once for
    all tables and, crossed with them, the seeds of each table by themselves (fixed rng seed).
    With one seed the interval is over starts alone. Where the statistic of a resample is nan it
    might be anything: it counts as the lowest for ``low`` and as the highest for ``high``.

    Sources: B. Efron, R. Tibshirani, An Introduction to the Bootstrap (1993), sections 8.3 and
    13.3; R. Agarwal et al., NeurIPS 34 (2021), section 4.1, for runs of few seeds.
    """
    rng, tables = np.random.default_rng(0), (table, *others)
    seeds = [rng.integers(len(t), size=(resamples, len(t))) for t in tables]
    starts = rng.integers(table.shape[1], size=(resamples, table.shape[1]))
    drawn = np.array(
        [
            statistic(*(t[np.ix_(s[k], i)] for t, s in zip(tables, seeds, strict=True)))
            for k, i in enumerate(starts)
        ],
        np.float64,
    )
    tail, unknown = (1 - level) / 2, np.isnan(drawn)
    # Between an infinite and a finite draw there is no number to interpolate to.
    low = np.quantile(np.where(unknown, -np.inf, drawn), tail, method="nearest")
    high = np.quantile(np.where(unknown, np.inf, drawn), 1 - tail, method="nearest")
    return Interval(float(statistic(*tables)), float(low), float(high))


def paired(
    a: np.ndarray,
    b: np.ndarray,
    ratio: bool = False,
    level: float = 0.95,
    resamples: int = 2000,
) -> Interval:
    """How two models differ at the same initial conditions, with its ``bootstrap`` interval.

    ``a`` (seeds_a, n) and ``b`` (seeds_b, n) are scores, a row a seed and a column a start. The
    mean over seeds and starts of a - b; with ``ratio``, of scores that are not negative,
    exp(mean of log a - mean of log b), the geometric mean of the ratio.

    An infinite error is the worst, not missing: the ratio is infinite where only ``a`` has one, 0
    where only ``b`` has, nan where both have, for nothing says how they compare; zeros in a ratio
    the other way round; nan is unknown. Raises ValueError for tables that are not of the same
    starts.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or not a.size or not b.size:
        raise ValueError(f"scores of shapes {a.shape} and {b.shape}: give (seeds, n), the same n")
    with np.errstate(all="ignore"):
        if not ratio:
            return bootstrap(a, _difference, b, level=level, resamples=resamples)
        logs = np.log(a), np.log(b)
        found = bootstrap(logs[0], _difference, logs[1], level=level, resamples=resamples)
        return Interval(*(float(np.exp(x)) for x in found))


def _difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(a.mean() - b.mean())
