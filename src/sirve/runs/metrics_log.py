"""metrics.jsonl: one flushed line per logged step, whatever the tracker does."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers.logger import Logger
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from sirve.io.files import json_rows, write_text

Row = dict[str, Any]


class Rows(Logger):
    """A Lightning logger that passes each row of scalars, with its step, to a function."""

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


def record(path: Path, step: int = 0) -> Rows:
    """Return a logger that appends to ``path``, keeping the existing rows up to ``step``.

    ``step`` is that of the checkpoint from which the run resumes.
    """
    kept = [json.dumps(row) + "\n" for row in _rows(path) if row["step"] <= step]
    rank_zero_only(write_text)(path, "".join(kept))

    def append(row: Row) -> None:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    return Rows(append)


def last_step(path: Path) -> int:
    """Return the step of the last row; 0 where there is none."""
    return max((row["step"] for row in _rows(path)), default=0)


def _rows(path: Path) -> Iterator[Row]:
    return (row for row in json_rows(path) if type(row.get("step")) is int)
