"""Runs the cells of a plan, several at a time; what is finished stays, what failed says why."""

import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from scripts.study.tables import TRAIN, finished

from .plan import Cell, Plan

LOG = "log.txt"


def reason(folder: Path) -> str | None:
    """Why the run in ``folder`` has not ended, where it was begun: its last word on it."""
    log = folder / LOG
    if not log.is_file():
        return None
    lines = log.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
    told = [line for line in lines if line.startswith("error: ")] or lines
    return told[-1].removeprefix("error: ").partition(";")[0][:200]


def run_all(plan: Plan, root: Path, workers: int, more: Sequence[str]) -> None:
    """Run what is not finished, ``workers`` at a time, each a train.py of its own.

    One that fails leaves its reason and the others go on; the same command tries it again.
    ``more`` are overrides that do not change what a run is, such as launcher=slurm.
    """
    cells = [cell for cell in plan.cells() if finished(root / cell.name) is None]
    print(f"{plan.budget}: {len(cells)} runs to do", flush=True)
    with ThreadPoolExecutor(workers) as pool:
        for k, (cell, why) in enumerate(pool.map(lambda c: _run(c, root / c.name, more), cells)):
            note = f"failed: {why}" if why else "done"
            print(f"{k + 1}/{len(cells)} {cell.name} {note}", flush=True)


def _run(cell: Cell, folder: Path, more: Sequence[str]) -> tuple[Cell, str | None]:
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(TRAIN), *more, *cell.overrides, f"runs={folder}"]
    with (folder / LOG).open("w") as log:
        subprocess.run(
            command,
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"},
        )
    return cell, None if finished(folder) else reason(folder)
