"""Charts of curves as data: Matplotlib draws them as PNG, ``charts.js`` draws them on a page."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sirve.report.style import TRUTH

SOFT = "#555555"  # colour of marks that are no data
MOST = 1e30  # larger values are not drawn


@dataclass(frozen=True)
class Curve:
    """A line, its name in the legend (empty: none), and the area between ``low`` and ``high``.

    Not-finite values of ``y`` are gaps. ``marker`` is "", "dot", "circle" or "triangle". A curve
    with an ``entry`` is on a page only while that entry (a model or a baseline) is chosen.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    colour: str = TRUTH
    dash: str = "solid"
    width: float = 1.6
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    marker: str = ""
    entry: int | None = None


@dataclass(frozen=True)
class Panel:
    """Curves that share two axes; ``levels`` are horizontal lines with their labels."""

    curves: Sequence[Curve]
    ylabel: str = ""
    title: str = ""
    ylim: tuple[float, float] | None = None
    log: bool = False
    levels: Sequence[tuple[float, str]] = ()
    height: float = 1.0


@dataclass(frozen=True)
class Chart:
    """Panels above each other that share their horizontal axis."""

    panels: Sequence[Panel]
    xlabel: str
    xlim: tuple[float, float] | None = None
    log_x: bool = False
    title: str = ""
    width: float = 6.4  # inches, in the PNG
    height: float = 1.7  # inches of a panel of height 1

    def data(self) -> dict[str, Any]:
        """Return the chart as JSON values for ``charts.js``."""
        panels = [
            {
                "curves": [_curve_data(curve) for curve in panel.curves],
                "ylabel": panel.ylabel,
                "title": panel.title,
                "ylim": panel.ylim and [float(value) for value in panel.ylim],
                "log": panel.log,
                "levels": [[float(value), label] for value, label in panel.levels],
                "height": panel.height,
            }
            for panel in self.panels
        ]
        xlim = self.xlim and [float(value) for value in self.xlim]
        return {"panels": panels, "xlabel": self.xlabel, "xlim": xlim}


def vertical(time: float, ylim: tuple[float, float], name: str, dash: str = "dot") -> Curve:
    """Return a vertical line over the whole height of a panel."""
    return Curve(name, np.full(2, time), np.array(ylim), SOFT, dash, 1.0)


def _curve_data(curve: Curve) -> dict[str, Any]:
    parts = {"x": curve.x, "y": curve.y, "low": curve.low, "high": curve.high}
    look = {"name": curve.name, "colour": curve.colour, "dash": curve.dash, "width": curve.width}
    arrays = {key: _encode(values) for key, values in parts.items() if values is not None}
    return look | {"marker": curve.marker, "entry": curve.entry} | arrays


def _encode(values: np.ndarray) -> dict[str, str]:
    """Return an array as Plotly reads it: base64 of 32-bit floats, NaN where there is a gap."""
    values = np.asarray(values, "f8")
    known = np.where(np.abs(values) < MOST, values, np.nan).astype("<f4")
    return {"dtype": "f4", "bdata": base64.b64encode(known.tobytes()).decode("ascii")}
