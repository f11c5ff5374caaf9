"""Pictures and films of a run's test rollouts, and its summary, for a tracker."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from sirve.io.hdf5 import reading
from sirve.report.figures.draw import STYLE, save
from sirve.report.figures.images import film, forecast_rows, write_film
from sirve.report.load import load_run
from sirve.report.pictures import draw_forecast
from sirve.report.stats import forecast, pick, thin

ROLLOUTS = 8  # pictured, spread from the longest to the shortest valid time
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
    """Pictures of rollouts; ``curves`` hold the median error of each model over ``horizon``."""

    horizon: np.ndarray
    curves: dict[str, np.ndarray]
    rollouts: list[Pictured]

    @property
    def film_columns(self) -> list[str]:
        return ["film"] if self.rollouts[0].film else []


def media_of(path: Path) -> Media:
    """Draw rollouts of the run in the folder ``path`` into its ``figures/rollouts/``."""
    run, folder = load_run(path), path / "figures" / "rollouts"
    folder.mkdir(parents=True, exist_ok=True)
    with reading(path / "rollouts.h5", "evaluate the run again") as file:
        errors = {name: item[:].astype(np.float64) for name, item in file["error"].items()}
    rollouts = []
    with matplotlib.rc_context(STYLE):
        for start in sorted(pick([run], ROLLOUTS), key=lambda one: one.valid):
            name = f"{start.index:04d}"
            picture = save(draw_forecast(run, start), folder / f"{name}.png")
            moving = None
            if run.kind == "frame":
                rows = forecast_rows(run, forecast(run, start, thin(run.steps, FRAMES)), 1)
                moving = write_film(folder / f"{name}.mp4", film(rows, FRAMES))
            rollouts.append(Pictured(start.index, start.valid, picture, moving))
    curves = {name: np.median(error, axis=0) for name, error in errors.items()}
    return Media(run.time, curves, rollouts)


def summary(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the scores that W&B sorts runs by, without dots in their names, as W&B needs it."""
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
    inside = metrics.get("inside", {})
    lags = inside.get("reach", {}).get("h", {})
    found |= {f"inside/reach_h_{k}": lag for k, lag in lags.items() if lag is not None}
    exponents = inside.get("exponents", {}).get("value", ())
    found |= {f"inside/exponent_{i}": value for i, value in enumerate(exponents, start=1)}
    return {name.replace(".", "_"): value for name, value in found.items()}
