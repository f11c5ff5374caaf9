"""Figures of what was measured inside a network, for papers and READMEs, by Matplotlib."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sirve.report.inside.load import (
    LEVELS,
    MEMORY,
    Inside,
    Settling,
    exponent_range,
    exponent_title,
    memory_curves,
    panels,
    reach_curves,
    reach_end,
    reach_range,
    system_exponents,
)
from sirve.report.load import Run
from sirve.report.stats import Curve, error_range
from sirve.report.stills import grid, legend, plain, tidy, time_label
from sirve.report.style import MATPLOTLIB_DASHES, MODEL_COLOUR, THRESHOLD, TRUTH, run_style, units


def inside_figures(run: Run, inside: Inside) -> dict[str, Figure]:
    """Every figure that was measured, by its name."""
    figures = {}
    if inside.reach:
        figures["reach"] = reach(reach_curves(inside, run.model, MODEL_COLOUR))
    if inside.memory:
        figures["gates"] = gates(run, inside)
    if curves := memory_curves(inside, run):
        figures["memory"] = memory(run, curves)
    if inside.exponents is not None:
        figures["exponents"] = exponents(inside.exponents, system_exponents(run))
    return figures


def reach(curves: Sequence[Curve]) -> Figure:
    """Norm of the gradient against the lag, with its quartiles."""
    figure, axes = grid(1, 1, (6.4, 3.7))
    ax = tidy(axes[0, 0])
    draw(ax, curves)
    for label, level in LEVELS.items():
        mark(ax, level, label)
    ax.set(
        yscale="log",
        ylim=reach_range(curves),
        xlim=(0, reach_end(curves)),
        xlabel="lag $T - t$ (steps)",
    )
    ax.set_ylabel(r"$\|\partial L_T/\partial h_t\|$, relative to lag 0")
    legend(figure, ax)
    return figure


def gates(run: Run, inside: Inside) -> Figure:
    """Gates, mean and the middle 80 % of units, over the memory of a few units."""
    shown, symbol = panels(inside), next(iter(inside.memory))
    heights = [1.0] * len(shown) + [2.0]
    size = (6.4, 0.95 * sum(heights) + 0.8)
    figure, axes = grid(len(heights), 1, size, sharex=True, height_ratios=heights)
    time = run.step * inside.along
    for ax, (title, (mean, low, high)) in zip(axes[:, 0], shown, strict=False):
        ax.fill_between(time, low, high, color=MODEL_COLOUR, alpha=0.18, linewidth=0)
        ax.plot(time, mean, color=MODEL_COLOUR, linewidth=1.4)
        ax.set_title(plain(f"{title}: mean and middle 80 % of units"), loc="left")
    for number, path in enumerate(inside.memory[symbol]):
        axes[-1, 0].plot(time, path, color=run_style(number, 0)[0], linewidth=1.1)
    axes[-1, 0].set_title(plain(f"{MEMORY.get(symbol, symbol)} of a few units"), loc="left")
    for ax in axes[:, 0]:
        tidy(ax).axvline(0, color="#555555", linewidth=0.9, linestyle=":")
        ax.set_xlim(time[0], time[-1])
    unit = units(run.metrics.get("time_unit"))
    axes[-1, 0].set_xlabel(plain(f"time since the context ({unit}); from 0 on it reads itself"))
    return figure


def memory(run: Run, curves: Sequence[Curve]) -> Figure:
    """Error of forecasts that carry their memory on, and of those that make it anew."""
    figure, axes = grid(1, 1, (6.4, 3.4))
    ax = tidy(axes[0, 0])
    draw(ax, curves)
    mark(ax, THRESHOLD, str(THRESHOLD))
    ax.set(yscale="log", ylim=error_range(curves), xlim=(0, float(curves[0].x[-1])))
    ax.set(xlabel=time_label(run), ylabel="error (standard deviations)")
    legend(figure, ax)
    return figure


def exponents(found: Settling, system: tuple[list[float], list[float]]) -> Figure:
    """Each exponent as it settles, beside the system's with its 95 % interval."""
    count = found.value.shape[1]
    figure, axes = grid(count, 1, (6.4, 1.5 * count + 0.9), sharex=True)
    for i, ax in enumerate(map(tidy, axes[:, 0])):
        value, error = found.value[:, i], found.error[:, i]
        look: dict[str, Any] = {"alpha": 0.18, "linewidth": 0}
        ax.fill_between(found.time, value - error, value + error, color=MODEL_COLOUR, **look)
        ax.plot(found.time, value, color=MODEL_COLOUR, linewidth=1.4, label="network")
        if i < len(system[0]):
            known, room = system[0][i], system[1][i]
            ax.axhspan(known - room, known + room, color=TRUTH, **look)
            ax.axhline(known, color=TRUTH, linewidth=1.0, linestyle="--", label="system")
        ax.set_title(exponent_title(found, system, i), loc="left")
        ax.set(ylabel="1/time", ylim=exponent_range(found, system, i))
        ax.set_xlim(0, found.time[-1])
    axes[-1, 0].set_xlabel("time of averaging")
    figure.align_ylabels()
    legend(figure, axes[0, 0])
    return figure


def draw(ax: Axes, curves: Sequence[Curve]) -> None:
    for curve in curves:
        look: dict[str, Any] = {
            "linestyle": MATPLOTLIB_DASHES[curve.dash],
            "linewidth": 0.8 * curve.width,
        }
        ax.plot(curve.x, curve.middle, color=curve.colour, label=plain(curve.name), **look)
        if curve.shaded:
            low = np.maximum(curve.low, 1e-14)
            ax.fill_between(curve.x, low, curve.high, color=curve.colour, alpha=0.16, linewidth=0)


def mark(ax: Axes, level: float, label: str) -> None:
    """A level of a logarithmic axis."""
    ax.axhline(level, color="#555555", linewidth=0.8, linestyle=":")
    look: dict[str, Any] = {"fontsize": 7.5, "color": "#555555", "va": "center"}
    ax.annotate(label, (1.005, level), xycoords=("axes fraction", "data"), **look)
