"""Figures of the states for papers and READMEs, by Matplotlib."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from sirve.report.load import Run
from sirve.report.states import FIELDS, ROWS
from sirve.report.stats import Forecast, difference_range, spans
from sirve.report.style import MODEL_COLOUR, THRESHOLD, TRUTH, moments, units

STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.linewidth": 0.7,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.7,
}


def plain(text: str) -> str:
    """``text`` with dollar signs that do not start a formula."""
    return text.replace("$", r"\$")


def grid(rows: int, columns: int, size: tuple[float, float], **options: Any) -> tuple[Figure, Any]:
    """An empty figure with (rows, columns) axes."""
    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def tidy(ax: Axes) -> Axes:
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid()
    ax.set_axisbelow(True)
    return ax


def time_label(run: Run) -> str:
    return plain(f"time ({units(run.metrics.get('time_unit'))})")


def legend(figure: Figure, ax: Axes) -> None:
    """The labels of ``ax`` in one line above the figure, or in two."""
    handles, labels = ax.get_legend_handles_labels()
    columns = 6 if sum(map(len, labels)) < 60 else (len(labels) + 1) // 2
    figure.legend(handles, labels, loc="outside upper left", ncols=columns, columnspacing=1.4)


def channels(run: Run, shown: Forecast) -> Figure:
    """One row a channel, truth and prediction."""
    names = run.channels[:ROWS]
    figure, axes = grid(len(names), 1, (6.8, 1.25 * len(names) + 1.1), sharex=True)
    bounds = spans([shown], 0.25)
    known = np.concatenate([shown.lead, shown.truth])
    forecast = np.concatenate([shown.lead[-1:], shown.prediction])
    time = np.concatenate([shown.lead_time, shown.time])
    for row, name in enumerate(names):
        ax = tidy(axes[row, 0])
        near = np.abs(forecast[:, row] - bounds[row].mean()) < 10 * np.ptp(bounds[row])
        ax.plot(time, known[:, row], color=TRUTH, linewidth=1.1, label="truth")
        ax.plot(time[-len(forecast) :], np.where(near, forecast[:, row], np.nan),
                color=MODEL_COLOUR, linewidth=1.1, label=plain(run.model))  # fmt: skip
        if not shown.pick.censored:
            label = f"error passes {THRESHOLD}"
            ax.axvline(shown.pick.valid, color="#777777", linewidth=0.9, linestyle=":", label=label)
        ax.set(ylabel=plain(name), ylim=bounds[row], xlim=(time[0], time[-1]))
        ax.yaxis.set_major_locator(MaxNLocator(4))
    axes[-1, 0].set_xlabel(time_label(run))
    figure.align_ylabels()
    legend(figure, axes[0, 0])
    return figure


def phase(run: Run, shown: Forecast) -> Figure:
    """Two or three channels against each other."""
    dims = min(run.shape[0], 3)
    options = {"subplot_kw": {"projection": "3d"}} if dims == 3 else {}
    figure, axes = grid(1, 1, (5.2, 4.4), **options)
    ax = axes[0, 0] if dims == 3 else tidy(axes[0, 0])
    bounds = spans([shown], 0.1)[:dims]
    for label, states, colour in (
        ("truth", shown.truth, TRUTH),
        (run.model, shown.prediction, MODEL_COLOUR),
    ):
        states = states[:, :dims]
        inside = (np.abs(states - bounds.mean(axis=1)) <= np.ptp(bounds, axis=1) / 2).all(axis=1)
        path = np.where(inside[:, None], states, np.nan)
        ax.plot(*path.T, color=colour, linewidth=0.8, alpha=0.85, label=plain(label))
    for axis, name, bound in zip("xyz", run.channels, bounds[:dims], strict=False):
        ax.set(**{f"{axis}label": plain(name), f"{axis}lim": bound})
    if dims == 3:
        open_box(ax)
    legend(figure, ax)
    return figure


def open_box(ax: Any) -> None:
    """Walls of a 3-D plot without colour, few ticks."""
    ax.set_box_aspect(None, zoom=0.92)
    for wall in (ax.xaxis, ax.yaxis, ax.zaxis):
        wall.pane.fill = False
        wall.labelpad = 7
        wall.set_major_locator(MaxNLocator(5))


def image(
    ax: Axes, values: np.ndarray, bounds: tuple[float, float], signed: bool = False, **look: Any
) -> AxesImage:
    """``values`` in colours, the first and last beyond ``bounds``, none for what is no number.

    They are cut to that range, or one that has exploded overflows among Matplotlib's colours.
    """
    low, high = bounds
    inside = np.ma.masked_invalid(values).clip(low, high)
    look |= {"cmap": "RdBu_r" if signed else "inferno", "interpolation": "nearest"}
    return ax.imshow(inside, vmin=low, vmax=high, **look)


def fields(run: Run, shown: Forecast) -> Figure:
    """Truth, prediction and difference of every channel over time."""
    names = run.channels[:FIELDS]
    figure, axes = grid(3 * len(names), 1, (6.8, 3.6 * len(names) + 0.5), sharex=True)
    for c, (name, (low, high)) in enumerate(zip(names, spans([shown]), strict=False)):
        truth, forecast = shown.truth[:, c], shown.prediction[:, c]
        change = shown.difference[:, c]
        reach = difference_range([change], (high - low) / 2)
        rows = (("truth", truth), (run.model, forecast), ("difference", change))
        for r, (title, values) in enumerate(rows):
            bounds = (-reach, reach) if r == 2 else (low, high)
            ax = axes[3 * c + r, 0]
            extent = (float(shown.time[0]), float(shown.time[-1]), 0, truth.shape[1])
            look: dict[str, Any] = {"extent": extent, "origin": "lower", "aspect": "auto"}
            drawn = image(ax, values.T, bounds, signed=r == 2, **look)
            ax.set_facecolor("#d9d9d9")
            ax.set_title(plain(f"{name}: {title}" if len(run.channels) > 1 else title), loc="left")
            ax.set_ylabel("cell")
            if r:
                figure.colorbar(drawn, ax=[axes[3 * c, 0], ax] if r == 1 else ax, pad=0.01)
    axes[-1, 0].set_xlabel(time_label(run))
    return figure


def film(run: Run, shown: Forecast) -> Figure:
    """Truth, prediction and difference of the first channel at a few times."""
    truth, forecast = shown.truth[:, 0], shown.prediction[:, 0]
    low, high = spans([shown])[0]
    change = shown.difference[:, 0]
    reach = difference_range([change], (high - low) / 2)
    rows = (("truth", truth), (run.model, forecast), ("difference", change))
    times = moments(shown.time)
    count, ratio = len(truth), truth.shape[1] / truth.shape[2]
    size = (1.25 * count + 1.3, 3 * 1.25 * ratio + 0.6)
    figure, axes = grid(3, count, size)
    for r, (title, values) in enumerate(rows):
        bounds = (-reach, reach) if r == 2 else (low, high)
        for k in range(count):
            ax = axes[r, k]
            drawn = image(ax, values[k], bounds, signed=r == 2)
            ax.set(xticks=[], yticks=[], facecolor="#d9d9d9")
            if r == 0:
                ax.set_title(times[k])
        axes[r, 0].set_ylabel(plain(title))
        if r:
            beside, aspect = (axes[:2, :], 30) if r == 1 else (axes[2, :], 15)
            bar = figure.colorbar(drawn, ax=beside, pad=0.01, aspect=aspect)
            bar.set_label(plain(run.channels[0]))
    figure.supxlabel(time_label(run), fontsize=9)
    return figure
