"""Where a run lives: ``<root>/<sim>-<model>/<time>``."""

import os
import re
import tempfile
from datetime import datetime
from pathlib import Path

from sirve.errors import UserError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_INHERITED = "SIRVE_RUN"  # tells the other ranks of this run where the first one writes


def create(root: Path, sim: str, model: str) -> Path:
    """A folder of its own for this run, even for two runs started in the same second.

    Raises UserError where a name could leave ``root`` or nothing can be written.
    """
    shared = inherited()
    if shared is not None:
        return shared
    if any(int(os.environ.get(key, 1)) > 1 for key in ("WORLD_SIZE", "SLURM_STEP_NUM_TASKS")):
        raise UserError(
            "several processes were started from outside; start one, with trainer=ddp and "
            "trainer.devices=N: it starts the others"
        )
    name = f"{sim}-{model}"
    if not _NAME.fullmatch(name):
        raise UserError(f"the run's name '{name}' must be letters, digits, '.', '_' and '-'")
    require_writable(root / name, "runs")
    time = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    for suffix in ["", *(f"-{i}" for i in range(1, 1000))]:
        folder = root / name / (time + suffix)
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        os.environ[_INHERITED] = str(folder.absolute())
        return folder
    raise UserError(f"runs={root} already holds 1000 runs of this second; wait a second")


def inherited() -> Path | None:
    """The run's folder on a further rank of it; None on the first, and without ranks."""
    folder = os.environ.get(_INHERITED)
    return Path(folder) if folder and os.environ.get("LOCAL_RANK", "0") != "0" else None


def require_writable(folder: Path, key: str) -> None:
    """Make ``folder``; UserError naming ``key`` where nothing can be written in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(
            f"{key}: {folder} is not writable ({error.strerror}); choose another {key}"
        ) from error
