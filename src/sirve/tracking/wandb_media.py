"""Logs curves, pictures and films of a finished run to its W&B run."""

from pathlib import Path
from typing import Any

import numpy as np

from sirve.report.media import Media
from sirve.report.stats import early

CURVE_POINTS = 300


def log_curves(tracked: Any, media: Media) -> None:
    """Log the median error of each model against the horizon."""
    for k in early(len(media.horizon), CURVE_POINTS):
        row = {f"rollout/{name}": float(curve[k]) for name, curve in media.curves.items()}
        row = {key: value for key, value in row.items() if np.isfinite(value)}
        tracked.log({"rollout/horizon": float(media.horizon[k]), **row})


def log_rollouts(tracked: Any, media: Media) -> None:
    """Log a table of rollouts with their pictures and films, and the first film by itself."""
    import wandb

    table = wandb.Table(columns=["rollout", "valid_time", "picture", *media.film_columns])
    for item in media.rollouts:
        films = [wandb.Video(str(item.film), format="mp4")] if item.film else []
        table.add_data(item.number, item.valid_time, wandb.Image(str(item.picture)), *films)
    tracked.log({"rollouts": table})
    first = media.rollouts[0]
    if first.film:
        tracked.log({"rollout_film": wandb.Video(str(first.film), format="mp4")})


def log_figures(tracked: Any, run: Path) -> None:
    """Log the figures of the report."""
    import wandb

    figures = sorted((run / "figures").glob("*.png"))
    tracked.log({f"figures/{path.stem}": wandb.Image(str(path)) for path in figures})
