"""Numbers behind the figures: quartiles, valid times, the forecasts that are shown."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sirve.metrics import bootstrap, median, valid_steps
from sirve.report.load import MODEL, Run
from sirve.report.style import THRESHOLD, digits, units


@dataclass(frozen=True)
class Pick:
    """One start that is shown, and the valid time of the forecast from there."""

    index: int
    label: str
    valid: float  # in units of time, the mean over several runs
    censored: bool  # the error never crossed the threshold


def quartiles(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return first quartile, median and third quartile over axis 0. NaN counts as infinite."""
    ranked = np.sort(np.where(np.isnan(values), np.inf, values).astype("f8"), axis=0)
    last = len(ranked) - 1
    middle = ranked[last // 2]
    with np.errstate(invalid="ignore"):  # -inf + inf
        middle = (middle + ranked[len(ranked) // 2]) / 2
    return ranked[int(0.25 * last)], middle, ranked[int(np.ceil(0.75 * last))]


def thin(length: int, limit: int) -> np.ndarray:
    """Return at most ``limit`` evenly spaced indices into ``length`` entries, with both ends."""
    return np.unique(np.linspace(0, length - 1, min(length, limit)).round().astype(int))


def early(length: int, limit: int) -> np.ndarray:
    """Return at most ``limit`` indices, closer together at the start, with both ends."""
    if length <= limit:
        return np.arange(length)
    return np.unique((np.linspace(0, 1, limit) ** 2 * (length - 1)).round().astype(int))


def pick(runs: Sequence[Run], limit: int) -> list[Pick]:
    """Return starts spread from the longest to the shortest valid time, the median first.

    The valid time of a start is the mean over ``runs``; equal ones are ordered by the error.
    """
    steps = np.stack([valid_steps(run.errors[MODEL], THRESHOLD) for run in runs])
    valid = np.mean([s * run.step for s, run in zip(steps, runs, strict=True)], axis=0)
    with np.errstate(divide="ignore"):
        errors = [np.log(np.clip(run.errors[MODEL], 1e-12, 1e6)).mean(axis=1) for run in runs]
    order = np.lexsort((np.mean(errors, axis=0), -valid))
    n, middle = len(order), (len(order) - 1) // 2
    ranks = np.unique(np.linspace(0, n - 1, min(n, limit)).round().astype(int)).tolist()
    if middle not in ranks:
        ranks[int(np.argmin(np.abs(np.array(ranks) - middle)))] = middle
    ranks.remove(middle)
    words = {0: "best: ", n - 1: "worst: ", middle: "median: "} if n > 1 else {}
    unit, average = units(runs[0].metrics.get("time_unit")), " on average" * (len(runs) > 1)
    found = []
    for rank in [middle, *ranks]:
        i = int(order[rank])
        censored = all(int(s[i]) == run.steps for s, run in zip(steps, runs, strict=True))
        held = f"valid for {'at least ' * censored}{digits(valid[i])} {unit}{average}"
        label = f"{words.get(rank, '')}forecast {i + 1} of {n}, {held}"
        found.append(Pick(i, label, float(valid[i]), censored))
    return found


def pooled(valid: Sequence[np.ndarray], draws: int = 2000) -> tuple[float, float, float]:
    """Return the median of the valid times (n,) of several seeds, and its 95 % interval."""
    if len({len(v) for v in valid}) == 1:
        middle, low, high = bootstrap(np.stack(valid), median, resamples=draws)
        return middle, low, high
    rng, flat = np.random.default_rng(0), np.concatenate(valid)
    medians = np.median(rng.choice(flat, (draws, len(flat))), axis=1)
    low, high = np.quantile(medians, (0.025, 0.975))
    return float(np.median(flat)), float(low), float(high)


@dataclass(frozen=True)
class Forecast:
    """States of one forecast (times, *shape), after the last states of its context (``lead``)."""

    pick: Pick
    time: np.ndarray
    truth: np.ndarray
    prediction: np.ndarray
    lead_time: np.ndarray  # at most zero
    lead: np.ndarray

    @property
    def difference(self) -> np.ndarray:
        with np.errstate(invalid="ignore", over="ignore"):
            return self.prediction - self.truth


def forecast(run: Run, start: Pick, at: np.ndarray) -> Forecast:
    """Read the forecast from ``start`` at the steps ``at``."""
    before = lead_steps(run)
    lead_time = run.time[0] - run.step * np.arange(before, 0, -1)
    states = run.states(start.index, at)
    return Forecast(start, run.time[at], *states, lead_time, run.before(start.index, before))


def lead_steps(run: Run) -> int:
    """Return how many states of the context are drawn before a forecast."""
    return max(1, min(run.context, run.steps // 8))


def spans(shown: Sequence[Forecast], room: float = 0.0) -> np.ndarray:
    """Return the lowest and highest true value of each channel (C, 2), widened by ``room``."""
    truth = np.concatenate([f.truth for f in shown])
    flat = np.moveaxis(truth, 1, 0).reshape(truth.shape[1], -1)
    flat = np.where(np.isfinite(flat), flat, np.nan)
    low, high = np.nanmin(flat, axis=1), np.nanmax(flat, axis=1)
    extra = np.where(high > low, room * (high - low), 0.5)
    return np.stack([low - extra, high + extra], axis=1)


def difference_range(values: Sequence[np.ndarray], most: float) -> float:
    """Return a bound of 99 % of the finite differences, ``most`` at the most."""
    size = np.abs(np.concatenate([v.ravel() for v in values]).astype("f8"))
    size = size[np.isfinite(size)]
    reach = float(np.quantile(size, 0.99)) if len(size) else most
    return min(reach, most) or most
