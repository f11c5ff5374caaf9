"""The folder of a run, ``<root>/<sim>-<model>/<time>``, owned by one process at a time."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from sirve.errors import UserError
from sirve.io.files import require_inside, require_name

_INHERITED = "SIRVE_RUN"  # tells the other ranks where the first one writes
_LOCK = ".lock"
_owned: list[int] = []  # the open lock file of this process's run


def place(root: Path, sim: str, model: str) -> Path:
    """Return the folder of all runs of this system and model.

    Raises UserError where a name would lead out of ``root`` or nothing can be written.
    """
    name = f"{sim}-{model}"
    require_name(name)
    require_inside(root / name, root, "runs")
    require_writable(root / name, "runs")
    return root / name


def create(parent: Path) -> Path:
    """Create and own a new folder, also for two runs started in the same second."""
    time = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    for suffix in ["", *(f"-{i}" for i in range(1, 1000))]:
        folder = parent / (time + suffix)
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        if own(folder):
            return folder
    raise UserError(f"{parent} already holds 1000 runs of this second; wait a second")


def unfinished(parent: Path) -> Iterator[Path]:
    """Yield the unfinished runs, the newest first."""
    for folder in sorted(parent.iterdir(), reverse=True):
        if (folder / "config.yaml").is_file() and not finished(folder):
            yield folder


def finished(run: Path) -> bool:
    """Return whether nothing is left to do: the report is the last file written."""
    return (run / "report.html").exists()


def require_own_files(run: Path) -> None:
    """Raise UserError for a link in a run's folder that leads to other files."""
    for path in run.rglob("*"):
        inside = path.resolve().is_relative_to(run.resolve())
        parts = path.relative_to(run).parts
        # W&B's service keeps its log elsewhere; nothing here opens it.
        log = len(parts) == 4 and parts[2:] == ("logs", "debug-core.log")
        if path.is_symlink() and not (parts[0] == "wandb" and (inside or log)):
            raise UserError(f"{path} is a link, which a run's folder must not hold; remove it")


def clean(run: Path) -> None:
    """Remove files that a killed process had not finished writing."""
    for path in run.rglob(".*.tmp"):
        path.unlink(missing_ok=True)


def own(run: Path) -> bool:
    """Take a run's folder for this process; return False where another process has it.

    The system releases the lock when the process ends, killed or not.
    """
    if _owned and current() == run.absolute():
        return True
    lock = os.open(run / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return False
    release()
    _owned.append(lock)
    os.environ[_INHERITED] = str(run.absolute())
    return True


def leave(run: Path) -> None:
    """Release a finished run."""
    (run / _LOCK).unlink(missing_ok=True)
    os.environ.pop(_INHERITED, None)
    release()


def release() -> None:
    """Release this process's run; in a forked process, its copy of the lock."""
    while _owned:
        os.close(_owned.pop())


def current() -> Path | None:
    """Return the folder of the run that this process owns, or None."""
    folder = os.environ.get(_INHERITED)
    return Path(folder) if folder else None


def inherited() -> Path | None:
    """Return the folder of the run on a further rank; None on the first rank and without ranks."""
    return current() if os.environ.get("LOCAL_RANK", "0") != "0" else None


def require_alone() -> None:
    """Raise UserError where several processes were started from outside, as by srun."""
    if any(int(os.environ.get(key, 1)) > 1 for key in ("WORLD_SIZE", "SLURM_STEP_NUM_TASKS")):
        raise UserError(
            "several processes were started from outside; start one, with trainer=ddp and "
            "trainer.devices=N: it starts the others"
        )


def require_writable(folder: Path, key: str) -> None:
    """Create ``folder``; raise UserError naming ``key`` where it is not writable."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(
            f"{key}: {folder} is not writable ({error.strerror}); choose another {key}"
        ) from error
