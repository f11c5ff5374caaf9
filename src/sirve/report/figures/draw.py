"""Draws charts and phase portraits as PNG files, by Matplotlib."""

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from sirve.io.files import whole
from sirve.report.figures.chart import MOST, SOFT, Chart, Curve, Panel

STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.linewidth": 0.7,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.7,
}
_DPI = 150
_DASHES = {"solid": "-", "dash": "--", "dot": ":", "dashdot": "-."}
_MARKERS = {"": "", "dot": ".", "circle": "o", "triangle": ">"}
Path3 = tuple[str, np.ndarray, str]  # name, states (times, channels), colour


def save(figure: Figure, path: Path) -> Path:
    """Write ``figure`` as PNG. A file or link at ``path`` is replaced."""
    buffer = io.BytesIO()
    with warnings.catch_warnings(), matplotlib.rc_context(STYLE):
        warnings.filterwarnings("ignore", "Glyph .* missing")  # names in other scripts
        figure.savefig(buffer, format="png", dpi=_DPI, facecolor="white")
    with whole(path) as temporary:
        temporary.write_bytes(buffer.getvalue())
    return path


def plain(text: str) -> str:
    """Return ``text`` with dollar signs that do not start a formula."""
    return text.replace("$", r"\$")


def grid(rows: int, columns: int, size: tuple[float, float], **options: Any) -> tuple[Figure, Any]:
    """Return an empty figure of ``size`` in inches, and its (rows, columns) axes."""
    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def tidy(ax: Axes) -> Axes:
    """Remove two spines of ``ax`` and draw a grid behind the curves."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid()
    ax.set_axisbelow(True)
    return ax


def head(figure: Figure, text: str) -> None:
    """Write a title above ``figure``, at its left."""
    if text:
        figure.suptitle(plain(text), x=0.01, ha="left", fontsize=9.5)


def draw(chart: Chart) -> Figure:
    """Draw ``chart``."""
    heights = [panel.height for panel in chart.panels]
    size = (chart.width, chart.height * sum(heights) + 0.9)
    figure, axes = grid(len(heights), 1, size, sharex=True, height_ratios=heights)
    for ax, panel in zip(map(tidy, axes[:, 0]), chart.panels, strict=True):
        _draw_panel(ax, panel)
    last = axes[-1, 0]
    last.set_xlabel(plain(chart.xlabel))
    if chart.log_x:
        last.set_xscale("log")
        last.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        last.xaxis.set_major_formatter("{x:g}")
        last.xaxis.set_minor_formatter(NullFormatter())
    if chart.xlim is not None:
        last.set_xlim(chart.xlim)
    figure.align_ylabels()
    head(figure, chart.title)
    legend(figure, axes[:, 0], "lower" if chart.title else "upper")
    return figure


def _draw_panel(ax: Axes, panel: Panel) -> None:
    for curve in panel.curves:
        _draw_curve(ax, curve)
    for level, label in panel.levels:
        ax.axhline(level, color=SOFT, linewidth=0.8, linestyle=":")
        look: dict[str, Any] = {"fontsize": 7.5, "color": SOFT, "va": "center"}
        ax.annotate(label, (1.005, level), xycoords=("axes fraction", "data"), **look)
    if panel.log:
        ax.set_yscale("log")
    else:
        ax.yaxis.set_major_locator(MaxNLocator(4 if panel.height < 2 else 6))
    if panel.ylim is not None:
        ax.set_ylim(panel.ylim)
    ax.set_ylabel(plain(panel.ylabel))
    ax.set_title(plain(panel.title), loc="left")


def _draw_curve(ax: Axes, curve: Curve) -> None:
    if curve.low is not None and curve.high is not None:
        low, high = (np.clip(np.asarray(q, "f8"), -MOST, MOST) for q in (curve.low, curve.high))
        ax.fill_between(curve.x, low, high, color=curve.colour, alpha=0.18, linewidth=0)
    y = np.where(np.abs(np.asarray(curve.y, "f8")) < MOST, curve.y, np.nan)
    look: dict[str, Any] = {"color": curve.colour, "linewidth": 0.75 * curve.width}
    look |= {"linestyle": _DASHES[curve.dash], "marker": _MARKERS[curve.marker]}
    if curve.marker in ("circle", "triangle"):
        look |= {"mfc": "white", "mew": 1.6, "ms": 6, "zorder": 5, "clip_on": False}
    ax.plot(curve.x, y, label=plain(curve.name) or None, **look)


def legend(figure: Figure, axes: Sequence[Axes], side: str = "upper") -> None:
    """Write every label of ``axes`` once above (or below) the figure, in one line or two."""
    found: dict[str, Any] = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    if found:
        columns = 6 if sum(map(len, found)) < 60 else (len(found) + 1) // 2
        place: dict[str, Any] = {"loc": f"outside {side} left", "ncols": columns}
        figure.legend(list(found.values()), list(found), columnspacing=1.4, **place)


def phase(
    paths: Sequence[Path3], labels: Sequence[str], bounds: np.ndarray | None = None
) -> Figure:
    """Draw states as paths, two or three channels against each other.

    ``bounds`` (channels, 2) cut the paths and the axes; without them a dot marks the start of each
    path. Paths without a name are not in the legend.
    """
    dims = min(len(labels), 3)
    options = {"subplot_kw": {"projection": "3d"}} if dims == 3 else {}
    figure, axes = grid(1, 1, (5.4, 4.7), **options)
    ax: Any = axes[0, 0] if dims == 3 else tidy(axes[0, 0])
    for name, states, colour in paths:
        states = states[:, :dims]
        if bounds is not None:
            states = np.where(within(states, bounds)[:, None], states, np.nan)
        ax.plot(*states.T, color=colour, linewidth=0.8, alpha=0.85, label=plain(name) or None)
        if bounds is None:
            ax.plot(*states[:1].T, color=colour, marker="o", markersize=3.5)
    for k, (axis, label) in enumerate(zip("xyz", labels, strict=False)):
        ax.set(**{f"{axis}label": plain(label)})
        if bounds is not None:
            ax.set(**{f"{axis}lim": bounds[k]})
    if dims == 3:
        ax.set_box_aspect(None, zoom=0.92)
        for one in (ax.xaxis, ax.yaxis, ax.zaxis):
            one.pane.fill = False
            one.labelpad = 7
            one.set_major_locator(MaxNLocator(5))
    legend(figure, [ax])
    return figure


def within(states: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Return for each state (times, channels) whether all its channels are within ``bounds``."""
    dims = states.shape[1]
    low, high = bounds[:dims].T
    return ((states >= low) & (states <= high)).all(axis=1)
