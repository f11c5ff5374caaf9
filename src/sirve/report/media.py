"""Pictures and films of a run's test rollouts, for a tracker: read from rollouts.h5 alone."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import matplotlib
import numpy as np
from matplotlib.figure import Figure

from sirve import metrics
from sirve.io.hdf5 import reading
from sirve.report.stats import thin
from sirve.report.stills import image
from sirve.report.style import units

ROLLOUTS = 8  # pictured, spread from the shortest to the longest valid time
FRAMES = 120  # of a film, at most


@dataclass(frozen=True)
class Pictured:
    """One test rollout: its number in rollouts.h5, its valid time, picture and film."""

    number: int
    valid_time: float
    picture: Path
    film: Path | None


@dataclass(frozen=True)
class Media:
    """``curves``: median error of the model and of each baseline, over ``horizon``."""

    horizon: np.ndarray
    curves: dict[str, np.ndarray]
    rollouts: list[Pictured]

    @property
    def film_columns(self) -> list[str]:
        return ["film"] if self.rollouts[0].film else []


def media_of(run: Path) -> Media:
    """Draw a run's rollouts into ``figures/rollouts/``."""
    folder = run / "figures" / "rollouts"
    folder.mkdir(parents=True, exist_ok=True)
    with reading(run / "rollouts.h5", "evaluate the run again") as file:
        dt, unit = float(file.attrs["dt"]), float(file.attrs["unit"])
        channels = [str(name) for name in file.attrs["channels"]]
        horizon = file["time"][:] / unit
        errors = {name: item[:].astype(np.float64) for name, item in file["error"].items()}
        times = metrics.valid_steps(errors["model"], metrics.THRESHOLD) * dt / unit
        order = np.argsort(times)
        chosen = order[thin(len(order), ROLLOUTS)]
        rollouts = []
        for number in chosen.tolist():
            truth, prediction = file["truth"][number], file["prediction"][number]
            picture, film = folder / f"{number:04d}.png", None
            if truth.ndim == 2:
                _lines(
                    picture, horizon, truth, prediction, channels, units(file.attrs["time_unit"])
                )
            elif truth.ndim == 3:
                over_time = [truth[:, 0].T, prediction[:, 0].T]
                _pictures(picture, over_time, ["truth", "forecast"], width=8.0)
            else:
                film = _film(folder / f"{number:04d}.mp4", truth[:, 0], prediction[:, 0])
                at = np.unique(np.geomspace(1, len(truth), 5).round().astype(int)) - 1
                shown = [x[k, 0] for x in (truth, prediction) for k in at]
                titles = [f"{w} {k + 1}" for w in ("truth", "forecast") for k in at]
                _pictures(picture, shown, titles, width=2.0 * len(at))
            rollouts.append(Pictured(number, float(times[number]), picture, film))
    return Media(horizon, {k: np.median(e, axis=0) for k, e in errors.items()}, rollouts)


def _lines(
    path: Path, t: np.ndarray, truth: np.ndarray, guess: np.ndarray, names: list[str], unit: str
) -> None:
    figure = Figure(figsize=(8, 1.6 * len(names)), layout="constrained")
    axes = figure.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0]
    for i, axis in enumerate(axes):
        axis.plot(t, truth[:, i], color="0.25", lw=1.2, label="truth")
        axis.plot(t, np.where(np.isfinite(guess[:, i]), guess[:, i], np.nan), color="#0072b2", lw=1)
        low, high = truth[:, i].min(), truth[:, i].max()
        axis.set_ylim(low - 0.5 * (high - low) - 1e-9, high + 0.5 * (high - low) + 1e-9)
        axis.set_ylabel(names[i])
    axes[-1].set_xlabel(unit)
    figure.savefig(path, dpi=100)


def _pictures(path: Path, frames: list[np.ndarray], titles: list[str], width: float) -> None:
    columns = len(frames) // 2
    figure = Figure(figsize=(width, 4.2), layout="constrained")
    axes = figure.subplots(2, columns, squeeze=False).ravel()
    low, high = float(frames[0].min()), float(frames[0].max())
    for axis, frame, title in zip(axes, frames, titles, strict=True):
        image(axis, frame, (low, high), aspect="auto")
        axis.set_title(title, fontsize=8)
        axis.set_axis_off()
    figure.savefig(path, dpi=100)


def _film(path: Path, truth: np.ndarray, prediction: np.ndarray) -> Path:
    """truth | forecast | difference (T, H, W); the first frame's range is the scale."""
    low, high = float(truth[0].min()), float(truth[0].max())
    span = max(high - low, 1e-12)
    field, signed = matplotlib.colormaps["inferno"], matplotlib.colormaps["RdBu_r"]
    bounds = float(truth.min()) - span, float(truth.max()) + span  # beyond, colours are the last

    def frames() -> Iterator[np.ndarray]:
        for k in thin(len(truth), FRAMES):
            guess = np.nan_to_num(prediction[k].clip(*bounds), nan=low)
            parts = [
                field((truth[k] - low) / span),
                field((guess - low) / span),
                signed(0.5 + (guess - truth[k]) / (0.2 * span)),
            ]
            yield np.concatenate([part[..., :3] for part in parts], axis=1)

    return write_film(path, frames())


def write_film(path: Path, frames: Iterable[np.ndarray], pixels: int = 192) -> Path:
    """Frames (H, W, 3) of colours from 0 to 1 as H.264, at least about ``pixels`` high."""
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=15)
        stream.pix_fmt = "yuv420p"
        for number, frame in enumerate(frames):
            zoom = max(1, pixels // len(frame))
            image = np.kron(np.uint8(255 * frame), np.ones((zoom, zoom, 1), np.uint8))
            image = image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]  # H.264 wants even
            if number == 0:
                stream.height, stream.width = image.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return path


def summary(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers one sorts runs by; W&B sorts by no name that has a dot in it."""
    scores = metrics["scores"]["model"]
    found: dict[str, Any] = {
        f"score/nrmse_{h}": v for h, v in scores["nrmse"].items() if v is not None
    }
    found |= {f"score/valid_time_{t}": v["median"] for t, v in scores["valid_time"].items()}
    found |= {f"score/seconds_{k}": v for k, v in metrics["seconds"].items()}
    found |= {"score/parameters": metrics["parameters"], "score/diverged": scores["diverged"]}
    if "ensemble" in metrics:
        ensemble = metrics["ensemble"]
        found |= {f"score/crps_{h}": v for h, v in ensemble["crps"].items() if v is not None}
        found["score/trusted_time"] = ensemble["trusted_time"]["median"]
    if metrics["one_step"] is not None:
        found["score/one_step"] = metrics["one_step"]
    found |= _inside(metrics.get("inside", {}))
    return {name.replace(".", "_"): value for name, value in found.items()}


def _inside(measured: Mapping[str, Any]) -> dict[str, Any]:
    """Lags at which the gradient has vanished, and the exponents of the network run free."""
    lags = measured.get("reach", {}).get("h", {})
    found = {f"inside/reach_h_{k}": lag for k, lag in lags.items() if lag is not None}
    values = measured.get("exponents", {}).get("value", ())
    return found | {f"inside/exponent_{i}": value for i, value in enumerate(values, start=1)}
