"""Send the offline W&B runs of run folders to the server.

sirve sync [RUN ...]

RUN is the folder of a run, or a folder above any number of them; without one, runs/. Runs that were
sent before are left out. Needs wandb login, once. The same as `wandb sync` for each of the folders
wandb/offline-run-* below RUN.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from sirve.cli.workspace import log_in
from sirve.errors import UserError, refusing


@refusing
def main(arguments: Sequence[str] | None = None) -> None:
    """Run ``sirve sync``."""
    assert __doc__
    parser = argparse.ArgumentParser(prog="sirve sync", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "runs",
        nargs="*",
        type=Path,
        default=[Path("runs")],
        metavar="RUN",
        help="a run, or a folder above (runs)",
    )
    folders = offline_runs(parser.parse_args(arguments).runs)
    import wandb

    try:
        log_in()
    finally:
        wandb.teardown()
    command = [sys.executable, "-m", "wandb", "sync", *map(str, folders)]
    done = subprocess.run(command, check=False)
    if done.returncode:
        raise UserError(f"wandb sync stopped with exit code {done.returncode}; its reason is above")


def offline_runs(folders: Sequence[Path]) -> list[Path]:
    """Return the offline W&B runs below ``folders``; UserError where there are none."""
    found = [path for folder in folders for path in sorted(folder.rglob("wandb/offline-run-*"))]
    if not found:
        places = ", ".join(map(str, folders))
        raise UserError(
            f"{places}: no offline W&B run (wandb/offline-run-*) below; "
            "give the folder of a run that was made with logger=wandb"
        )
    return list(dict.fromkeys(found))
