"""The cost of a recurrent network compared with the solver, measured once and stored."""

import json
from pathlib import Path
from typing import Any

from scripts.study.solver_comparison.compare import compare
from sirve.errors import UserError
from sirve.io.files import MB, read_json, write_text
from sirve.report.load import Run

from .results import without_path

CAP = 2.0  # seconds for the repeats of one solver


def cost(run: Run, root: Path) -> dict[str, Any]:
    """Return the seconds of model and solver at equal accuracy, and the break-even.

    Stored in ``root``/cost under the run's path in the study. Where it cannot be measured the
    only key is ``why``.
    """
    name = run.path.relative_to(root / "runs").as_posix().replace("/", "_")
    path = root / "cost" / f"{name}.json"
    if path.is_file():
        return dict(read_json(path, "remove it to measure again", MB))
    try:
        found = compare(run, CAP)
        entry = {
            "batch": found.batch,
            "model": found.model.cpu,
            "solver": found.equal_accuracy and found.equal_accuracy.name,
            "solver_seconds": found.equal_accuracy and found.equal_accuracy.cpu,
            "ratio": found.ratio,
            "data": found.data,
            "training": found.training,
            "break_even": found.break_even,
        }
    except UserError as error:
        entry = {"why": without_path(error, run)}
    path.parent.mkdir(exist_ok=True)
    write_text(path, json.dumps(entry, indent=1) + "\n")
    return entry
