"""Figures for papers and READMEs, as PNG files, by Matplotlib."""

import io
import warnings
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from sirve.io.files import whole
from sirve.report.ensemble import ensemble_still, read_ensemble
from sirve.report.inside.load import load_inside
from sirve.report.inside.stills import inside_figures
from sirve.report.load import MODEL, Run, number
from sirve.report.stats import (
    drift_curves,
    error_curves,
    error_range,
    forecasts,
    pick,
    training_curves,
)
from sirve.report.stills import (
    STYLE,
    channels,
    fields,
    film,
    grid,
    legend,
    phase,
    plain,
    tidy,
    time_label,
)
from sirve.report.style import MATPLOTLIB_DASHES, MODEL_COLOUR, THRESHOLD
from sirve.report.text import bound

_DPI = 150
_TIMES = 6  # images in a film strip


def write_figures(run: Run, folder: Path) -> list[Path]:
    """Write the figures that this run can have into ``folder``."""
    folder.mkdir(exist_ok=True)
    with matplotlib.rc_context(STYLE):
        return [save(figure, folder / f"{name}.png") for name, figure in drawn(run).items()]


def drawn(run: Run) -> dict[str, Figure]:
    """Every figure by its name; of the states, those of the median forecast."""
    median = pick(run, 0)[:1]
    figures = {"error": error(run)}
    if run.kind == "vector":
        shown = forecasts(run, median, 3000)[0]
        figures["rollout"] = channels(run, shown)
        if run.shape[0] > 1:
            figures["phase"] = phase(run, shown)
    elif run.kind == "field":
        figures["rollout"] = fields(run, forecasts(run, median, 600)[0])
    else:
        figures["rollout"] = film(run, forecasts(run, median, _TIMES, crowded=True)[0])
    ensemble = read_ensemble(run)
    if ensemble is not None:
        figures["ensemble"] = ensemble_still(run, ensemble)
    if run.invariants:
        figures["invariants"] = invariants(run)
    if training_curves(run):
        figures["training"] = training(run)
    return figures | inside_figures(run, load_inside(run.path))


def save(figure: Figure, path: Path) -> Path:
    """Write ``figure`` as PNG."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # names in other scripts
        figure.savefig(buffer, format="png", dpi=_DPI, facecolor="white")
    with whole(path) as temporary:
        temporary.write_bytes(buffer.getvalue())
    return path


def error(run: Run) -> Figure:
    """Median error against time, with quartiles for the model."""
    figure, axes = grid(1, 1, (6.4, 3.7))
    ax = tidy(axes[0, 0])
    curves = error_curves(run)
    for curve in [curves[-1], *curves[:-1]]:  # the model leads the legend
        look: dict[str, Any] = {"color": curve.colour, "zorder": 4 if curve.shaded else 3}
        look |= {"linestyle": MATPLOTLIB_DASHES[curve.dash], "linewidth": 0.75 * curve.width}
        ax.plot(curve.x, curve.middle, label=plain(curve.name), **look)
        if curve.shaded:
            low, high = np.maximum(curve.low, 1e-12), np.maximum(curve.high, 1e-12)
            ax.fill_between(curve.x, low, high, color=curve.colour, alpha=0.18, linewidth=0)
    ax.axhline(THRESHOLD, color="#555555", linewidth=0.8, linestyle=":")
    score = run.score(MODEL, "valid_time", str(THRESHOLD), "median")
    if (median := number(score)) is not None and median <= 1.01 * run.time[-1]:
        held = bound(run, median)
        look = {"color": MODEL_COLOUR, "mfc": "white", "mew": 1.6, "ms": 6, "zorder": 5}
        look |= {"marker": ">" if held.startswith("at least") else "o", "linestyle": ""}
        ax.plot([median], [THRESHOLD], label=f"valid time {held}", clip_on=False, **look)
    if run.drawn_ceiling is not None:
        look = {"color": "#555555", "linewidth": 1.0, "linestyle": "-."}
        ax.axvline(run.drawn_ceiling, label="the solver's own ceiling", **look)
    end = max(float(run.time[-1]), 1.02 * (run.drawn_ceiling or 0.0))
    ax.set(yscale="log", ylim=error_range(curves), xlim=(0, end))
    ax.set(xlabel=time_label(run), ylabel="error (standard deviations)")
    legend(figure, ax)
    return figure


def invariants(run: Run) -> Figure:
    """Change of every invariant since the last known state."""
    names = list(run.invariants)
    figure, axes = grid(len(names), 1, (6.4, 1.7 * len(names) + 1.0), sharex=True)
    for ax, name in zip(map(tidy, axes[:, 0]), names, strict=True):
        model, truth, limit = drift_curves(run, name)
        ax.fill_between(model.x, model.low, model.high, color=MODEL_COLOUR, alpha=0.18, linewidth=0)
        for curve, label in ((truth, "truth"), (model, plain(run.model))):
            middle = np.where(np.isfinite(curve.middle), curve.middle, np.nan)
            ax.plot(curve.x, middle, color=curve.colour, linewidth=1.4, label=label)
        ax.set_title(plain(name), loc="left")
        ax.set(ylabel="change", xlim=(model.x[0], model.x[-1]))
        if limit is not None:
            ax.set_ylim(-limit, limit)
    axes[-1, 0].set_xlabel(time_label(run))
    figure.align_ylabels()
    legend(figure, axes[0, 0])
    return figure


def training(run: Run) -> Figure:
    """Loss and validation scores against the step of training."""
    curves = training_curves(run)
    figure, axes = grid(len(curves), 1, (6.4, 1.6 * len(curves) + 0.6), sharex=True)
    for ax, (name, step, value, logarithmic) in zip(map(tidy, axes[:, 0]), curves, strict=True):
        marker = "" if len(step) > 60 else "."
        ax.plot(step, value, color=MODEL_COLOUR, linewidth=1.2, marker=marker)
        ax.set_title(plain(name), loc="left")
        if logarithmic:
            ax.set_yscale("log")
    axes[-1, 0].set_xlabel("step of training")
    return figure
