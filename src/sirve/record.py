"""metrics.jsonl: one flushed line per logged step, the record, whatever the tracker does."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers.logger import Logger
from pytorch_lightning.utilities.rank_zero import rank_zero_only

Row = dict[str, Any]


class Rows(Logger):
    """A Lightning logger that hands each row of scalars, with its step, to one function."""

    def __init__(self, write: Callable[[Row], None]) -> None:
        super().__init__()
        self._write = write

    @property
    def name(self) -> str:
        return "rows"

    @property
    def version(self) -> str:
        return ""

    def log_hyperparams(self, *_: Any, **__: Any) -> None:
        """The configuration is in config.yaml."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self._write({"step": step, **metrics})


def record(path: Path) -> Rows:
    """A logger that appends to ``path``, which is empty where there is nothing to train."""
    rank_zero_only(path.touch)()

    def append(row: Row) -> None:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    return Rows(append)
