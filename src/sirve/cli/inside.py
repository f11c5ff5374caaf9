"""Compares what happens inside the networks of finished runs, on one page.

sirve inside RUN [RUN ...] [--out inside.html]
sirve inside RUN [RUN ...] --time 200 [--orbits 32] [--exponents 3]

RUN is the folder of a run, or a folder above any number of them. With --time, the Lyapunov
exponents are measured again: averaged over that time of each orbit, after a transient of a quarter
of it.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

import sirve
from sirve.errors import refusing
from sirve.evaluation.inside import material_of, measure, settle
from sirve.report.inside.load import Inside, Settling, load_inside, measured
from sirve.report.inside.page import write_inside
from sirve.report.load import Run, find_runs


@refusing
def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Look inside the networks of finished runs.")
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN", help="a run, or a folder above"
    )
    parser.add_argument("--out", type=Path, default=Path("inside.html"), help="the page to write")
    parser.add_argument(
        "--time", type=float, help="averaging time of each orbit, in the system's unit"
    )
    parser.add_argument("--orbits", type=int, default=32)
    parser.add_argument("--exponents", type=int, default=3)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    runs = find_runs(options.runs)
    found = [load_or_measure(run, options) for run in runs]
    for path in write_inside(runs, found, options.out):
        print(path)


def load_or_measure(run: Run, options: argparse.Namespace) -> Inside:
    """Read the measurements of a run, or make them; with --time, measure its exponents again."""
    found = load_inside(run.path)
    if found and not options.time:
        return found
    forecaster = sirve.load(run.path)
    material = material_of(run.path, forecaster)
    if not found:
        measure(forecaster, material).write(run.path)
        found = load_inside(run.path)
    if options.time:
        start = time.process_time()
        longer = settle(forecaster, material, options.exponents, options.orbits, options.time)
        seconds = time.process_time() - start
        summary = longer.summary["exponents"]
        if "skipped" in summary:
            print(f"{run.path}: {summary['skipped']}")
            return replace(found, exponents=None)
        pairs = zip(summary["value"], summary["error"], strict=True)
        values = ", ".join(measured(*pair) for pair in pairs)
        print(
            f"{run.path}: {values} (1/time; {summary['orbits']} orbits, {summary['escaped']} "
            f"escaped; {seconds:.0f} CPU seconds)"
        )
        settled = Settling(*(longer.arrays[f"exponents/{k}"] for k in ("time", "value", "error")))
        found = replace(found, exponents=settled)
    return found
