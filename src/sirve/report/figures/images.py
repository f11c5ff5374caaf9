"""Pictures and films of fields: frames at a few times, fields on a line over time, MP4."""

import base64
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from sirve.report.figures.draw import grid, head, plain
from sirve.report.load import Run
from sirve.report.stats import Forecast, difference_range, spans, thin

GREY = "#d9d9d9"  # of a value that is not finite


@dataclass(frozen=True)
class Row:
    """One channel over time (times, *space), its range of colours, and the label of its bar."""

    title: str
    values: np.ndarray
    low: float
    high: float
    label: str = ""
    signed: bool = False


def forecast_rows(run: Run, shown: Forecast, channels: int) -> list[Row]:
    """Return truth, forecast and difference of the first ``channels`` channels."""
    rows = []
    named = zip(run.channels[:channels], spans([shown]), strict=False)
    for c, (name, (low, high)) in enumerate(named):
        change = shown.difference[:, c]
        reach = difference_range([change], (high - low) / 2)
        head = f"{name}: " if channels > 1 < len(run.channels) else ""
        rows.append(Row(f"{head}truth", shown.truth[:, c], low, high, name))
        rows.append(Row(f"{head}{run.model}", shown.prediction[:, c], low, high, name))
        rows.append(Row(f"{head}difference", change, -reach, reach, name, signed=True))
    return rows


def image(
    ax: Axes, values: np.ndarray, bounds: tuple[float, float], signed: bool = False, **look: Any
) -> AxesImage:
    """Draw ``values`` in colours: the first or last beyond ``bounds``, none where not finite.

    They are cut to that range first, or values that have exploded would overflow in Matplotlib.
    """
    low, high = bounds
    inside = np.ma.masked_invalid(values).clip(low, high)
    look |= {"cmap": _map(signed), "interpolation": "nearest"}
    return ax.imshow(inside, vmin=low, vmax=high, **look)


def strip(rows: Sequence[Row], times: Sequence[str], xlabel: str, title: str = "") -> Figure:
    """Draw frames: one row of images for each of ``rows``, one column for each of ``times``."""
    height, width = rows[0].values.shape[1:]
    size = (1.28 * len(times) + 1.3, 1.28 * height / width * len(rows) + 0.8)
    figure, axes = grid(len(rows), len(times), size)
    drawn = []
    for r, row in enumerate(rows):
        for k, time in enumerate(times):
            ax = axes[r, k]
            shown = image(ax, row.values[k], (row.low, row.high), row.signed)
            ax.set(xticks=[], yticks=[], facecolor=GREY)
            if r == 0:
                ax.set_title(plain(time))
        axes[r, 0].set_ylabel(plain(row.title))
        drawn.append(shown)
    _bars(figure, axes, rows, drawn)
    head(figure, title)
    figure.supxlabel(plain(xlabel), fontsize=9)
    return figure


def over_time(
    rows: Sequence[Row], time: np.ndarray, space: tuple[float, float], xlabel: str, title: str = "",
    ylabel: str = "cell",
) -> Figure:  # fmt: skip
    """Draw fields on a line over ``time``; ``space`` holds the ends of the line."""
    figure, axes = grid(len(rows), 1, (6.8, 1.3 * len(rows) + 0.8), sharex=True)
    drawn = []
    for ax, row in zip(axes[:, 0], rows, strict=True):
        extent = (float(time[0]), float(time[-1]), *space)
        look: dict[str, Any] = {"extent": extent, "origin": "lower", "aspect": "auto"}
        drawn.append(image(ax, row.values.T, (row.low, row.high), row.signed, **look))
        ax.set(facecolor=GREY, ylabel=ylabel)
        ax.set_title(plain(row.title), loc="left")
    _bars(figure, axes, rows, drawn)
    head(figure, title)
    axes[-1, 0].set_xlabel(plain(xlabel))
    return figure


def _bars(figure: Figure, axes: Any, rows: Sequence[Row], drawn: Sequence[AxesImage]) -> None:
    """Draw one colour bar beside all neighbouring rows that share a range."""
    first = 0
    for r, row in enumerate(rows):
        following = rows[r + 1] if r + 1 < len(rows) else None
        same = (row.label, row.low, row.high)
        if following is None or (following.label, following.low, following.high) != same:
            place: dict[str, Any] = {"pad": 0.01, "aspect": 14 * (r + 1 - first)}
            bar = figure.colorbar(drawn[r], ax=axes[first : r + 1, :], **place)
            bar.set_label(plain(row.label))
            first = r + 1


def film(rows: Sequence[Row], limit: int, gap: bool = False) -> Iterator[np.ndarray]:
    """Give at most ``limit`` frames (H, W, 3) of ``rows`` beside each other, colours in 0 to 1."""
    for k in thin(len(rows[0].values), limit):
        parts = []
        for row in rows:
            inside = np.ma.masked_invalid(row.values[k]).clip(row.low, row.high)
            level = (inside.astype("f8") - row.low) / max(row.high - row.low, 1e-12)
            colours = _map(row.signed)(level)
            parts.append(np.where(colours[..., 3:] > 0, colours[..., :3], 0.85))
            parts += [np.ones((len(inside), 1, 3))] * gap
        yield np.concatenate(parts[:-1] if gap else parts, axis=1)


def write_film(path: Path, frames: Iterable[np.ndarray], pixels: int = 192) -> Path:
    """Write frames (H, W, 3) of colours from 0 to 1 as H.264, at least about ``pixels`` high."""
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=15)
        stream.pix_fmt = "yuv420p"
        for number, frame in enumerate(frames):
            zoom = max(1, pixels // len(frame))
            picture = np.kron(np.uint8(255 * frame), np.ones((zoom, zoom, 1), np.uint8))
            height, width = (side // 2 * 2 for side in picture.shape[:2])  # H.264 needs even sides
            picture = picture[:height, :width]
            if number == 0:
                stream.height, stream.width = height, width
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def _map(signed: bool) -> Any:
    return matplotlib.colormaps["RdBu_r" if signed else "inferno"]


def colour_table(colours: str) -> str:
    """Return red, green and blue of each byte in base64: 255 levels, then grey for no value."""
    table = matplotlib.colormaps[colours](np.linspace(0, 1, 255))[:, :3]
    table = np.vstack([np.rint(table * 255), [217, 217, 217]]).astype("u1")
    return base64.b64encode(table.tobytes()).decode("ascii")
