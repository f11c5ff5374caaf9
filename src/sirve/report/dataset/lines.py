"""Curves: states, phase portraits, spectra in time, invariants."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from sirve.report.dataset import spectra
from sirve.report.dataset.seen import Seen
from sirve.report.stills import grid, open_box, plain, tidy
from sirve.report.style import run_style, units

LINES = 4  # trajectories are drawn as lines, at most
CHANNELS = 6  # are drawn in rows


def series(seen: Seen) -> Figure:
    """Each channel against time."""
    rows, lines = min(len(seen.info.channels), CHANNELS), min(2, len(seen.x))
    figure, axes = grid(rows, 1, (6.8, 1.25 * rows + 0.9), sharex=True)
    for row in range(rows):
        ax = tidy(axes[row, 0])
        for i in range(lines):
            ax.plot(seen.time, seen.x[i, :, row], color=run_style(i, 0)[0], linewidth=0.9)
        ax.set(ylabel=seen.label(row), xlim=(seen.time[0], seen.time[-1]))
    axes[-1, 0].set_xlabel(seen.time_label)
    axes[0, 0].set_title(seen.title("states", lines), loc="left")
    figure.align_ylabels()
    return figure


def phase(seen: Seen) -> Figure:
    """Two or three channels against each other; a dot is where a trajectory starts."""
    dims, lines = min(seen.info.shape[0], 3), min(LINES, len(seen.x))
    options = {"subplot_kw": {"projection": "3d"}} if dims == 3 else {}
    figure, axes = grid(1, 1, (5.6, 4.9), **options)
    ax = axes[0, 0] if dims == 3 else tidy(axes[0, 0])
    for i in range(lines):
        path, colour = seen.x[i, :, :dims].T, run_style(i, 0)[0]
        ax.plot(*path, color=colour, linewidth=0.7, alpha=0.85)
        ax.plot(*path[:, :1], color=colour, marker="o", markersize=3.5)
    for axis, channel in zip("xyz", range(dims), strict=False):
        ax.set(**{f"{axis}label": seen.label(channel)})
    if dims == 3:
        open_box(ax)
    figure.suptitle(seen.title("phase portrait", lines), x=0.01, ha="left", fontsize=9.5)
    return figure


def spectrum_in_time(seen: Seen) -> Figure:
    """Power of each channel against frequency, as a share of its variance."""
    figure, axes = grid(1, 1, (6.8, 3.6))
    ax = tidy(axes[0, 0])
    f, power = spectra.in_time(seen.x, seen.info.dt / seen.info.unit)
    share = power.mean(0) / np.maximum(seen.x.var((0, 1)), np.finfo(float).tiny)
    for channel in range(min(len(seen.info.channels), CHANNELS)):
        colour, label = run_style(channel, 0)[0], plain(seen.info.channels[channel])
        ax.loglog(f, share[:, channel], color=colour, linewidth=1.1, label=label)
    decades(ax)
    unit = units(seen.info.time_unit, 1)
    ax.set(xlabel=plain(f"frequency (1 / {unit})"), ylabel="power / variance")
    ax.set_title(seen.title("power spectrum", len(seen.x)), loc="left")
    ax.legend()
    return figure


def decades(ax: Axes) -> None:
    """Plain numbers along a logarithmic axis, few enough not to touch."""
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter(NullFormatter())


def invariants(seen: Seen, found: dict[str, np.ndarray]) -> Figure:
    """How far each has ever been from its first value, relative to that or to 1."""
    lines = min(LINES, len(seen.x))
    figure, axes = grid(len(found), 1, (6.8, 1.7 * len(found) + 0.9), sharex=True)
    for row, (name, value) in enumerate(found.items()):
        ax = tidy(axes[row, 0])
        first = value[:lines, :1]
        drift = np.abs(value[:lines] - first) / np.maximum(1.0, np.abs(first))
        for i, most in enumerate(np.maximum.accumulate(drift, axis=1)):
            shown = np.where(most > 0, most, np.nan)
            ax.plot(seen.time, shown, color=run_style(i, 0)[0], linewidth=1.1)
        if drift.any():
            ax.set_yscale("log")
        else:
            ax.text(0.5, 0.5, "no change at all", transform=ax.transAxes, ha="center")
            ax.set_yticks([])
        ax.set(ylabel="largest change", xlim=(seen.time[0], seen.time[-1]))
        ax.set_title(plain(name), loc="left")
    what = "invariants, relative" + (", as stored in float32" if len(seen.info.shape) > 1 else "")
    figure.suptitle(seen.title(what, lines), x=0.01, ha="left", fontsize=9.5)
    axes[-1, 0].set_xlabel(seen.time_label)
    figure.align_ylabels()
    return figure
