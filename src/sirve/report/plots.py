"""Interactive curves of the page: error, invariants and training, as Plotly figures."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from sirve.report.load import Run
from sirve.report.stats import Curve, drift_curves, error_range, training_curves
from sirve.report.style import MODEL_COLOUR, THRESHOLD, TRUTH, literal

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_AXIS: dict[str, Any] = {
    "gridcolor": "#ececec",
    "linecolor": "#b5b5b5",
    "tickcolor": "#b5b5b5",
    "ticks": "outside",
    "ticklen": 4,
    "zeroline": False,
    "automargin": True,
    "title": {"standoff": 8, "font": {"size": 13}},
}
_HIDDEN: dict[str, Any] = {"width": 0, "showlegend": False, "hoverinfo": "skip"}


def styled(figure: go.Figure, height: int) -> go.Figure:
    """Give ``figure`` the look of the page."""
    figure.update_layout(
        template="none",
        height=height,
        font={"family": FONT, "size": 13, "color": "#333333"},
        margin={"l": 58, "r": 14, "t": 40, "b": 46},
        legend={
            "orientation": "h",
            "x": 0,
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "traceorder": "normal",
        },
        hovermode="x",
        hoverlabel={"namelength": 24},
    )
    figure.update_xaxes(**_AXIS)
    figure.update_yaxes(**_AXIS)
    return figure


def decades(low: float, high: float) -> dict[str, Any]:
    """Ticks of a logarithmic axis."""
    step = 1 if high > 30 * low else "D2"
    return {"dtick": step, "exponentformat": "power", "tickfont": {"size": 11}}


def headed(figure: go.Figure) -> go.Figure:
    """Put the titles of the rows over their left ends, below the legend."""
    figure.update_layout(margin={"t": 64})
    return figure.update_annotations(x=0, xanchor="left", font={"size": 13})


def line(x: np.ndarray, y: np.ndarray, name: str, colour: str, **options: Any) -> go.Scatter:
    """A line with gaps where ``y`` is not finite."""
    look = {"width": options.pop("width", 1.6), "dash": options.pop("dash", "solid")}
    if "hoverinfo" not in options:
        options["hovertemplate"] = "%{y:.4g}"
    return go.Scatter(
        x=np.asarray(x, "f4"),
        y=np.where(np.abs(y) < 1e30, y, np.nan).astype("f4"),
        name=literal(name),
        mode="lines",
        line={"color": colour, **look},
        **options,
    )


def band(x: np.ndarray, low: np.ndarray, high: np.ndarray, colour: str) -> list[go.Scatter]:
    """The area between two finite curves."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    fill = {"fill": "tonexty", "fillcolor": f"rgba({red},{green},{blue},0.18)"}
    return [line(x, low, "", colour, **_HIDDEN), line(x, high, "", colour, **_HIDDEN, **fill)]


def error_figure(
    curves: Sequence[Curve],
    unit: str,
    holds: tuple[float, float, float] | None = None,
    ceiling: float | None = None,
) -> go.Figure:
    """Error against time; ``holds`` (median, low, high) marks the valid time on the threshold,

    ``ceiling`` the time beyond which the truth is unknown.
    """
    figure = go.Figure()
    bottom, top = error_range(curves)
    for curve in curves:
        if curve.shaded:
            low, high = (np.maximum(q, bottom / 100) for q in (curve.low, curve.high))
            figure.add_traces(band(curve.x, low, high, curve.colour))
    for curve in curves:
        look = {"dash": curve.dash, "width": curve.width, "legendrank": 1 if curve.shaded else 3}
        figure.add_trace(line(curve.x, curve.middle, curve.name, curve.colour, **look))
    figure.add_hline(y=THRESHOLD, line={"color": "#555555", "width": 1, "dash": "dot"})
    mark = {
        "x": 1,
        "xref": "paper",
        "xanchor": "left",
        "y": np.log10(THRESHOLD),
        "showarrow": False,
    }
    figure.add_annotation(**mark, text=str(THRESHOLD), font={"size": 11, "color": "#555555"})
    if ceiling is not None:
        figure.add_trace(_ceiling(ceiling, bottom, top))
    if holds is not None:
        figure.add_trace(_valid_time(*holds, censored=holds[0] >= 0.999999 * curves[-1].x[-1]))
    styled(figure, 420)
    figure.update_yaxes(
        type="log",
        range=[np.log10(bottom), np.log10(top)],
        **decades(bottom, top),
        title_text="error (standard deviations)",
    )
    figure.update_xaxes(title_text=f"time ({literal(unit)})", rangemode="tozero")
    return figure.update_layout(margin={"r": 30})


def _ceiling(time: float, bottom: float, top: float) -> go.Scatter:
    return go.Scatter(
        x=[time, time],
        y=[bottom, top],
        mode="lines",
        name="the solver's own ceiling",
        legendrank=2,
        line={"color": "#555555", "width": 1.6, "dash": "dashdot"},
        hovertemplate="%{x:.3g}",
    )


def _valid_time(median: float, low: float, high: float, censored: bool) -> go.Scatter:
    bars = {"array": [high - median], "arrayminus": [median - low], "symmetric": False}
    return go.Scatter(
        x=[median],
        y=[THRESHOLD],
        error_x={"type": "data", "color": MODEL_COLOUR, "thickness": 2, "width": 6, **bars},
        mode="markers",
        name="valid time, at least" if censored else "valid time, 95 % interval",
        legendrank=2,
        marker={
            "size": 10,
            "symbol": "triangle-right" if censored else "circle",
            "color": "white",
            "line": {"color": MODEL_COLOUR, "width": 2.5},
        },
        hovertemplate="%{x:.3g}",
    )


def invariants_figure(run: Run, unit: str) -> go.Figure:
    """Change of every invariant since the last known state: model with quartiles, and truth."""
    names = list(run.invariants)
    figure = make_subplots(
        rows=len(names),
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.24 / max(len(names), 2),
        subplot_titles=[literal(name) for name in names],
    )
    for row, name in enumerate(names, start=1):
        model, truth, limit = drift_curves(run, name)
        for trace in band(model.x, model.low, model.high, model.colour):
            figure.add_trace(trace, row, 1)
        look = {"showlegend": row == 1, "width": 2.2}
        figure.add_trace(line(truth.x, truth.middle, "truth", TRUTH, **look), row, 1)
        figure.add_trace(line(model.x, model.middle, run.model, MODEL_COLOUR, **look), row, 1)
        bounds = None if limit is None else [-limit, limit]
        figure.update_yaxes(title_text="change", range=bounds, row=row, col=1)
    headed(styled(figure, 200 * len(names) + 120))
    figure.update_xaxes(title_text=f"time ({literal(unit)})", row=len(names), col=1)
    figure.update_yaxes(exponentformat="power", nticks=6)
    return figure


def training_figure(run: Run) -> go.Figure:
    """Loss and validation scores against the step of training."""
    curves = training_curves(run)
    figure = make_subplots(
        rows=len(curves),
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.24 / max(len(curves), 2),
        subplot_titles=[literal(name) for name, *_ in curves],
    )
    for row, (name, step, value, logarithmic) in enumerate(curves, start=1):
        mode = "lines" if len(step) > 60 else "lines+markers"
        trace = line(step, value, name, MODEL_COLOUR, showlegend=False)
        figure.add_trace(trace.update(mode=mode, marker={"size": 5}), row, 1)
        figure.update_yaxes(nticks=6, row=row, col=1)
        if logarithmic:
            ticks = decades(float(value.min()), float(value.max()))
            figure.update_yaxes(type="log", **ticks, row=row, col=1)
    headed(styled(figure, 190 * len(curves) + 100)).update_layout(margin={"t": 30})
    figure.update_xaxes(title_text="step of training", row=len(curves), col=1)
    return figure
