"""Runs of train.py for the tables and for the study: finished ones are not repeated."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sirve.runs import run_folder

TRAIN = Path(__file__).resolve().parents[2] / "train.py"
LOG = "log.txt"


def finished(place: Path) -> Path | None:
    """Return the finished run in ``place``, or None."""
    found = [path.parent for path in place.glob("*/*/metrics.json")]
    return next((run for run in found if run_folder.finished(run)), None)


def reason(folder: Path) -> str | None:
    """Return why the run in ``folder`` has not finished, or None if it was never started."""
    log = folder / LOG
    if not log.is_file():
        return None
    lines = log.read_text(errors="replace").strip().splitlines() or ["its log is empty"]
    errors = [line for line in lines if line.startswith("error: ")] or lines
    return errors[-1].removeprefix("error: ").partition(";")[0][:200]


def run_all(runs: Mapping[str, Sequence[str]], root: Path, workers: int) -> None:
    """Run train.py with each list of overrides, ``workers`` at a time.

    The keys of ``runs`` are folders below ``root``. A run that fails leaves its reason in its log
    and does not stop the others; the next call tries it again.
    """
    missing = [name for name in runs if finished(root / name) is None]
    print(f"{len(missing)} runs to do", flush=True)
    with ThreadPoolExecutor(workers) as pool:
        failures = pool.map(lambda name: _run(root / name, runs[name]), missing)
        for k, (name, why) in enumerate(zip(missing, failures, strict=True)):
            note = f"failed: {why}" if why else "done"
            print(f"{k + 1}/{len(missing)} {name} {note}", flush=True)


def _run(folder: Path, overrides: Sequence[str]) -> str | None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOG).open("w") as log:
        subprocess.run(
            [sys.executable, str(TRAIN), *overrides, f"runs={folder}"],
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"},
        )
    return None if finished(folder) else reason(folder)
