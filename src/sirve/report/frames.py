"""The player of frames: images quantised to one byte a cell, drawn by ``page.js`` on canvases."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import matplotlib
import numpy as np

from sirve.report.stats import Forecast, difference_range, spans
from sirve.report.style import digits, moments

FRAMES = 40  # at most so many times are shown
CELLS = 4_000_000  # bytes of images in a page, which base64 makes a third longer
CHANNELS = 3  # at most so many channels are shown
_MISSING = 255  # the byte of a value that is not finite
_MAPS = {"value": "inferno", "difference": "RdBu_r"}


@dataclass(frozen=True)
class Panel:
    """One image that moves: its title, its colour map and the values of every forecast."""

    title: str
    map: str  # "value" or "difference"
    low: float
    high: float
    values: list[np.ndarray]  # (frames, H, W) for each forecast


def panels(models: Sequence[tuple[str, Sequence[Forecast]]], channel: int) -> list[Panel]:
    """Truth, forecasts and, for one model, the difference of one channel, in one range."""
    truths = models[0][1]
    low, high = map(float, spans(truths)[channel])
    found = [Panel("truth", "value", low, high, [f.truth[:, channel] for f in truths])]
    for name, shown in models:
        values = [f.prediction[:, channel] for f in shown]
        found.append(Panel(name, "value", low, high, values))
    if len(models) == 1:
        values = [f.difference[:, channel] for f in truths]
        reach = difference_range(values, (high - low) / 2)
        found.append(Panel("difference", "difference", -reach, reach, values))
    return found


def player(
    models: Sequence[tuple[str, Sequence[Forecast]]],
    channels: Sequence[str],
    unit: str,
    name: str,
) -> str:
    """HTML of the player, with at most CELLS bytes of images; ``name`` identifies its data."""
    rows = [panels(models, c) for c in range(min(len(channels), CHANNELS))]
    first = models[0][1][0]
    stride = thinning(rows, CELLS)
    shape = rows[0][0].values[0][0, ::stride, ::stride].shape
    data = {
        "time": [f"{time} {unit}" for time in moments(first.time)],
        "shape": shape,
        "maps": {key: colour_table(colours) for key, colours in _MAPS.items()},
        "panels": [_data(panel, stride) for row in rows for panel in row],
    }
    body = "".join(_row_html(row, c, len(rows)) for row, c in zip(rows, channels, strict=False))
    return (
        f'<div class="player" data-spec="{name}">{body}'
        '<div class="controls"><button type="button">Play</button>'
        '<input type="range" min="0" value="0" step="1" aria-label="time">'
        "<output></output></div></div>"
        f'<script type="application/json" id="{name}">{json_text(data)}</script>'
    )


def thinning(rows: Sequence[Sequence[Panel]], cells: int) -> int:
    """Every how many cells along each side are shown so that the page stays small."""
    total = sum(v.size for row in rows for panel in row for v in panel.values)
    return max(1, int(np.ceil(np.sqrt(total / cells))))


def json_text(data: Any) -> str:
    """JSON that may stand inside a script element, whatever strings it holds."""
    text = data if isinstance(data, str) else json.dumps(data, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _data(panel: Panel, stride: int) -> dict[str, Any]:
    return {
        "map": panel.map,
        "low": panel.low,
        "high": panel.high,
        "forecasts": [_encode(_bytes(v[:, ::stride, ::stride], panel)) for v in panel.values],
    }


def _bytes(values: np.ndarray, panel: Panel) -> np.ndarray:
    finite = np.isfinite(values)
    inside = np.clip(np.where(finite, values, 0.0), panel.low, panel.high)
    scaled = np.rint((inside - panel.low) / ((panel.high - panel.low) or 1.0) * (_MISSING - 1))
    return np.where(finite, scaled, _MISSING).astype("u1")


def colour_table(colours: str) -> str:
    """Red, green and blue of every byte, in base64; light grey for a missing value."""
    table = matplotlib.colormaps[colours](np.linspace(0, 1, _MISSING))[:, :3]
    return _encode(np.vstack([np.rint(table * 255), [217, 217, 217]]).astype("u1"))


def _encode(values: np.ndarray) -> str:
    return base64.b64encode(values.tobytes()).decode("ascii")


def _row_html(row: Sequence[Panel], channel: str, rows: int) -> str:
    head = f"<h3>{escape(channel)}</h3>" if rows > 1 else ""
    images = "".join(
        f"<figure><figcaption>{escape(p.title)}</figcaption><canvas></canvas>{_scale(p)}</figure>"
        for p in row
    )
    return f'{head}<div class="panels{" many" if len(row) > 3 else ""}">{images}</div>'


def _scale(panel: Panel) -> str:
    stops = matplotlib.colormaps[_MAPS[panel.map]](np.linspace(0, 1, 9))
    colours = ",".join(matplotlib.colors.to_hex(stop) for stop in stops)
    return (
        f'<div class="scale"><span>{digits(panel.low)}</span>'
        f'<i style="background:linear-gradient(90deg,{colours})"></i>'
        f"<span>{digits(panel.high)}</span></div>"
    )
