"""Curves, valid times and the choice of forecasts to show, from the errors of a run."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sirve.metrics import bootstrap, valid_steps
from sirve.report.load import MODEL, Run
from sirve.report.style import MODEL_COLOUR, THRESHOLD, TRUTH, baseline_style, digits, units

_CEILING = 1e6  # errors above it are drawn as if they were this large
_NEAR = 3.0  # standard deviations: a forecast in the physical range errs by less


@dataclass(frozen=True)
class Curve:
    """The median of an error over the forecasts, with its quartiles for the model."""

    name: str
    x: np.ndarray
    middle: np.ndarray
    low: np.ndarray
    high: np.ndarray
    colour: str
    dash: str = "solid"
    shaded: bool = False
    width: float = 1.6


@dataclass(frozen=True)
class Pick:
    """One forecast chosen to be shown."""

    index: int
    label: str
    valid: float  # in units of time
    censored: bool  # the error never crossed the threshold


def quartiles(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First quartile, median and third quartile over the first axis; NaN counts as infinite."""
    ranked = np.sort(np.where(np.isnan(values), np.inf, values).astype("f8"), axis=0)
    last = len(ranked) - 1
    middle = ranked[last // 2]
    with np.errstate(invalid="ignore"):  # -inf + inf
        middle = (middle + ranked[len(ranked) // 2]) / 2
    return ranked[int(0.25 * last)], middle, ranked[int(np.ceil(0.75 * last))]


def thin(length: int, limit: int) -> np.ndarray:
    """At most ``limit`` evenly spaced indices into ``length`` entries, both ends included."""
    return np.unique(np.linspace(0, length - 1, min(length, limit)).round().astype(int))


def early(length: int, limit: int) -> np.ndarray:
    """At most ``limit`` indices that lie closer together early on, both ends included."""
    if length <= limit:
        return np.arange(length)
    return np.unique((np.linspace(0, 1, limit) ** 2 * (length - 1)).round().astype(int))


def error_curve(run: Run, name: str, label: str, colour: str, dash: str, shaded: bool) -> Curve:
    at = thin(run.steps, 1500)
    low, middle, high = (np.minimum(q, _CEILING) for q in quartiles(run.errors[name][:, at]))
    middle = np.where((middle > 0) & (middle < _CEILING), middle, np.nan)
    width = 1.6 if name != MODEL else 2.4 if shaded else 2.0
    return Curve(label, run.time[at], middle, low, high, colour, dash, shaded, width)


def baseline_curves(run: Run) -> list[Curve]:
    names = run.baselines
    return [error_curve(run, n, n, *baseline_style(n, names), shaded=False) for n in names]


def error_curves(run: Run) -> list[Curve]:
    """Every baseline, then the model on top of them."""
    model = error_curve(run, MODEL, run.model, MODEL_COLOUR, "solid", shaded=True)
    return [*baseline_curves(run), model]


def error_range(curves: Sequence[Curve]) -> tuple[float, float]:
    """Bounds of the axis of errors that hide no curve below 100 standard deviations."""
    shown = [c.middle for c in curves] + [c.low for c in curves if c.shaded]
    values = np.concatenate(shown)
    values = values[np.isfinite(values) & (values > 0)]
    if not len(values):
        return 0.01, 10.0
    low = max(float(values.min()), 1e-8)
    high = min(max(float(values.max()), 2.0), 100.0)
    return min(low, 0.2) / 1.5, high * 1.5


def pick(run: Run, others: int = 3) -> list[Pick]:
    """The median, best and worst forecast by valid time, then a few in the order of the file."""
    steps = valid_steps(run.errors[MODEL], THRESHOLD)
    with np.errstate(divide="ignore"):
        size = np.log(np.clip(run.errors[MODEL], 1e-12, _CEILING)).mean(axis=1)
    ranked = np.lexsort((size, -steps))  # the longest first, ties by the smaller error
    chosen = {int(ranked[(run.n - 1) // 2]): "Median", int(ranked[0]): "Best"}
    chosen.setdefault(int(ranked[-1]), "Worst")
    for i in range(run.n):
        if len(chosen) < 3 + others:
            chosen.setdefault(i, "Also")
    if run.n == 1:
        chosen = {0: "The only one"}
    return [_described(run, i, rank, int(steps[i])) for i, rank in chosen.items()]


def _described(run: Run, i: int, rank: str, steps: int) -> Pick:
    valid, censored = steps * run.step, steps == run.steps
    held = f"{'at least ' if censored else ''}{digits(valid)} {units(run.metrics.get('time_unit'))}"
    return Pick(i, f"{rank}: forecast {i + 1} of {run.n}, holds {held}", valid, censored)


def pooled(valid: Sequence[np.ndarray], draws: int = 2000) -> tuple[float, float, float]:
    """Median of the valid times of several seeds, (n,) each, and a 95 % interval."""
    if len({len(v) for v in valid}) == 1:
        middle, low, high = bootstrap(np.stack(valid), np.median, resamples=draws)
        return middle, low, high
    rng, flat = np.random.default_rng(0), np.concatenate(valid)
    medians = [np.median(rng.choice(flat, len(flat))) for _ in range(draws)]
    low, high = np.quantile(medians, (0.025, 0.975))
    return float(np.median(flat)), float(low), float(high)


@dataclass(frozen=True)
class Forecast:
    """The states of one forecast that are shown, after the last states of its context."""

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


def forecasts(run: Run, picks: Sequence[Pick], limit: int, crowded: bool = False) -> list[Forecast]:
    """Read ``picks`` at no more than ``limit`` steps; ``crowded`` puts them closer early on."""
    at = (early if crowded else thin)(run.steps, limit)
    before = max(1, min(run.context, run.steps // 8))
    lead_time = run.time[0] - run.step * np.arange(before, 0, -1)
    return [
        Forecast(p, run.time[at], *run.states(p.index, at), lead_time, run.before(p.index, before))
        for p in picks
    ]


def spans(shown: Sequence[Forecast], room: float = 0.0) -> np.ndarray:
    """Lowest and highest true value of each channel, (C, 2), with ``room`` as a share added."""
    truth = np.concatenate([f.truth for f in shown])
    flat = np.moveaxis(truth, 1, 0).reshape(truth.shape[1], -1)
    flat = np.where(np.isfinite(flat), flat, np.nan)
    low, high = np.nanmin(flat, axis=1), np.nanmax(flat, axis=1)
    extra = np.where(high > low, room * (high - low), 0.5)
    return np.stack([low - extra, high + extra], axis=1)


def difference_range(values: Sequence[np.ndarray], most: float) -> float:
    """A bound that 99 % of the finite differences keep, no larger than ``most``."""
    size = np.abs(np.concatenate([v.ravel() for v in values]).astype("f8"))
    size = size[np.isfinite(size)]
    reach = float(np.quantile(size, 0.99)) if len(size) else most
    return min(reach, most) or most


def drift_curves(run: Run, name: str) -> tuple[Curve, Curve, float | None]:
    """Change of an invariant since the last known state: model, truth, and a bound of the axis.

    The bound, where there is one, keeps forecasts that have left the physical range off the plot;
    an invariant that is zero but for rounding says nothing of that range, but its forecasts do.
    """
    truth, prediction = run.invariants[name]
    at = thin(truth.shape[1], 1500)
    x = run.time[0] + run.step * (at - 1.0)
    known = truth[np.isfinite(truth)]
    scale = max(float(np.abs(known).mean()), float(known.std())) if len(known) else 1.0
    with np.errstate(invalid="ignore", over="ignore"):
        change = np.abs(prediction[:, 1:] - prediction[:, :1])
    near = change[(run.errors[MODEL] <= _NEAR) & np.isfinite(change)]
    limit = max(10 * scale, near.max(initial=0.0)) or 1.0
    curves = []
    for values, colour in ((prediction, MODEL_COLOUR), (truth, TRUTH)):
        with np.errstate(invalid="ignore", over="ignore"):
            low, middle, high = quartiles(values[:, at] - values[:, :1])
        low, high = (np.clip(q, -100 * limit, 100 * limit) for q in (low, high))
        curves.append(Curve(name, x, middle, low, high, colour, shaded=True))
    far = max(np.abs(curves[0].low).max(), np.abs(curves[0].high).max()) > limit
    return curves[0], curves[1], limit if far else None


def training_curves(run: Run) -> list[tuple[str, np.ndarray, np.ndarray, bool]]:
    """Title, steps, values and whether the axis is logarithmic; empty without training."""
    keys = sorted({key for row in run.log for key in row if key.startswith("valid/")})
    unit = units(run.metrics.get("time_unit"))
    words = {"log_error": "log10 error", "valid_time": f"valid time ({unit})"}
    wanted = [("train/loss", "loss")]
    for key in keys[:4]:
        name = key.removeprefix("valid/")
        wanted.append((key, f"validation: {words.get(name, name.replace('_', ' '))}"))
    curves = []
    for key, title in wanted:
        rows = [(row["step"], row[key]) for row in run.log if key in row and "step" in row]
        if rows:
            table = np.array(rows)[thin(len(rows), 1500)]
            logarithmic = key == "train/loss" and bool((table[:, 1] > 0).all())
            curves.append((title, table[:, 0], table[:, 1], logarithmic))
    return curves if any(key.startswith("train/") for row in run.log for key in row) else []
