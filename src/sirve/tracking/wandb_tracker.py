"""Tracks runs with Weights & Biases (W&B). No result depends on it.

wandb is imported only here and by the commands sync and workspace, when W&B is selected.
"""

import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from subprocess import TimeoutExpired
from typing import Any

import yaml
from pytorch_lightning.loggers.logger import Logger
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from sirve.errors import one_line, warn
from sirve.report.media import media_of, summary
from sirve.runs.metrics_log import Rows
from sirve.tracking import wandb_folder, wandb_media
from sirve.tracking.background import BackgroundQueue

_GRACE = 0.5  # seconds for W&B's service to end before it is killed
_FLUSH = 1.0  # seconds between writes to W&B's file: what is lost when the run is killed
_DATA_DIR = os.environ.get("WANDB_DATA_DIR")  # set by the user, before any run of a sweep


class Tracker(ABC):
    """Tracks a run in addition to its own record."""

    @abstractmethod
    def start(self, run: Path, names: Mapping[str, str], config: str) -> list[Logger]:
        """Begin tracking and return Lightning loggers.

        ``names`` are those of sim and model, ``config`` is the YAML of config.yaml.
        """

    @abstractmethod
    def finish(self, run: Path, metrics: Mapping[str, Any]) -> None:
        """Track the scores and rollouts of a finished run folder, and end."""

    @abstractmethod
    def abort(self) -> None:
        """End at once, because the run has stopped."""

    def where(self) -> str | None:
        """Return where to find the tracked run, for the summary of the run."""
        return None


class NoTracker(Tracker):
    """Tracks nothing (``logger=none``)."""

    def start(self, run: Path, names: Mapping[str, str], config: str) -> list[Logger]:
        return []

    def finish(self, run: Path, metrics: Mapping[str, Any]) -> None:
        pass

    def abort(self) -> None:
        pass


class WandB(Tracker):
    """Tracks config, scalars, error curves, rollouts and summary as a W&B run.

    ``mode`` "offline" needs no account and no network; "online" needs ``wandb login``. A run that
    is resumed in the same folder resumes the same W&B run. If W&B fails, there is one warning and
    the run continues. The run waits for W&B at the start and at the end only, each for ``wait``
    seconds at most; W&B has failed if it is not done then.
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
        self._queue: BackgroundQueue | None = None  # None before the start and after the end
        self._run: Any = None
        self._service: Any = None  # W&B's process, a child of this one
        self._folder: Path | None = None
        self._url: str | None = None

    def start(self, run: Path, names: Mapping[str, str], config: str) -> list[Logger]:
        self._start(run, names, yaml.safe_load(config))
        return [Rows(self.log)]

    @rank_zero_only
    def _start(self, run: Path, names: Mapping[str, str], config: dict[str, Any]) -> None:
        # Tables wait here for a sync; W&B's default is outside the run folder.
        os.environ["WANDB_DATA_DIR"] = _DATA_DIR or str(run.absolute() / "wandb")
        # Or W&B would report its use to its makers, even offline.
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        logging.raiseExceptions = False  # or a full disk gives a traceback for every line
        self._queue = BackgroundQueue("W&B")
        try:
            import wandb  # noqa: F401  # not in the queue: a slow disk is no failure of W&B

            self._queue.put(lambda: self._init(run, names, config))
            with suppress(TimeoutError):  # on a slow machine rows wait in the queue
                self._queue.wait(self.wait + _GRACE)
        except Exception as error:  # whatever W&B does, the run continues
            self._fail(error)

    def _init(self, run: Path, names: Mapping[str, str], config: dict[str, Any]) -> None:
        import wandb

        (run / "wandb").mkdir(exist_ok=True)
        if not os.access(run / "wandb", os.W_OK):
            raise PermissionError(f"{run / 'wandb'} is not writable")  # W&B would use /tmp
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
        session: Any = wandb.setup(settings)  # with init alone, the end is not silent
        with suppress(AttributeError):  # W&B has no public name for its process
            self._service = session._connection._proc._process
        if self.mode == "online" and not wandb.login(prompt=False):
            raise RuntimeError("no API key: wandb login")  # W&B would prompt
        known = wandb_folder.stored_id(run / "wandb")
        self._run = wandb.init(
            project=self.project,
            entity=self.entity,
            name=f"{names['sim']}-{names['model']}-{run.name}",
            group=names["sim"],
            id=known or wandb_folder.new_id(run / "wandb"),
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
        """Track one row of values."""
        if self._queue is not None and self._queue.error is not None:
            self._fail(self._queue.error)
        if self._queue is not None:
            values = dict(row)
            self._queue.put(lambda: self._run.log(values))

    def finish(self, run: Path, metrics: Mapping[str, Any]) -> None:
        if self._queue is None:
            return
        try:
            if self._run is None:
                raise TimeoutError("W&B has not started until the end of the run")
            media = media_of(run)
            self._queue.put(lambda: wandb_media.log_curves(self._run, media))
            self._queue.put(lambda: wandb_media.log_rollouts(self._run, media))
            self._queue.put(lambda: wandb_media.log_figures(self._run, run))
            self._queue.put(lambda: self._run.summary.update(summary(metrics)))
            self._close(0)
            assert self._folder is not None
            if not wandb_folder.has_end(self._folder):  # its service reports no full disk
                raise OSError(f"{self._folder} is incomplete: is the disk full?")
        except Exception as error:
            self._fail(error)

    def abort(self) -> None:
        if self._queue is None:
            return
        try:
            if self._run is not None:
                self._close(1)
        except Exception:  # the only message is why the run has stopped
            pass
        self._leave()

    def _close(self, exit_code: int) -> None:
        """Finish the W&B run and end its service now, as W&B's own hook at exit may hang."""
        import wandb

        assert self._queue is not None
        self._queue.put(lambda: self._run.finish(exit_code))
        self._queue.put(wandb.teardown)
        self._queue.wait(self.wait + _GRACE)
        self._queue.close()
        self._queue = None

    def _fail(self, error: BaseException) -> None:
        self._leave()
        warn(
            f"W&B stopped tracking ({type(error).__name__}: {one_line(str(error))}); the run "
            "continues and metrics.jsonl is complete"
        )

    def _leave(self) -> None:
        """Stop calling W&B, remove its hook at exit, and end its service, even if it hangs."""
        if self._queue is not None:
            self._queue.close()
        self._queue = self._url = None
        with suppress(Exception):
            import wandb

            last = BackgroundQueue("W&B's end")
            last.put(wandb.teardown)
            try:
                last.wait(_GRACE)
            finally:
                last.close()
        if self._service is not None and self._service.poll() is None:
            self._service.kill()
            with suppress(TimeoutExpired):
                self._service.wait(_GRACE)

    def where(self) -> str | None:
        if self._url is not None:
            return self._url
        if self._folder is None:
            return None
        return f"{self._folder} (upload: wandb sync; view: wandb leet {self._folder})"
