"""Interactive figures of the states: channels, phase portrait and fields over time."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from sirve.report.plots import headed, line, styled
from sirve.report.stats import Forecast, difference_range, spans
from sirve.report.style import MODEL_COLOUR, THRESHOLD, TRUTH, literal

ROWS = 6  # at most so many channels of a vector get a row
CELLS = 128  # at most so many cells of a field are shown
FIELDS = 3  # at most so many channels of a field are shown
Look = tuple[str, str, str]  # name, colour, dash


def _tagged(trace: Any, k: int) -> Any:
    """Show ``trace`` only while forecast number ``k`` of the page is chosen, at first number 0."""
    return trace.update(meta={"forecast": k}, visible=k == 0)


def channel_figure(
    models: Sequence[tuple[Look, Sequence[Forecast]]], channels: Sequence[str], unit: str
) -> go.Figure:
    """One row a channel: the truth and, by every model, the forecast of it."""
    truths = models[0][1]
    bounds = spans(truths, 0.25)
    rows = min(len(channels), ROWS)
    figure = make_subplots(
        rows=rows, cols=1, shared_xaxes=True, vertical_spacing=0.16 / max(rows, 4)
    )
    for row in range(rows):
        for k, truth in enumerate(truths):
            for trace in _channel_traces(models, k, row, bounds[row]):
                figure.add_trace(_tagged(trace, k), row + 1, 1)
            if len(models) == 1 and not truth.pick.censored:
                figure.add_trace(_tagged(_end(truth, row, bounds[row]), k), row + 1, 1)
    styled(figure, 150 * rows + 110 if rows > 1 else 320)
    for row, name in enumerate(channels[:rows]):
        axis = {"title_text": literal(name), "range": list(map(float, bounds[row])), "nticks": 5}
        figure.update_yaxes(**axis, row=row + 1, col=1)
    figure.update_xaxes(title_text=f"time ({literal(unit)})", row=rows, col=1)
    return figure


def _channel_traces(
    models: Sequence[tuple[Look, Sequence[Forecast]]], k: int, row: int, bounds: np.ndarray
) -> list[go.Scatter]:
    truth = models[0][1][k]
    x = np.concatenate([truth.lead_time, truth.time])
    y = np.concatenate([truth.lead[:, row], truth.truth[:, row]])
    traces = [line(x, y, "truth", TRUTH, showlegend=row == 0, legendgroup="truth")]
    for (name, colour, dash), shown in models:
        x = np.concatenate([shown[k].lead_time[-1:], shown[k].time])
        y = np.concatenate([shown[k].lead[-1:, row], shown[k].prediction[:, row]])
        near = np.abs(y - bounds.mean()) < 10 * np.ptp(bounds)  # the rest is far off the plot
        look = {"dash": dash, "showlegend": row == 0, "legendgroup": literal(name)}
        traces.append(line(x, np.where(near, y, np.nan), name, colour, **look))
    return traces


def _end(truth: Forecast, row: int, bounds: np.ndarray) -> go.Scatter:
    look = {"width": 1, "dash": "dot", "hoverinfo": "skip", "legendgroup": "end"}
    x, name = np.full(2, truth.pick.valid), f"error passes {THRESHOLD}"
    return line(x, bounds, name, "#777777", showlegend=row == 0, **look)


def phase_figure(shown: Sequence[Forecast], name: str, channels: Sequence[str]) -> go.Figure:
    """Two or three channels against each other, truth and prediction."""
    axes = min(len(channels), 3)
    bounds = spans(shown, 0.1)[:axes]
    kind = go.Scatter3d if axes == 3 else go.Scatter
    figure = go.Figure()
    for k, forecast in enumerate(shown):
        paths = (("truth", forecast.truth, TRUTH), (name, forecast.prediction, MODEL_COLOUR))
        for label, states, colour in paths:
            states = states[:, :axes]
            inside = (np.abs(states - bounds.mean(axis=1)) <= np.ptp(bounds, axis=1) / 2).all(
                axis=1
            )
            path = np.where(inside[:, None], states, np.nan).astype("f4")
            trace = kind(
                **{axis: path[:, i] for i, axis in enumerate("xyz"[:axes])},
                name=literal(label),
                mode="lines",
                line={"color": colour, "width": 3 if axes == 3 else 1.4},
                opacity=0.8,
                hoverinfo="skip",
            )
            figure.add_trace(_tagged(trace, k))
    styled(figure, 540)
    look = [
        {"title": {"text": literal(channel)}, "range": list(map(float, bound))}
        for channel, bound in zip(channels, bounds, strict=False)
    ]
    if axes == 2:
        return figure.update_layout(xaxis=look[0], yaxis=look[1], hovermode="closest")
    wall = {"backgroundcolor": "white", "gridcolor": "#dcdcdc", "showspikes": False}
    scene = {f"{a}axis": wall | axis for a, axis in zip("xyz", look, strict=True)}
    camera = {"eye": {"x": 1.45, "y": -1.45, "z": 0.6}, "center": {"x": 0, "y": 0, "z": -0.16}}
    figure.update_layout(scene=scene | {"aspectmode": "cube", "camera": camera})
    return figure.update_layout(margin={"l": 0, "r": 0, "t": 30, "b": 0})


def heatmap_figure(
    models: Sequence[tuple[Look, Sequence[Forecast]]], channels: Sequence[str], unit: str
) -> go.Figure:
    """Fields of one dimension over time: truth, forecasts and, of one model, the difference."""
    truths = models[0][1]
    titles = ["truth", *(look[0] for look, _ in models)]
    titles += ["difference (forecast minus truth)"] * (len(models) == 1)
    several = len(channels) > 1
    heads = [f"{c}: {t}" if several else t for c in channels[:FIELDS] for t in titles]
    figure = make_subplots(
        rows=len(heads),
        cols=1,
        shared_xaxes=True,
        vertical_spacing=min(0.09, 0.3 / len(heads)),
        subplot_titles=[literal(head) for head in heads],
    )
    for c, (low, high) in enumerate(spans(truths)[:FIELDS]):
        first = c * len(titles) + 1
        changes = [f.difference[:, c] for f in truths]
        reach = difference_range(changes, (high - low) / 2)
        for k, truth in enumerate(truths):
            panels = [truth.truth[:, c], *(shown[k].prediction[:, c] for _, shown in models)]
            for r, values in enumerate(panels):
                scale = {"zmin": low, "zmax": high, "colorscale": "Inferno", "showscale": r == 0}
                bar = _bar(figure, first, first + len(models))
                figure.add_trace(_tagged(_heatmap(truth.time, values, scale, bar), k), first + r, 1)
            if len(models) == 1:
                scale = {"zmin": -reach, "zmax": reach, "colorscale": "RdBu_r"}
                bar = _bar(figure, first + 2, first + 2)
                change = _heatmap(truth.time, changes[k], scale, bar)
                figure.add_trace(_tagged(change, k), first + 2, 1)
    headed(styled(figure, 170 * len(heads) + 80)).update_layout(margin={"t": 30})
    figure.update_yaxes(title_text="cell", nticks=4)
    figure.update_xaxes(title_text=f"time ({literal(unit)})", row=len(heads), col=1)
    return figure.update_layout(hovermode="closest")


def _heatmap(time: np.ndarray, values: np.ndarray, scale: dict[str, Any], bar: Any) -> go.Heatmap:
    stride = -(-values.shape[1] // CELLS)
    known = np.where(np.abs(values) < 1e30, values, np.nan).astype("f4")
    return go.Heatmap(
        x=time.astype("f4"),
        y=np.arange(0, known.shape[1], stride),
        z=known[:, ::stride].T,
        colorbar=bar,
        hovertemplate="time %{x:.4g}, cell %{y}: %{z:.3g}<extra></extra>",
        **scale,
    )


def _bar(figure: go.Figure, top: int, bottom: int) -> dict[str, Any]:
    """A colour bar beside the rows ``top`` to ``bottom``."""
    domains = [figure.layout[f"yaxis{row if row > 1 else ''}"].domain for row in (top, bottom)]
    low, high = domains[1][0], domains[0][1]
    return {"y": (low + high) / 2, "len": high - low, "thickness": 10, "outlinewidth": 0, "x": 1.01}
