"""Weights & Biases, beside the record: nothing of a result depends on it.

The only module that imports wandb, and only when it is asked for.
"""

import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import yaml
from pytorch_lightning.loggers.logger import Logger
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from sirve.media import media_of
from sirve.record import Rows
from sirve.report.stats import early

T = TypeVar("T")

CURVE_POINTS = 300
_DATA_DIR = os.environ.get("WANDB_DATA_DIR")  # the user's own wish, before any run of a sweep


class Tracker(ABC):
    """Where a run is tracked beside its own record."""

    @abstractmethod
    def start(self, run: Path, names: Mapping[str, str], config: str) -> list[Logger]:
        """Begin tracking; ``config`` is the YAML of config.yaml. Returns Lightning loggers."""

    @abstractmethod
    def finish(self, run: Path, metrics: Mapping[str, Any]) -> None:
        """Track the scores and the rollouts of a finished run folder, and end."""

    def abort(self) -> None:
        """End at once, with what there is: the run has stopped."""

    def where(self) -> str | None:
        """Where to look, for the line at the end."""
        return None


class NoTracker(Tracker):
    """``logger=none``."""

    def start(self, run: Path, names: Mapping[str, str], config: str) -> list[Logger]:
        return []

    def finish(self, run: Path, metrics: Mapping[str, Any]) -> None:
        pass


class WandB(Tracker):
    """A W&B run: config, scalars, the error curve over the horizon, rollouts, summary.

    ``mode`` "offline" needs no account and no network; "online" needs ``wandb login``. A failure
    of W&B at any point is one warning, and the run goes on.
    """

    def __init__(
        self, mode: str = "offline", project: str = "sirve", entity: str | None = None
    ) -> None:
        if mode not in ("offline", "online"):
            raise ValueError(f'mode="{mode}" is unknown: take "offline", "online", or logger=none')
        self.mode, self.project, self.entity = mode, project, entity
        self._run: Any = None
        self._folder: str | None = None

    def start(self, run: Path, names: Mapping[str, str], config: str) -> list[Logger]:
        self._try(lambda: self._init(run, names, yaml.safe_load(config)))
        return [Rows(self.log)]

    @rank_zero_only
    def _init(self, run: Path, names: Mapping[str, str], config: dict[str, Any]) -> None:
        # Tables wait for a sync where this says; elsewhere they would be lost with the machine.
        os.environ["WANDB_DATA_DIR"] = _DATA_DIR or str(run.absolute() / "wandb")
        # It reports its own use to its makers, offline too, unless told not to.
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        import wandb

        settings = wandb.Settings(
            mode=self.mode,  # type: ignore[arg-type]
            console="off",
            silent=True,
            save_code=False,
            disable_git=True,
            x_disable_meta=True,  # it would store the command line
        )
        self._run = wandb.init(
            project=self.project,
            entity=self.entity,
            name=f"{names['sim']}-{names['model']}-{run.name}",
            group=names["sim"],
            dir=run,
            config=config,
            settings=settings,
            reinit="finish_previous",  # each run of a sweep is a W&B run of its own
        )
        self._folder = str(Path(self._run.dir).parent)
        for prefix in ("train", "valid"):
            self._run.define_metric(f"{prefix}/*", step_metric="step")
        self._run.define_metric("rollout/*", step_metric="rollout/horizon")

    def log(self, row: Mapping[str, Any]) -> None:
        """One row of values."""
        if self._run is not None:
            self._try(lambda: self._run.log(dict(row)))

    def finish(self, run: Path, metrics: Mapping[str, Any]) -> None:
        if self._run is not None:
            self._try(lambda: self._rollouts(run, metrics))
        if self._run is not None:
            self._try(self._run.finish)

    def _rollouts(self, run: Path, metrics: Mapping[str, Any]) -> None:
        import wandb

        media = media_of(run)
        for k in early(len(media.horizon), CURVE_POINTS):
            row = {f"rollout/{name}": float(curve[k]) for name, curve in media.curves.items()}
            row = {key: value for key, value in row.items() if np.isfinite(value)}
            self._run.log({"rollout/horizon": float(media.horizon[k]), **row})
        table = wandb.Table(columns=["rollout", "valid_time", "picture", *media.film_columns])
        for item in media.rollouts:
            films = [wandb.Video(str(item.film), format="mp4")] if item.film else []
            table.add_data(item.number, item.valid_time, wandb.Image(str(item.picture)), *films)
        self._run.log({"rollouts": table})
        first = media.rollouts[0]
        if first.film:
            self._run.log({"rollout_film": wandb.Video(str(first.film), format="mp4")})
        figures = sorted((run / "figures").glob("*.png"))
        self._run.log({f"figures/{path.stem}": wandb.Image(str(path)) for path in figures})
        self._run.summary.update(_summary(metrics))

    def where(self) -> str | None:
        if self._folder is None:
            return None
        if self.mode == "online" and self._run is not None:
            return str(self._run.url)
        return f"{self._folder} (wandb sync it, or look: wandb leet {self._folder})"

    def _try(self, action: Callable[[], Any]) -> None:
        try:
            action()
        except Exception as error:  # whatever W&B does, the run goes on
            self._run = None
            line = " ".join(str(error).split())[:200]
            warnings.warn(
                f"W&B stopped tracking ({type(error).__name__}: {line}); the run goes on and "
                "metrics.jsonl is complete",
                stacklevel=2,
            )


def _summary(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers one sorts runs by."""
    scores = metrics["scores"]["model"]
    found: dict[str, Any] = {
        f"score/nrmse_{h}": v for h, v in scores["nrmse"].items() if v is not None
    }
    found |= {f"score/valid_time_{t}": v["median"] for t, v in scores["valid_time"].items()}
    found |= {f"score/seconds_{k}": v for k, v in metrics["seconds"].items()}
    found |= {"score/parameters": metrics["parameters"], "score/diverged": scores["diverged"]}
    if metrics["one_step"] is not None:
        found["score/one_step"] = metrics["one_step"]
    return found
