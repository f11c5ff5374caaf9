"""Charts of a run: error, states, invariants, training and ensemble against time."""

from collections.abc import Sequence

import numpy as np

from sirve.report.ensemble import QUANTILES, Ensemble
from sirve.report.figures.chart import Chart, Curve, Panel, vertical
from sirve.report.load import MODEL, Run
from sirve.report.stats import Forecast, early, quartiles, spans, thin
from sirve.report.style import MODEL_COLOUR, THRESHOLD, TRUTH, units

ROWS = 6  # channels of a vector that are drawn, at most
POINTS = 1500  # of a curve, at most
ERROR_COLOUR = "#d55e00"
_CEILING = 1e6  # larger errors are drawn as if they were this large
_NEAR = 3.0  # standard deviations: a forecast in the physical range errs by less


def time_label(run: Run) -> str:
    return f"time ({units(run.metrics.get('time_unit'))})"


def error_curve(
    runs: Sequence[Run], name: str, label: str, colour: str, dash: str, points: int
) -> Curve:
    """Return the median error of ``name`` over starts and runs, with quartiles for the model."""
    run = min(runs, key=lambda run: run.steps)
    at = early(run.steps, points)
    errors = np.concatenate([one.errors[name][:, at] for one in runs])
    low, middle, high = (np.clip(q, 1e-15, _CEILING) for q in quartiles(errors))
    middle = np.where((middle > 1e-15) & (middle < _CEILING), middle, np.nan)
    if name != MODEL:
        return Curve(label, run.time[at], middle, colour, dash, 1.6)
    return Curve(label, run.time[at], middle, colour, dash, 2.4, low, high)


def error_range(curves: Sequence[Curve]) -> tuple[float, float]:
    """Return bounds of the axis of errors that hide no curve below 100 standard deviations."""
    values = np.concatenate([c.y for c in curves] + [c.low for c in curves if c.low is not None])
    values = values[np.isfinite(values) & (values > 1e-14)]
    if not len(values):
        return 0.01, 10.0
    low, high = max(float(values.min()), 1e-8), min(max(float(values.max()), 2.0), 100.0)
    return min(low, THRESHOLD / 2) / 1.5, max(high, low) * 1.5


def error_chart(
    curves: Sequence[Curve],
    xlabel: str,
    ceiling: float | None = None,
    marks: Sequence[Curve] = (),
) -> Chart:
    """Chart of errors against time; ``ceiling`` is the time to which the truth is reliable."""
    ylim = error_range(curves)
    lines = [*curves, *marks]
    if ceiling is not None:
        lines.append(vertical(ceiling, ylim, "reference solution reliable up to here", "dashdot"))
    end = max([1.02 * (ceiling or 0.0), *(float(curve.x[-1]) for curve in curves)])
    levels = [(THRESHOLD, str(THRESHOLD))]
    label = "error (standard deviations)"
    panel = Panel(lines, label, ylim=ylim, log=True, levels=levels)
    return Chart([panel], xlabel, (0.0, end), height=2.9)


def valid_time_marks(
    median: float, low: float, high: float, end: float, colour: str
) -> list[Curve]:
    """Return a valid time and its 95 % interval, marked at the threshold."""
    level, censored = np.full(2, THRESHOLD), median >= end * (1 - 1e-6)
    name = "valid time, at least" if censored else "valid time, 95 % interval"
    marker = "triangle" if censored else "circle"
    return [
        Curve("", np.array([low, high]), level, colour, width=2.5),
        Curve(name, np.array([median]), level[:1], colour, width=2.5, marker=marker),
    ]


def channels_chart(run: Run, shown: Forecast) -> Chart:
    """Chart of the truth and the forecast of each channel of a vector."""
    bounds = spans([shown], 0.25)
    known = np.concatenate([shown.lead, shown.truth])
    guess = np.concatenate([shown.lead[-1:], shown.prediction])
    time = np.concatenate([shown.lead_time, shown.time])
    panels = []
    for row, name in enumerate(run.channels[:ROWS]):
        low, high = map(float, bounds[row])
        near = np.abs(guess[:, row] - (low + high) / 2) < 10 * (high - low)  # the rest is far away
        forecast = np.where(near, guess[:, row], np.nan)
        curves = [Curve("truth", time, known[:, row], TRUTH, width=1.5)]
        curves.append(Curve(run.model, time[-len(guess) :], forecast, MODEL_COLOUR, width=1.5))
        if not shown.pick.censored:
            curves.append(vertical(shown.pick.valid, (low, high), f"error passes {THRESHOLD}"))
        panels.append(Panel(curves, name, ylim=(low, high)))
    ends = (float(time[0]), float(time[-1]))
    return Chart(panels, time_label(run), ends, width=6.8, height=1.3)


def drift_curves(run: Run, name: str) -> tuple[Curve, Curve, float | None]:
    """Return the change of an invariant since the last known state: model, truth, axis bound.

    The bound, if any, cuts off forecasts that have left the physical range. The scale is that of
    the invariant; where it is zero but for rounding, that of forecasts still near the truth.
    """
    truth, prediction = run.invariants[name]
    at = thin(truth.shape[1], POINTS)
    x = run.time[0] + run.step * (at - 1.0)
    known = truth[np.isfinite(truth)]
    scale = max(float(np.abs(known).mean()), float(known.std())) if len(known) else 1.0
    with np.errstate(invalid="ignore", over="ignore"):
        change = np.abs(prediction[:, 1:] - prediction[:, :1])
    near = change[(run.errors[MODEL] <= _NEAR) & np.isfinite(change)]
    limit = max(10 * scale, near.max(initial=0.0)) or 1.0
    curves, far = [], False
    for values, label, colour in ((prediction, run.model, MODEL_COLOUR), (truth, "truth", TRUTH)):
        with np.errstate(invalid="ignore", over="ignore"):
            low, middle, high = quartiles(values[:, at] - values[:, :1])
        low, high = (np.clip(q, -100 * limit, 100 * limit) for q in (low, high))
        curves.append(Curve(label, x, middle, colour, width=2.0, low=low, high=high))
        far = far or (label != "truth" and max(np.abs(low).max(), np.abs(high).max()) > limit)
    return curves[0], curves[1], limit if far else None


def invariants_chart(run: Run) -> Chart:
    """Chart of the change of every invariant since the last known state."""
    panels = []
    for name in run.invariants:
        model, truth, limit = drift_curves(run, name)
        bounds = None if limit is None else (-limit, limit)
        truth = Curve(truth.name, truth.x, truth.y, truth.colour, width=truth.width)
        panels.append(Panel([truth, model], "change", name, bounds))
    return Chart(panels, time_label(run), (float(model.x[0]), float(model.x[-1])))


def training_chart(run: Run) -> Chart | None:
    """Chart of the loss and the validation scores against the update; None without training."""
    if not any(key.startswith("train/") for row in run.log for key in row):
        return None
    unit = units(run.metrics.get("time_unit"))
    words = {"log_error": "log10 error", "valid_time": f"valid time ({unit})"}
    titles = {"train/loss": "loss"}
    for key in sorted({key for row in run.log for key in row if key.startswith("valid/")})[:4]:
        name = key.removeprefix("valid/")
        titles[key] = f"validation: {words.get(name, name.replace('_', ' '))}"
    panels = []
    for key, title in titles.items():
        rows = [(row["step"], row[key]) for row in run.log if key in row and "step" in row]
        if rows:
            table = np.array(rows)[thin(len(rows), POINTS)]
            marker = "" if len(table) > 60 else "dot"
            curve = Curve("", table[:, 0], table[:, 1], MODEL_COLOUR, marker=marker)
            log = key == "train/loss" and bool((table[:, 1] > 0).all())
            panels.append(Panel([curve], title=title, log=log))
    return Chart(panels, "training step") if panels else None


def ensemble_chart(run: Run, ensemble: Ensemble) -> Chart:
    """Chart of spread and error of the mean and, for a vector, the quantiles of one forecast."""
    time = ensemble.time
    spread = Curve("spread of the ensemble", time, ensemble.spread, MODEL_COLOUR, width=2.0)
    error = Curve("error of its mean", time, ensemble.error, ERROR_COLOUR, "dash", 2.0)
    values = np.concatenate([ensemble.spread, ensemble.error])
    values = values[np.isfinite(values) & (values > 0)]
    low, high = max(float(values.min(initial=0.1)), 1e-14), float(values.max(initial=2.0))
    levels = [(THRESHOLD, str(THRESHOLD))]
    ylim = (low / 1.5, 1.5 * min(high, 100.0))
    panels = [Panel([spread, error], "standard deviations", ylim=ylim, log=True, levels=levels)]
    if ensemble.fan is not None and ensemble.shown is not None:
        panels.append(_fan_panel(run, time, ensemble.fan, ensemble.shown))
    return Chart(panels, time_label(run), height=2.6)


def _fan_panel(run: Run, time: np.ndarray, fan: np.ndarray, shown: Forecast) -> Panel:
    low, high = map(float, spans([shown], 0.25)[0])
    fan = np.nan_to_num(fan, nan=(low + high) / 2, posinf=np.inf, neginf=-np.inf)
    fan = np.clip(fan, 2 * low - high, 2 * high - low)
    names = ("", f"median, 50 % and 90 % of {run.model}")
    curves = [
        Curve(names[k], time, fan[:, QUANTILES // 2], MODEL_COLOUR, "solid", 1.4,
              fan[:, k], fan[:, QUANTILES - 1 - k])
        for k in range(QUANTILES // 2)
    ]  # fmt: skip
    truth = Curve("truth", time, shown.truth[:, 0], TRUTH, width=1.4)
    return Panel([*curves, truth], run.channels[0], ylim=(low, high))
