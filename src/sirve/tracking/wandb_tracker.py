"""Weights & Biases, beside the record: nothing of a result depends on it.

The only module that imports wandb, and only when it is asked for.
"""

import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from subprocess import TimeoutExpired
from typing import Any

import numpy as np
import yaml
from pytorch_lightning.loggers.logger import Logger
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from sirve.errors import one_line, warn
from sirve.report.media import Media, media_of, summary
from sirve.report.stats import early
from sirve.runs.metrics_log import Rows
from sirve.tracking import wandb_folder
from sirve.tracking.background import Aside

CURVE_POINTS = 300
_GRACE = 0.5  # seconds that W&B's service has to end before it is killed
_FLUSH = 1.0  # seconds between writes to W&B's file: what is lost when the run is killed
_DATA_DIR = os.environ.get("WANDB_DATA_DIR")  # the user's own wish, before any run of a sweep


class Tracker(ABC):
    """Where a run is tracked beside its own record."""

    @abstractmethod
    def start(self, run: Path, names: Mapping[str, str], config: str) -> list[Logger]:
        """Begin tracking; ``config`` is the YAML of config.yaml. Returns Lightning loggers."""

    @abstractmethod
    def finish(self, run: Path, metrics: Mapping[str, Any]) -> None:
        """Track the scores and the rollouts of a finished run folder, and end."""

    @abstractmethod
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

    def abort(self) -> None:
        pass


class WandB(Tracker):
    """A W&B run: config, scalars, the error curve over the horizon, rollouts, summary.

    ``mode`` "offline" needs no account and no network; "online" needs ``wandb login``. Going on in
    the same folder goes on as the same W&B run. A failure of W&B at any point is one warning, and
    the run goes on. W&B is waited for at the start and at the end only, ``wait`` seconds at most;
    one that is not done at the end has failed.
    """

    def __init__(
        self,
        mode: str = "offline",
        project: str = "sirve",
        entity: str | None = None,
        wait: float = 4.0,
    ) -> None:
        if mode not in ("offline", "online"):
            raise ValueError(f'mode="{mode}" is unknown: take "offline", "online", or logger=none')
        if not wait > 0:
            raise ValueError(f"wait={wait} must be a number of seconds above 0")
        self.mode, self.project, self.entity, self.wait = mode, project, entity, wait
        self._aside: Aside | None = None  # none before the start and after the end
        self._run: Any = None
        self._service: Any = None  # W&B's process, a child of this one
        self._folder: Path | None = None
        self._url: str | None = None

    def start(self, run: Path, names: Mapping[str, str], config: str) -> list[Logger]:
        self._start(run, names, yaml.safe_load(config))
        return [Rows(self.log)]

    @rank_zero_only
    def _start(self, run: Path, names: Mapping[str, str], config: dict[str, Any]) -> None:
        # Tables wait for a sync where this says; elsewhere they would be lost with the machine.
        os.environ["WANDB_DATA_DIR"] = _DATA_DIR or str(run.absolute() / "wandb")
        # It reports its own use to its makers, offline too, unless told not to.
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        logging.raiseExceptions = False  # a traceback for every line that a full disk did not take
        self._aside = Aside("W&B")
        try:
            import wandb  # noqa: F401  # here: from a slow disk this takes long, and is no failure

            self._aside.do(lambda: self._init(run, names, config))
            with suppress(TimeoutError):  # on a slow machine it begins later: rows wait for it
                self._aside.settle(self.wait + _GRACE)
        except Exception as error:  # whatever W&B does, the run goes on
            self._fail(error)

    def _init(self, run: Path, names: Mapping[str, str], config: dict[str, Any]) -> None:
        import wandb

        (run / "wandb").mkdir(exist_ok=True)
        if not os.access(run / "wandb", os.W_OK):
            raise PermissionError(f"{run / 'wandb'} is not writable")  # W&B would take /tmp
        settings = wandb.Settings(
            mode=self.mode,  # type: ignore[arg-type]
            console="off",
            silent=True,
            save_code=False,
            disable_git=True,
            x_disable_meta=True,  # it would store the command line
            init_timeout=self.wait,
            finish_timeout=self.wait,
            finish_timeout_raises=True,
            x_transaction_log_flush_interval=_FLUSH,
        )
        session: Any = wandb.setup(settings)  # by init alone its last words would not be silent
        with suppress(AttributeError):  # no public way leads to its process
            self._service = session._connection._proc._process
        if self.mode == "online" and not wandb.login(prompt=False):
            raise RuntimeError("no API key: wandb login")  # it would ask, and wait
        known = wandb_folder.known(run / "wandb")
        self._run = wandb.init(
            project=self.project,
            entity=self.entity,
            name=f"{names['sim']}-{names['model']}-{run.name}",
            group=names["sim"],
            id=known,
            resume="allow" if known else None,
            dir=run,
            config=config,
            settings=settings,
        )
        self._folder, self._url = Path(self._run.dir).parent, self._run.url
        for prefix in ("train", "valid"):
            self._run.define_metric(f"{prefix}/*", step_metric="step")
        self._run.define_metric("rollout/*", step_metric="rollout/horizon")

    def log(self, row: Mapping[str, Any]) -> None:
        """One row of values."""
        if self._aside is not None and self._aside.error is not None:
            self._fail(self._aside.error)
        if self._aside is not None:
            values = dict(row)
            self._aside.do(lambda: self._run.log(values))

    def finish(self, run: Path, metrics: Mapping[str, Any]) -> None:
        if self._aside is None:
            return
        try:
            if self._run is None:
                raise TimeoutError("it has not begun in all this time")
            media = media_of(run)
            self._aside.do(lambda: self._curves(media))
            self._aside.do(lambda: self._rollouts(media))
            self._aside.do(lambda: self._figures(run))
            self._aside.do(lambda: self._run.summary.update(summary(metrics)))
            self._close(0)
            self._require_whole()
        except Exception as error:
            self._fail(error)

    def abort(self) -> None:
        if self._aside is None:
            return
        try:
            if self._run is not None:
                self._close(1)
        except Exception:  # why the run has stopped is the one thing to say
            pass
        self._leave()

    def _close(self, exit_code: int) -> None:
        """Finish, and let its service end now: the hook it has for the end of Python may hang."""
        import wandb

        assert self._aside is not None
        self._aside.do(lambda: self._run.finish(exit_code))
        self._aside.do(wandb.teardown)
        self._aside.settle(self.wait + _GRACE)
        self._aside.close()
        self._aside = None

    def _require_whole(self) -> None:
        """On a full disk its service says nothing, but its file has no end."""
        from wandb.proto import wandb_internal_pb2

        record: Any = wandb_internal_pb2.Record  # type: ignore[attr-defined]
        assert self._folder is not None
        if not record.FromString(wandb_folder.last_record(self._folder)).HasField("exit"):
            raise OSError(f"{self._folder} is not whole: is the disk full?")

    def _fail(self, error: BaseException) -> None:
        self._leave()
        warn(
            f"W&B stopped tracking ({type(error).__name__}: {one_line(str(error))}); the run goes "
            "on and metrics.jsonl is complete"
        )

    def _leave(self) -> None:
        """Call W&B no more; end its service and take back its hook, whatever state they are in."""
        if self._aside is not None:
            self._aside.close()
        self._aside = self._url = None
        with suppress(Exception):
            import wandb

            last = Aside("W&B's end")
            last.do(wandb.teardown)
            try:
                last.settle(_GRACE)
            finally:
                last.close()
        if self._service is not None and self._service.poll() is None:
            self._service.kill()
            with suppress(TimeoutExpired):  # it is gone at once, unless the system holds it
                self._service.wait(_GRACE)

    def _curves(self, media: Media) -> None:
        for k in early(len(media.horizon), CURVE_POINTS):
            row = {f"rollout/{name}": float(curve[k]) for name, curve in media.curves.items()}
            row = {key: value for key, value in row.items() if np.isfinite(value)}
            self._run.log({"rollout/horizon": float(media.horizon[k]), **row})

    def _rollouts(self, media: Media) -> None:
        import wandb

        table = wandb.Table(columns=["rollout", "valid_time", "picture", *media.film_columns])
        for item in media.rollouts:
            films = [wandb.Video(str(item.film), format="mp4")] if item.film else []
            table.add_data(item.number, item.valid_time, wandb.Image(str(item.picture)), *films)
        self._run.log({"rollouts": table})
        first = media.rollouts[0]
        if first.film:
            self._run.log({"rollout_film": wandb.Video(str(first.film), format="mp4")})

    def _figures(self, run: Path) -> None:
        import wandb

        figures = sorted((run / "figures").glob("*.png"))
        self._run.log({f"figures/{path.stem}": wandb.Image(str(path)) for path in figures})

    def where(self) -> str | None:
        if self._url is not None:
            return self._url
        if self._folder is None:
            return None
        return f"{self._folder} (wandb sync it, or look: wandb leet {self._folder})"
