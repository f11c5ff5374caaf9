"""All scores of a study as one flat CSV table."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sirve.report.load import number

from .results import Result

COLUMNS = ("case", "model", "role", "seed", "score", "value", "run")


def scores_csv(results: Sequence[Result], root: Path) -> str:
    """Return one row for each run and score, baselines included; paths are relative to root."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for result in results:
        for outcome in result.outcomes:
            for run in outcome.runs:
                who = (result.case.name, outcome.name, outcome.role, run.metrics.get("seed"))
                for score, value in _leaves(run.metrics):
                    table.writerow((*who, score, value, run.path.relative_to(root)))
    return text.getvalue()


def _leaves(metrics: Mapping[str, Any]) -> Iterator[tuple[str, float | None]]:
    """Yield every number below the scores, with the path of its keys as its name."""
    kept = {k: metrics.get(k) for k in ("scores", "seconds", "one_step", "parameters", "fit")}
    stack: list[tuple[str, Any]] = [("", kept)]
    while stack:
        name, value = stack.pop()
        if isinstance(value, Mapping):
            stack += [(f"{name}.{k}".lstrip("."), v) for k, v in reversed(list(value.items()))]
        elif value is None or number(value) is not None:
            yield name, value
