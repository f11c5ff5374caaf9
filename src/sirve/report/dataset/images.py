"""Fields: frames, films, space and time, spectra in space."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from sirve.report.dataset import spectra
from sirve.report.dataset.lines import decades
from sirve.report.dataset.seen import Seen
from sirve.report.stats import thin
from sirve.report.stills import grid, image, plain, tidy
from sirve.report.style import moments

IMAGES = 3  # channels, or trajectories of a single channel, are drawn in rows
TIMES = 6  # frames of a strip
FRAMES = 240  # of a film, at most


@dataclass(frozen=True)
class Panel:
    """A row of images: a channel of a trajectory (T, *space), and the range of its colours."""

    label: str
    values: np.ndarray
    low: float
    high: float


def panels(seen: Seen) -> list[Panel]:
    """Each channel of one trajectory; a single channel of several, in one range."""
    if len(seen.info.channels) > 1:
        rows = [(seen.label(c), seen.x[0, :, c]) for c in range(len(seen.info.channels))[:IMAGES]]
        return [Panel(label, x, float(x.min()), float(x.max())) for label, x in rows]
    x = seen.x[:IMAGES, :, 0]
    low, high = float(x.min()), float(x.max())
    return [Panel(f"trajectory {i}", values, low, high) for i, values in enumerate(x)]


def strip(seen: Seen) -> Figure:
    """Frames at a few times."""
    at, rows = thin(seen.x.shape[1], TIMES), panels(seen)
    ratio = seen.info.shape[1] / seen.info.shape[2]
    figure, axes = grid(len(rows), len(at), (1.3 * len(at) + 1.2, 1.3 * ratio * len(rows) + 0.9))
    for row, panel in enumerate(rows):
        for column, (k, time) in enumerate(zip(at, moments(seen.time[at]), strict=True)):
            ax = axes[row, column]
            drawn = image(ax, panel.values[k], (panel.low, panel.high))
            ax.set(xticks=[], yticks=[])
            if row == 0:
                ax.set_title(time)
        axes[row, 0].set_ylabel(panel.label)
        _bar(figure, seen, drawn, row, axes)
    _title(figure, seen, "frames", len(rows))
    figure.supxlabel(seen.time_label, fontsize=9)
    return figure


def spacetime(seen: Seen) -> Figure:
    """Fields on a line over time."""
    rows, (cells,) = panels(seen), seen.axes.values()
    figure, axes = grid(len(rows), 1, (6.8, 1.6 * len(rows) + 0.9), sharex=True)
    for row, panel in enumerate(rows):
        ax = axes[row, 0]
        extent = (seen.time[0], seen.time[-1], cells[0], cells[-1])
        look: dict[str, Any] = {"extent": extent, "origin": "lower", "aspect": "auto"}
        drawn = image(ax, panel.values.T, (panel.low, panel.high), **look)
        ax.set_title(panel.label, loc="left")
        ax.set_ylabel("x")
        _bar(figure, seen, drawn, row, axes)
    _title(figure, seen, "space and time", len(rows))
    axes[-1, 0].set_xlabel(seen.time_label)
    return figure


def film(seen: Seen) -> Iterator[np.ndarray]:
    """All panels beside each other, in colours, one frame after the other."""
    table, rows = matplotlib.colormaps["inferno"], panels(seen)
    for k in thin(seen.x.shape[1], FRAMES):
        images = [table((p.values[k] - p.low) / max(p.high - p.low, 1e-12))[..., :3] for p in rows]
        gap = np.ones((len(images[0]), 1, 3))
        yield np.concatenate([part for one in images for part in (one, gap)][:-1], axis=1)


def _bar(figure: Figure, seen: Seen, drawn: AxesImage, row: int, axes: Any) -> None:
    """A colour bar for each channel, or for all trajectories of a single one."""
    if len(seen.info.channels) > 1:
        figure.colorbar(drawn, ax=axes[row, :], pad=0.01, aspect=12)
    elif row == len(axes) - 1:
        figure.colorbar(drawn, ax=axes, pad=0.01, aspect=30).set_label(seen.label(0))


def _title(figure: Figure, seen: Seen, what: str, rows: int) -> None:
    shown = 1 if len(seen.info.channels) > 1 else rows
    figure.suptitle(seen.title(what, shown), x=0.01, ha="left", fontsize=9.5)


def spectrum_in_space(seen: Seen) -> Figure:
    """Power against wavenumber at a few times, of every channel."""
    rows = min(len(seen.info.channels), IMAGES)
    figure, axes = grid(rows, 1, (6.8, 2.6 * rows + 1), sharex=True)
    spacing = [float(np.diff(a).mean()) if len(a) > 1 else 1.0 for a in seen.axes.values()]
    at = thin(seen.x.shape[1], 4)
    ramp = matplotlib.colormaps["viridis"](np.linspace(0, 0.85, len(at)))
    k, energy = spectra.in_space(seen.x[:, at], spacing, seen.info.boundary)
    held = k <= np.pi / max(spacing)  # beyond it only corners of the grid have modes
    k, mean = k[held], energy.mean(0)[..., held]
    for row in range(rows):
        ax = tidy(axes[row, 0])
        for j, (time, colour) in enumerate(zip(moments(seen.time[at]), ramp, strict=True)):
            shown = np.where(mean[j, row] > 1e-16 * mean[:, row].max(), mean[j, row], np.nan)
            ax.loglog(k, shown, color=colour, linewidth=1.1, label=time)
        decades(ax)
        ax.set_ylabel(plain(f"E(k) of {seen.info.channels[row]}"))
    axes[-1, 0].set_xlabel("wavenumber k (radians per unit of length)")
    axes[0, 0].set_title(seen.title("power spectrum", len(seen.x)), loc="left")
    axes[0, 0].legend(title=seen.time_label)
    return figure
