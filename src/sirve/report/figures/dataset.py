"""Figures of a dataset: states, phase portraits, spectra, invariants."""

from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from sirve.report.dataset import spectra
from sirve.report.dataset.sample import Sample
from sirve.report.figures import draw, images
from sirve.report.figures.chart import Chart, Curve, Panel
from sirve.report.stats import thin
from sirve.report.style import moments, run_style, units

_LINES = 4  # trajectories that are drawn as lines, at most
_CHANNELS = 6  # of a vector that are drawn, at most
_IMAGES = 3  # channels, or trajectories of a single channel, that are drawn in rows
_TIMES = 6  # frames of a strip


def _colour(number: int) -> str:
    return run_style(number, 0)[0]


def series(sample: Sample) -> Chart:
    """Chart of each channel against time."""
    lines = sample.x[:2]
    panels = [
        Panel([Curve("", sample.time, x[:, c], _colour(i), width=1.2)
               for i, x in enumerate(lines)], sample.label(c))
        for c in range(min(len(sample.info.channels), _CHANNELS))
    ]  # fmt: skip
    return _over_time(sample, panels, "states", len(lines))


def _over_time(sample: Sample, panels: list[Panel], title: str, lines: int) -> Chart:
    ends = (float(sample.time[0]), float(sample.time[-1]))
    title = sample.title(title, lines)
    return Chart(panels, sample.time_label, ends, title=title, width=6.8, height=1.4)


def phase(sample: Sample) -> Figure:
    """Draw two or three channels against each other; a dot marks the start of a trajectory."""
    paths = [("", x, _colour(i)) for i, x in enumerate(sample.x[:_LINES])]
    labels = [sample.label(c) for c in range(min(sample.info.shape[0], 3))]
    figure = draw.phase(paths, labels)
    draw.head(figure, sample.title("phase portrait", len(paths)))
    return figure


def spectrum_in_time(sample: Sample) -> Chart:
    """Chart of the power of each channel against frequency, as a share of its variance."""
    f, power = spectra.in_time(sample.x, sample.info.dt / sample.info.unit)
    share = power.mean(0) / np.maximum(sample.x.var((0, 1)), np.finfo(float).tiny)
    curves = [
        Curve(name, f, share[:, c], _colour(c))
        for c, name in enumerate(sample.info.channels[:_CHANNELS])
    ]
    label = f"frequency (1 / {units(sample.info.time_unit, 1)})"
    title = sample.title("power spectrum", len(sample.x))
    panel = Panel(curves, "power / variance", log=True)
    return Chart([panel], label, log_x=True, title=title, width=6.8, height=2.7)


def spectrum_in_space(sample: Sample) -> Chart:
    """Chart of the power of every channel against wavenumber, at a few times."""
    spacing = [float(np.diff(a).mean()) if len(a) > 1 else 1.0 for a in sample.axes.values()]
    at = thin(sample.x.shape[1], 4)
    ramp = matplotlib.colormaps["viridis"](np.linspace(0, 0.85, len(at)))
    k, energy = spectra.in_space(sample.x[:, at], spacing, sample.info.boundary)
    kept = k <= np.pi / max(spacing)  # beyond it only corners of the grid have modes
    k, mean = k[kept], energy.mean(0)[..., kept]
    panels = []
    for c, channel in enumerate(sample.info.channels[:_IMAGES]):
        curves = []
        for j, (time, colour) in enumerate(zip(moments(sample.time[at]), ramp, strict=True)):
            power = np.where(mean[j, c] > 1e-16 * mean[:, c].max(), mean[j, c], np.nan)
            curves.append(Curve(f"time {time}", k, power, matplotlib.colors.to_hex(colour)))
        panels.append(Panel(curves, f"E(k) of {channel}", log=True))
    label = "wavenumber k (radians per unit of length)"
    title = sample.title("power spectrum", len(sample.x)) + f"; {sample.time_label}"
    return Chart(panels, label, log_x=True, title=title, width=6.8, height=2.6)


def invariants(sample: Sample, found: dict[str, np.ndarray]) -> Chart:
    """Chart of the largest change of each so far, relative to its first value or to 1."""
    panels = []
    for name, value in found.items():
        first = value[:_LINES, :1]
        drift = np.abs(value[:_LINES] - first) / np.maximum(1.0, np.abs(first))
        most, floor = np.maximum.accumulate(drift, axis=1), np.nan if drift.any() else 0.0
        curves = [
            Curve("", sample.time, np.where(line > 0, line, floor), _colour(i))
            for i, line in enumerate(most)
        ]
        still = "" if drift.any() else " (no change)"
        panels.append(Panel(curves, "largest change", name + still, log=bool(drift.any())))
    title = "invariants, relative" + ", as stored in float32" * (len(sample.info.shape) > 1)
    return _over_time(sample, panels, title, min(_LINES, len(sample.x)))


def rows(sample: Sample) -> list[images.Row]:
    """Return each channel of one trajectory, or the single channel of several trajectories."""
    if len(sample.info.channels) > 1:
        found = [(sample.label(c), sample.x[0, :, c]) for c in range(len(sample.info.channels))]
        return [
            images.Row("", x, float(x.min()), float(x.max()), label) for label, x in found[:_IMAGES]
        ]
    x = sample.x[:_IMAGES, :, 0]
    ends, label = (float(x.min()), float(x.max())), sample.label(0)
    return [images.Row(f"trajectory {i}", one, *ends, label) for i, one in enumerate(x)]


def _rows_title(sample: Sample, title: str, shown: list[images.Row]) -> str:
    return sample.title(title, 1 if len(sample.info.channels) > 1 else len(shown))


def strip(sample: Sample) -> Figure:
    """Draw frames at a few times."""
    at, shown = thin(sample.x.shape[1], _TIMES), rows(sample)
    chosen = [images.Row(r.title, r.values[at], r.low, r.high, r.label) for r in shown]
    title = _rows_title(sample, "frames", shown)
    return images.strip(chosen, moments(sample.time[at]), sample.time_label, title)


def spacetime(sample: Sample) -> Figure:
    """Draw fields on a line over time."""
    shown, (cells,) = rows(sample), sample.axes.values()
    look: dict[str, Any] = {"title": _rows_title(sample, "space and time", shown), "ylabel": "x"}
    ends = (float(cells[0]), float(cells[-1]))
    return images.over_time(shown, sample.time, ends, sample.time_label, **look)
