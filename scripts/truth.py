"""The true equations as an opponent: from the last state a model was shown, measured as it was.

python scripts/truth.py RUN [RUN ...] [--threshold 0.4]

Each RUN is a folder of a finished run that sees the whole state of a simulated system, or one above
several of them. The simulator that made the data starts from the last state of each test context,
noise and all, and forecasts as many steps. What is printed, in Markdown: valid times of both, the
median and its 95 % interval by bootstrap over starts, and the run's over the equations', the mean
difference at the same starts with its interval. Without noise the equations are out of reach; in
noise a model that has a memory can filter its start, which they cannot.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sirve import metrics
from sirve.data.recipe import families
from sirve.door import TRUSTED
from sirve.errors import UserError
from sirve.files import parse_yaml
from sirve.hdf5 import reading
from sirve.report.load import MODEL, Run, find_runs
from sirve.report.style import units

REMEDY = "give a finished run that sees the whole state of a simulated system"


def of_equations(run: Run) -> np.ndarray:
    """Errors (starts, steps) of the simulator from the last state of each context."""
    config = parse_yaml(run.config, str(run.path / "config.yaml"))
    try:
        system, splits = config["sim"]["system"], config["sim"]["splits"]
        family = families(system, splits, TRUSTED)["test"]
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{run.path} was not simulated; {REMEDY}") from error
    if family.draws:
        raise UserError(f"{run.path}: its trajectories have parameters of their own; {REMEDY}")
    if run.shape != family.sim.shape:
        raise UserError(f"{run.path} sees {run.shape} of {family.sim.shape}; {REMEDY}")
    with reading(run.path / "rollouts.h5", REMEDY) as file:
        start = np.asarray(file["context"][:, -1], float)
        truth = np.asarray(file["truth"], float)
        std = np.asarray(file.attrs["std"], float)
    dt = float(run.metrics["dt"])
    future = family.sim.trajectories(start, dt * np.arange(run.steps + 1))[:, 1:]
    return metrics.normalised_error(truth, future, std)


def row(run: Run, threshold: float) -> str:
    """A line of the table."""
    model = metrics.valid_steps(run.errors[MODEL], threshold) * run.step
    equations = metrics.valid_steps(of_equations(run), threshold) * run.step
    cells = [run.path.as_posix(), run.model, str(run.metrics.get("seed"))]
    for values in (model, equations):
        cells.append("{:.2f} [{:.2f}, {:.2f}]".format(*metrics.bootstrap(values[None], np.median)))
    ahead = metrics.bootstrap((model - equations)[None], np.mean)
    cells.append("{:+.2f} [{:+.2f}, {:+.2f}]".format(*ahead))
    return f"| {' | '.join(cells)} |\n"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="The true equations from the last state shown.")
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--threshold", type=float, default=metrics.THRESHOLD)
    options = parser.parse_args(arguments)
    try:
        runs = find_runs(options.runs)
        lines = [row(run, options.threshold) for run in runs]
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"| run | model | seed | valid time, {units(runs[0].metrics.get('time_unit'))} ", end="")
    print("| true equations | ahead by |\n|---|---|--:|--:|--:|--:|")
    print("".join(lines), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
