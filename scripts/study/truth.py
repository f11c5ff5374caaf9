"""The true equations as an opponent: from the last state a model was shown, measured as it was.

python scripts/study/truth.py RUN [RUN ...] [--threshold 0.4] [--states 1]

Each RUN is a folder of a finished run of a simulated system, or one above several of them. The
simulator that made the data starts from the last state of each test context, noise and all, and
forecasts as many steps; what of it is not observed, and what of its parameters is not told, is at
its mean: see of_equations. What is printed, in Markdown: valid times of both, the median and its
95 % interval by bootstrap over starts, and the run's over the equations', the mean difference at
the same starts with its interval. Where the whole state is seen without noise the equations are out
of reach; elsewhere a model that has a memory can find its start, which they cannot.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from scripts.study.opponent.equations import of_equations
from sirve import metrics
from sirve.errors import refusing
from sirve.report.load import MODEL, Run, find_runs
from sirve.report.style import units


def row(run: Run, threshold: float, states: int) -> str:
    """A line of the table."""
    model = metrics.valid_steps(run.errors[MODEL], threshold) * run.step
    equations = metrics.valid_steps(of_equations(run, states), threshold) * run.step
    cells = [run.path.as_posix(), run.model, str(run.metrics.get("seed"))]
    for values in (model, equations):
        cells.append("{:.2f} [{:.2f}, {:.2f}]".format(*metrics.bootstrap(values[None], np.median)))
    ahead = metrics.bootstrap((model - equations)[None], np.mean)
    cells.append("{:+.2f} [{:+.2f}, {:+.2f}]".format(*ahead))
    return f"| {' | '.join(cells)} |\n"


@refusing
def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="The true equations from the last state shown.")
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--threshold", type=float, default=metrics.THRESHOLD)
    parser.add_argument("--states", type=int, choices=(1, 2), default=1, help="2: velocities too")
    options = parser.parse_args(arguments)
    runs = find_runs(options.runs)
    lines = [row(run, options.threshold, options.states) for run in runs]
    print(f"| run | model | seed | valid time, {units(runs[0].metrics.get('time_unit'))} ", end="")
    print("| true equations | ahead by |\n|---|---|--:|--:|--:|--:|")
    print("".join(lines), end="")


if __name__ == "__main__":
    sys.exit(main())
