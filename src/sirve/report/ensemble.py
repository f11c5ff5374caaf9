"""What rollouts.h5 and metrics.json say of an ensemble, its figures and its table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
import plotly.graph_objects as go
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from plotly.subplots import make_subplots

from sirve.io.hdf5 import reading
from sirve.report.load import Run, RunError, array
from sirve.report.plots import band, decades, line, styled
from sirve.report.stats import Forecast, forecasts, pick, spans, thin
from sirve.report.stills import grid, legend, plain, tidy, time_label
from sirve.report.style import (
    MATPLOTLIB_DASHES,
    MISSING,
    MODEL_COLOUR,
    THRESHOLD,
    TRUTH,
    digits,
    literal,
)
from sirve.report.text import horizons_of, share, table

ERROR_COLOUR = "#d55e00"
_FAN = 5  # quantiles: outer low, inner low, median, inner high, outer high
_STEPS = 1500  # drawn, at most
_REMEDY = "give the folder of a finished run"


@dataclass(frozen=True)
class Ensemble:
    """Against time: root mean squares over the forecasts, in standard deviations, and a fan.

    ``fan`` (steps, quantiles) are those of the first channel of a vector, about ``shown``.
    """

    time: np.ndarray
    spread: np.ndarray
    error: np.ndarray
    shown: Forecast | None
    fan: np.ndarray | None


def read_ensemble(run: Run) -> Ensemble | None:
    """None for a run without one. Raises RunError."""
    shape, at = (run.n, run.steps), thin(run.steps, _STEPS)
    median, fan = pick(run, 0)[:1], None
    try:
        with reading(run.path / "rollouts.h5", _REMEDY) as file:
            group = file.get("ensemble")
            if not isinstance(group, h5py.Group):
                return None
            spread, error = (array(group, name, shape)[:, at] for name in ("spread_size", "error"))
            if run.kind == "vector" and "fan" in group:
                fan = array(group, "fan", (*shape, _FAN))[median[0].index, at]
    except ValueError as problem:
        raise RunError(f"{run.path}: cannot be read, {problem}; {_REMEDY}") from problem
    shown = None if fan is None else forecasts(run, median, _STEPS)[0]
    return Ensemble(run.time[at], _rms(spread), _rms(error), shown, fan)


def ensemble_figure(run: Run, ensemble: Ensemble, unit: str) -> go.Figure:
    """Spread and error of the mean against time; below, of a vector, one forecast's fan."""
    rows = 1 if ensemble.fan is None else 2
    figure = make_subplots(rows=rows, cols=1, shared_xaxes=True, vertical_spacing=0.08)
    for values, name, colour, dash in _curves(ensemble):
        figure.add_trace(line(ensemble.time, values, name, colour, dash=dash, width=2.0), 1, 1)
    low, high = _range(ensemble)
    look = {"width": 1, "dash": "dot", "hoverinfo": "skip", "showlegend": False}
    level = np.full(2, THRESHOLD)
    figure.add_trace(line(ensemble.time[[0, -1]], level, "", "#555555", **look), 1, 1)
    styled(figure, 300 * rows + 80)
    axis = {"type": "log", "range": [np.log10(low), np.log10(high)], **decades(low, high)}
    figure.update_yaxes(**axis, title_text="standard deviations", row=1, col=1)
    if ensemble.fan is not None and ensemble.shown is not None:
        fan, bounds = _clipped(ensemble)
        for k in range(_FAN // 2):
            figure.add_traces(
                band(ensemble.time, fan[:, k], fan[:, _FAN - 1 - k], MODEL_COLOUR),
                rows=2,
                cols=1,
            )
        for values, name, colour in _paths(run, ensemble):
            figure.add_trace(line(ensemble.time, values, name, colour, width=1.4), 2, 1)
        title = {"title_text": literal(run.channels[0]), "range": list(map(float, bounds))}
        figure.update_yaxes(**title, row=2, col=1)
    return figure.update_xaxes(title_text=f"time ({literal(unit)})", row=rows, col=1)


def ensemble_still(run: Run, ensemble: Ensemble) -> Figure:
    """The same, for a paper."""
    rows = 1 if ensemble.fan is None else 2
    figure, axes = grid(rows, 1, (6.4, 2.6 * rows + 0.6), sharex=True)
    ax = tidy(axes[0, 0])
    for values, name, colour, dash in _curves(ensemble):
        ax.plot(ensemble.time, values, color=colour, linestyle=MATPLOTLIB_DASHES[dash], label=name)
    ax.axhline(THRESHOLD, color="#555555", linewidth=0.8, linestyle=":")
    ax.set(yscale="log", ylim=_range(ensemble), ylabel="standard deviations")
    if ensemble.fan is not None and ensemble.shown is not None:
        _draw_fan(tidy(axes[1, 0]), run, ensemble)
    axes[-1, 0].set_xlabel(time_label(run))
    figure.align_ylabels()
    legend(figure, ax)
    return figure


def ensemble_table(run: Run) -> str:
    """The scores of metrics.json at each horizon, as HTML; empty where there are none."""
    entry = run.metrics.get("ensemble")
    entry = entry if isinstance(entry, dict) else {}
    rows = (
        ("CRPS", "crps", None),
        ("mean absolute error of the forecast", "absolute_error", None),
        ("spread over error", "spread_over_error", None),
        ("coverage of 50 %", "coverage", "0.5"),
        ("coverage of 90 %", "coverage", "0.9"),
        ("log-likelihood", "log_likelihood", None),
    )
    found = {title: _entry(entry, key, level) for title, key, level in rows}
    at = horizons_of(found.values())
    cells = [
        ("", [title, *(_cell(values.get(h), title) for h in at)])
        for title, values in found.items()
        if any(digits(values.get(h)) != MISSING for h in at)
    ]
    return table(["", *(f"step {h}" for h in at)], cells) if cells else ""


def _entry(entry: Mapping[str, Any], key: str, level: str | None) -> Mapping[str, Any]:
    value = entry.get(key)
    value = value.get(level) if level and isinstance(value, dict) else value
    return value if isinstance(value, dict) else {}


def _cell(value: Any, title: str) -> str:
    return digits(value) if not title.startswith("coverage") else share(value)


def _curves(ensemble: Ensemble) -> tuple[tuple[np.ndarray, str, str, str], ...]:
    return (
        (ensemble.spread, "spread of the ensemble", MODEL_COLOUR, "solid"),
        (ensemble.error, "error of its mean", ERROR_COLOUR, "dash"),
    )


def _paths(run: Run, ensemble: Ensemble) -> tuple[tuple[np.ndarray, str, str], ...]:
    fan, _ = _clipped(ensemble)
    assert ensemble.shown is not None
    truth = ensemble.shown.truth[:, 0]
    return (fan[:, _FAN // 2], f"median, 50 % and 90 % of {run.model}", MODEL_COLOUR), (
        truth,
        "truth",
        TRUTH,
    )


def _draw_fan(ax: Axes, run: Run, ensemble: Ensemble) -> None:
    fan, bounds = _clipped(ensemble)
    for k in range(_FAN // 2):
        low, high = fan[:, k], fan[:, _FAN - 1 - k]
        ax.fill_between(ensemble.time, low, high, color=MODEL_COLOUR, alpha=0.18, linewidth=0)
    for values, name, colour in _paths(run, ensemble):
        ax.plot(ensemble.time, values, color=colour, linewidth=1.0, label=plain(name))
    ax.set(ylabel=plain(run.channels[0]), ylim=bounds)
    ax.legend(loc="lower left", ncols=2)


def _clipped(ensemble: Ensemble) -> tuple[np.ndarray, np.ndarray]:
    """The fan where the truth is or near it, and the bounds of the axis."""
    assert ensemble.fan is not None and ensemble.shown is not None
    bounds = spans([ensemble.shown], 0.25)[0]
    reach = np.ptp(bounds)
    fan = np.nan_to_num(ensemble.fan, nan=bounds.mean(), posinf=np.inf, neginf=-np.inf)
    return np.clip(fan, bounds[0] - reach, bounds[1] + reach), bounds


def _range(ensemble: Ensemble) -> tuple[float, float]:
    values = np.concatenate([ensemble.spread, ensemble.error])
    values = values[np.isfinite(values) & (values > 0)]
    low = float(values.min(initial=0.1))
    return max(low, 1e-14) / 1.5, min(float(values.max(initial=2.0)), 100.0) * 1.5


def _rms(values: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        rms = np.sqrt((values**2).mean(0))
    return np.where(np.isfinite(rms) & (rms > 0), rms, np.nan)
