"""Interactive pictures of what was measured inside a network, as Plotly figures."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from sirve.report.inside.load import (
    LEVELS,
    MEMORY,
    Inside,
    Settling,
    exponent_range,
    exponent_title,
    panels,
    reach_end,
    reach_range,
)
from sirve.report.plots import band, decades, headed, line, styled
from sirve.report.stats import Curve
from sirve.report.style import MODEL_COLOUR, TRUTH, literal, run_style


def reach_figure(curves: Sequence[Curve]) -> go.Figure:
    """Norm of the gradient against the lag, with its quartiles."""
    figure = go.Figure()
    for curve in curves:
        if curve.shaded:
            figure.add_traces(band(curve.x, curve.low, curve.high, curve.colour))
    for curve in curves:
        look = {"dash": curve.dash, "width": curve.width}
        figure.add_trace(line(curve.x, curve.middle, curve.name, curve.colour, **look))
    for label, level in LEVELS.items():
        figure.add_hline(y=level, line={"color": "#555555", "width": 1, "dash": "dot"})
        mark = {"x": 1, "xref": "paper", "xanchor": "left", "showarrow": False}
        font = {"size": 11, "color": "#555555"}
        figure.add_annotation(**mark, y=np.log10(level), text=label, font=font)
    styled(figure, 420)
    low, high = reach_range(curves)
    ends = [np.log10(low), np.log10(high)]
    figure.update_yaxes(type="log", range=ends, **decades(low, high), title_text="gradient's norm")
    figure.update_xaxes(title_text="lag (steps)", range=[0, reach_end(curves)])
    return figure.update_layout(margin={"r": 34})


def gates_figure(inside: Inside, step: float, unit: str) -> go.Figure:
    """Gates, mean and the middle 80 % of units, over the memory of a few units."""
    symbol = next(iter(inside.memory))
    gates = panels(inside)
    titles = [*(title for title, _ in gates), f"{MEMORY.get(symbol, symbol)} of a few units"]
    rows = len(titles)
    figure = make_subplots(
        rows=rows,
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.24 / max(rows, 2),
        subplot_titles=[literal(title) for title in titles],
        row_heights=[1.0] * len(gates) + [2.0],
    )
    time = step * inside.along
    for row, (title, (mean, low, high)) in enumerate(gates, start=1):
        for trace in band(time, low, high, MODEL_COLOUR):
            figure.add_trace(trace, row, 1)
        figure.add_trace(line(time, mean, title, MODEL_COLOUR, showlegend=False), row, 1)
        figure.update_yaxes(nticks=4, row=row, col=1)
    for number, path in enumerate(inside.memory[symbol]):
        colour, _ = run_style(number, 0)
        figure.add_trace(line(time, path, "unit", colour, showlegend=False), rows, 1)
    figure.add_vline(x=0.0, line={"color": "#555555", "width": 1, "dash": "dot"})
    headed(styled(figure, 120 * (rows + 1) + 90)).update_layout(margin={"t": 34})
    figure.update_xaxes(title_text=f"time since the context ({literal(unit)})", row=rows, col=1)
    return figure


def exponents_figure(found: Settling, system: tuple[list[float], list[float]]) -> go.Figure:
    """Each exponent as it settles, beside the system's with its 95 % interval."""
    count = found.value.shape[1]
    titles = [exponent_title(found, system, i) for i in range(count)]
    figure = make_subplots(
        rows=count,
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.24 / max(count, 2),
        subplot_titles=titles,
    )
    for i in range(count):
        value, error = found.value[:, i], found.error[:, i]
        for trace in band(found.time, value - error, value + error, MODEL_COLOUR):
            figure.add_trace(trace, i + 1, 1)
        trace = line(found.time, value, "network", MODEL_COLOUR, width=2.0, showlegend=i == 0)
        figure.add_trace(trace, i + 1, 1)
        if i < len(system[0]):
            middle = np.full(2, system[0][i])
            ends = found.time[[0, -1]]
            for trace in band(ends, middle - system[1][i], middle + system[1][i], TRUTH):
                figure.add_trace(trace, i + 1, 1)
            look = {"dash": "dash", "showlegend": i == 0}
            figure.add_trace(line(ends, middle, "system", TRUTH, **look), i + 1, 1)
        figure.update_yaxes(range=exponent_range(found, system, i), nticks=5, row=i + 1, col=1)
    headed(styled(figure, 170 * count + 110))
    figure.update_yaxes(title_text="1/time")
    figure.update_xaxes(title_text="time of averaging", row=count, col=1)
    return figure
