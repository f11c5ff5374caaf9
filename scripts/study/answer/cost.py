"""What a recurrent network costs beside the solver: measured once for a run, and kept."""

import json
from pathlib import Path
from typing import Any

from scripts.study.opponent.ladder import compare
from sirve.errors import UserError
from sirve.io.files import MB, read_json, write_text
from sirve.report.load import Run

from .results import without_place

CAP = 2.0  # seconds for the repeats of one solver


def cost(run: Run, root: Path) -> dict[str, Any]:
    """Seconds of both for a step of the test's batch, at equal accuracy, and the break-even.

    Kept in ``root``/cost, by the run's place in the study. ``why`` stands there alone where it
    cannot be measured.
    """
    place = run.path.relative_to(root / "runs").as_posix().replace("/", "_")
    path = root / "cost" / f"{place}.json"
    if path.is_file():
        return dict(read_json(path, "remove it, and it is measured again", MB))
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
        entry = {"why": without_place(error, run)}
    path.parent.mkdir(exist_ok=True)
    write_text(path, json.dumps(entry, indent=1) + "\n")
    return entry
