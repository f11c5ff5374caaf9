"""Charts of measurements inside a network: reach of the gradient, gates, memory, exponents."""

from collections.abc import Sequence

import numpy as np

from sirve.report.figures.chart import Chart, Curve, Panel, vertical
from sirve.report.figures.curves import POINTS, error_chart, time_label
from sirve.report.inside.load import Inside, Settling, measured, system_exponents
from sirve.report.load import Run
from sirve.report.stats import thin
from sirve.report.style import MODEL_COLOUR, TRUTH, run_style, units

LEVELS = ((1 / np.e, "1/e"), (0.01, "1 %"))  # of the gradient's norm
_FLOOR = 1e-12  # smallest norm that is drawn
_HIGHEST = 1e6  # largest error that is drawn
_GREY = "#8f8f8f"
_PANELS = 8  # of activations
_NAMES = {  # the note's symbols, in the order of its equations
    "f": "forget gate {}",
    "i": "input gate {}",
    "C'": "new knowledge {}",
    "o": "output gate {}",
    "z": "update gate {}",
    "r": "reset gate {}",
    "h'": "candidate {}",
}
_MEMORY = {"h": "memory h", "C": "conveyor belt C"}


def inside_charts(run: Run, inside: Inside) -> dict[str, Chart]:
    """Return the chart of every measurement of one run, by the name of its PNG."""
    found = {}
    if inside.reach:
        found["reach"] = reach_chart(reach_curves(inside, run.model, MODEL_COLOUR))
    if inside.memory:
        found["gates"] = gates_chart(run, inside)
    if curves := memory_curves(inside, run):
        found["memory"] = error_chart(curves, time_label(run))
    if inside.exponents is not None:
        found["exponents"] = exponents_chart(inside.exponents, system_exponents(run))
    return found


def reach_curves(inside: Inside, label: str, colour: str) -> list[Curve]:
    """Return norms against the lag: of h, and dashed of C; before training in grey."""
    looks = ((inside.initial, f"{label} before training", _GREY, False),
             (inside.reach, label, colour, True))  # fmt: skip
    found = []
    for curves, name, hue, shaded in looks:
        for symbol, values in sorted(curves.items(), key=lambda item: item[0] != "h"):
            full = f"{name}, {symbol}" if len(curves) > 1 else name
            low, middle, high = np.maximum(values, _FLOOR / 100)
            middle = np.where(middle >= _FLOOR, middle, np.nan)
            dash, lag = "solid" if symbol == "h" else "dash", np.arange(len(middle))
            area = (low, high) if shaded else (None, None)
            found.append(Curve(full, lag, middle, hue, dash, 2.0, *area))
    return found


def reach_chart(curves: Sequence[Curve]) -> Chart:
    """Chart of the norm of the gradient against the lag."""
    values = np.concatenate([curve.y for curve in curves])
    values = values[np.isfinite(values)]
    ylim = (min(float(values.min()), 1e-3) / 2, max(float(values.max()), 1.0) * 2)
    last = max(int(np.isfinite(curve.y).nonzero()[0][-1]) for curve in curves)
    end = min(1.1 * last + 5, max(float(curve.x[-1]) for curve in curves))
    panel = Panel(curves, "norm ‖∂L/∂h‖ relative to lag 0", ylim=ylim, log=True, levels=LEVELS)
    return Chart([panel], "lag T - t (steps)", (0.0, end), height=2.9)


def gates_chart(run: Run, inside: Inside) -> Chart:
    """Chart of the activations of the gates and, in the last panel, the memory of a few units."""
    symbol, time = next(iter(inside.memory)), run.step * inside.along
    gates = sorted(inside.gates.items(), key=lambda item: _order(item[0].split(",")[0]))
    panels = []
    for name, (mean, low, high) in gates[:_PANELS]:
        short = name.split(",")[0]
        title = f"{_NAMES.get(short, '{}').format(name)}: mean and middle 80 % of units"
        ends = (float(np.nanmin(low, initial=0)), float(np.nanmax(high, initial=0)))
        curve = Curve("", time, mean, MODEL_COLOUR, "solid", 1.8, low, high)
        panels.append(Panel([curve, vertical(0.0, ends, "")], title=title))
    paths = inside.memory[symbol]
    lines = [Curve("", time, path, run_style(k, 0)[0], width=1.4) for k, path in enumerate(paths)]
    lines.append(vertical(0.0, (float(np.nanmin(paths)), float(np.nanmax(paths))), ""))
    title = f"{_MEMORY.get(symbol, symbol)} of a few units"
    panels.append(Panel(lines, title=title, height=2.0))
    label = f"time since the context ({units(run.metrics.get('time_unit'))})"
    return Chart(panels, label, (float(time[0]), float(time[-1])), height=1.0)


def _order(name: str) -> int:
    return list(_NAMES).index(name) if name in _NAMES else len(_NAMES)


def memory_curves(inside: Inside, run: Run) -> list[Curve]:
    """Return errors of forecasts that carry their memory on, and of those that rebuild it."""
    looks = {"carried": ("memory carried on", MODEL_COLOUR, "solid", 2.6),
             "reread": ("memory rebuilt", "#d55e00", "dash", 1.6)}  # fmt: skip
    found = []
    for name, (label, colour, dash, width) in looks.items():
        if name in inside.drift:
            steps = min(inside.drift[name].shape[1], run.steps)
            at = thin(steps, POINTS)
            low, middle, high = np.nan_to_num(inside.drift[name][:, at], nan=_HIGHEST)
            low, high = np.minimum(low, _HIGHEST), np.minimum(high, _HIGHEST)
            middle = np.where((middle > 0) & (middle < _HIGHEST), middle, np.nan)
            found.append(Curve(label, run.time[at], middle, colour, dash, width, low, high))
    return found


def exponents_chart(found: Settling, system: tuple[list[float], list[float]]) -> Chart:
    """Chart of each exponent against the time of averaging, with the system's exponent."""
    panels = []
    for i in range(found.value.shape[1]):
        value, error = found.value[:, i], found.error[:, i]
        title = f"exponent {i + 1}: {measured(value[-1], error[-1])}"
        curves = [Curve("network", found.time, value, MODEL_COLOUR, "solid", 2.0,
                        value - error, value + error)]  # fmt: skip
        if i < len(system[0]):
            known, room = system[0][i], system[1][i]
            title += f", system {measured(known, room)}"
            middle = np.full(2, known)
            ends = found.time[[0, -1]]
            curves.append(
                Curve("system", ends, middle, TRUTH, "dash", 1.6, middle - room, middle + room)
            )
        panels.append(Panel(curves, "1/time", title, _exponent_range(curves)))
    return Chart(panels, "time of averaging", (0.0, float(found.time[-1])), height=1.5)


def _exponent_range(curves: Sequence[Curve]) -> tuple[float, float]:
    """Return bounds that show the last three quarters of the averaging."""
    values = np.concatenate([q[len(q) // 4 :] for c in curves for q in (c.low, c.high)])  # type: ignore[index, arg-type]
    values = values[np.isfinite(values)]
    if not len(values):
        return -1.0, 1.0
    room = 0.1 * float(np.ptp(values)) + 1e-6
    return float(values.min()) - room, float(values.max()) + room
