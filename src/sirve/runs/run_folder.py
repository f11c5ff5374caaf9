"""Where a run lives: ``<root>/<sim>-<model>/<time>``; one process at a time owns it."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from sirve.errors import UserError
from sirve.io.files import require_inside, require_name

_INHERITED = "SIRVE_RUN"  # tells the other ranks of this run where the first one writes
_LOCK = ".lock"
_owned: list[int] = []  # the lock of this process's run, an open file


def place(root: Path, sim: str, model: str) -> Path:
    """The folder of all runs of this system and model.

    Raises UserError where a name could leave ``root`` or nothing can be written.
    """
    name = f"{sim}-{model}"
    require_name(name)
    require_inside(root / name, root, "runs")
    require_writable(root / name, "runs")
    return root / name


def create(parent: Path) -> Path:
    """A folder of its own for a run, owned, even for two runs started in the same second."""
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
    """Runs that have begun and not ended, the newest first."""
    for folder in sorted(parent.iterdir(), reverse=True):
        if (folder / "config.yaml").is_file() and not finished(folder):
            yield folder


def finished(run: Path) -> bool:
    """Whether nothing is left to do: the report is the last file that is written."""
    return (run / "report.html").exists()


def require_own_files(run: Path) -> None:
    """Raise UserError where a link in a run's folder would have something else read or written."""
    for path in run.rglob("*"):
        inside = path.resolve().is_relative_to(run.resolve())
        parts = path.relative_to(run).parts
        # W&B's service keeps its log elsewhere, and nobody opens it from here.
        log = len(parts) == 4 and parts[2:] == ("logs", "debug-core.log")
        if path.is_symlink() and not (parts[0] == "wandb" and (inside or log)):
            raise UserError(f"{path} is a link, which a run's folder does not hold; remove it")


def clean(run: Path) -> None:
    """Remove what a process that was killed had not finished writing."""
    for path in run.rglob(".*.tmp"):
        path.unlink(missing_ok=True)


def own(run: Path) -> bool:
    """Take a run's folder for this process until it ends; False where another one has it.

    The system lets go of it when the process ends, killed or not.
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
    """Let go of a run that is finished: nobody will own it again."""
    (run / _LOCK).unlink(missing_ok=True)
    os.environ.pop(_INHERITED, None)
    release()


def release() -> None:
    """Let go of this process's run; in a forked process, of its share of the lock."""
    while _owned:
        os.close(_owned.pop())


def current() -> Path | None:
    """The run's folder that this process has taken."""
    folder = os.environ.get(_INHERITED)
    return Path(folder) if folder else None


def inherited() -> Path | None:
    """The run's folder on a further rank of it; None on the first, and without ranks."""
    return current() if os.environ.get("LOCAL_RANK", "0") != "0" else None


def require_alone() -> None:
    """Raise UserError where something outside has started several processes."""
    if any(int(os.environ.get(key, 1)) > 1 for key in ("WORLD_SIZE", "SLURM_STEP_NUM_TASKS")):
        raise UserError(
            "several processes were started from outside; start one, with trainer=ddp and "
            "trainer.devices=N: it starts the others"
        )


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
