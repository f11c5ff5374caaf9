"""metrics.jsonl: one flushed line per logged step, the record, whatever the tracker does."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers.logger import Logger
from pytorch_lightning.utilities.rank_zero import rank_zero_only


class Record(Logger):
    """A Lightning logger that appends to one file."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        rank_zero_only(path.touch)()  # a core with nothing to train has an empty record

    @property
    def name(self) -> str:
        return "record"

    @property
    def version(self) -> str:
        return ""

    def log_hyperparams(self, *_: Any, **__: Any) -> None:
        """The configuration is in config.yaml."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        line = json.dumps({"step": step, **metrics})
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
