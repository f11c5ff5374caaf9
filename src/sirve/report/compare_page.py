"""The page that shows several runs side by side."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np

from sirve.files import write_text
from sirve.metrics import valid_steps
from sirve.report import plots
from sirve.report.compare import Group, Section, entry, sections, span
from sirve.report.frames import CELLS
from sirve.report.load import MODEL, Run
from sirve.report.page import (
    chooser,
    document,
    forecast_views,
    note,
    plot,
    read_forecasts,
    shown_channels,
    time_name,
)
from sirve.report.states import Look
from sirve.report.stats import Curve, Pick, baseline_curves, error_curve
from sirve.report.style import MISSING, THRESHOLD, count, digits, duration, run_style
from sirve.report.text import horizons, table


def write_comparison(runs: Sequence[Run], out: Path) -> Path:
    """Write the page that compares ``runs`` to ``out``."""
    parts = sections(runs)
    frames = sum(section.runs[0].kind == "frame" for section in parts)
    body = [f"<h1>{count(len(runs))} {'runs' if len(runs) > 1 else 'run'} compared</h1>"]
    body.append(note(_explanation(parts)))
    for k, section in enumerate(parts):
        body.append(_section(section, k, CELLS // max(frames, 1)))
    write_text(out, document("Comparison of runs", "\n".join(body)))
    return out


def _explanation(parts: Sequence[Section]) -> str:
    words = (
        "nRMSE: root mean square error in standard deviations of the training data, at a step. "
        f"Valid time: how long the error stays at or below {THRESHOLD}; median and 95 % "
        "interval by a bootstrap over initial conditions"
    )
    several = any(len(group.runs) > 1 for section in parts for group in section.groups)
    return words + (" and seeds." if several else ".")


def looks(section: Section) -> list[tuple[Run, Look]]:
    """Every run with its name, the colour of its model and the dash of its seed."""
    found = []
    for g, group in enumerate(section.groups):
        for s, run in enumerate(group.runs):
            several = len(group.runs) > 1
            name = f"{group.label}, seed {run.metrics.get('seed', '?')}" if several else group.label
            found.append((run, (name, *run_style(g, s))))
    return found


def _section(section: Section, k: int, cells: int) -> str:
    named = looks(section)
    first = section.runs[0]
    figure = plots.error_figure(_curves(named), time_name(first), ceiling=first.drawn_ceiling)
    parts = [
        f"<h2>{escape(section.title)}</h2>",
        _table(section),
        "<h3>Error against time</h3>",
        note("Median over the forecasts."),
        plot(figure, f"error-{k}"),
        _views(named, k, cells),
    ]
    return f'<section class="forecasts">{"".join(parts)}</section>'


def _curves(named: Sequence[tuple[Run, Look]]) -> list[Curve]:
    """The baselines of the first run once, then every run."""
    curves = baseline_curves(named[0][0])
    for run, (name, colour, dash) in named:
        curves.append(error_curve(run, MODEL, name, colour, dash, shaded=False))
    return curves


def _table(section: Section) -> str:
    at = horizons(section.runs)
    unit = escape(time_name(section.runs[0]))
    head = ["", "seed", "parameters", "training", f"valid time<br>({unit})", "95 % interval"]
    head += [f"nRMSE<br>at step {h}" for h in at]
    rows: list[tuple[str, list[str]]] = []
    for g, group in enumerate(section.groups):
        key = f'<span class="key" style="background:{run_style(g, 0)[0]}"></span>'
        label = f"{key}{escape(group.label)}"
        rows.append(("model", [label, *_cells(group, group.runs[0], at)]))
        if len(group.runs) > 1:
            for run in group.runs:
                rows.append(("seed", ["", *_cells(Group(group.label, (run,)), run, at)]))
    first = Group("", (section.runs[0],))
    for name in section.runs[0].baselines:
        cells = _cells(first, section.runs[0], at, name)
        rows.append(("baseline", [escape(name), *cells]))
    return table(head, rows)


def _cells(group: Group, run: Run, at: Sequence[str], name: str = MODEL) -> list[str]:
    """The columns after the name, for a group of runs or for a baseline of its first."""
    cells = [MISSING] * 3
    if name == MODEL:
        size = count(entry(run.metrics, "parameters"))
        cells = [escape(group.seeds), size, duration(group.middle("seconds", "train"))]
    cells += span(group, run, name)
    return [*cells, *(digits(group.middle("scores", name, "nrmse", h)) for h in at)]


def same_test(run: Run, other: Run) -> bool:
    """Whether both runs forecast the same trajectories at the same times."""
    if (run.n, run.shape) != (other.n, other.shape) or run.steps != other.steps:
        return False
    at = np.arange(min(2, run.steps))
    return bool(
        np.allclose(run.time, other.time)
        and np.allclose(run.states(0, at)[0], other.states(0, at)[0], rtol=1e-4, equal_nan=True)
    )


def _views(named: Sequence[tuple[Run, Look]], k: int, cells: int) -> str:
    first = named[0][0]
    shared = [(run, look) for run, look in named if same_test(run, first)]
    picks = common_picks([run for run, _ in shared])
    models = [(look, read_forecasts(run, picks, len(shared))) for run, look in shared]
    parts = ["<h3>Forecasts beside the truth</h3>", chooser(picks), shown_channels(first)]
    parts.append(forecast_views(models, first, f"states-{k}", cells))
    missing = [look[0] for run, look in named if not same_test(run, first)]
    if missing:
        names = escape("; ".join(missing))
        parts.append(note(f"Not shown, since tested on other trajectories: {names}."))
    return "".join(parts)


def common_picks(runs: Sequence[Run]) -> list[Pick]:
    """Trajectories on which the runs together did middling, best and worst."""
    valid = np.mean([valid_steps(run.errors[MODEL], THRESHOLD) * run.step for run in runs], axis=0)
    ranked = np.argsort(-valid, kind="stable")
    n = len(ranked)
    chosen = {int(ranked[(n - 1) // 2]): "Median", int(ranked[0]): "Best"}
    chosen.setdefault(int(ranked[-1]), "Worst")
    unit, many = time_name(runs[0]), " on average" if len(runs) > 1 else ""
    return [
        Pick(
            i,
            f"{rank}: trajectory {i + 1} of {n}, held {digits(valid[i])} {unit}{many}",
            valid[i],
            True,
        )
        for i, rank in chosen.items()
    ]
