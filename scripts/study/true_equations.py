"""Compare a model with the true equations, started from the last observed state.

python scripts/study/true_equations.py RUN [RUN ...] [--threshold 0.4] [--states 1]

RUN is the folder of a finished run of a simulated system, or a folder above several. The simulator
that made the data starts from the last observed state of each test context, noise included, and
forecasts as many steps as the model; channels and parameters that the model does not get are set to
their mean (scripts/study/solver_comparison/equation_forecast.py). The output, in Markdown: the
median valid times of both with 95 % intervals by bootstrap over starts, and the mean difference at
the same starts. Where the whole state is observed without noise, no model can beat the equations;
elsewhere a model with memory can estimate the start better than they do.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from scripts.study.markdown import markdown_table, signed
from scripts.study.solver_comparison.equation_forecast import equation_errors
from sirve import metrics
from sirve.errors import refusing
from sirve.report.load import MODEL, Run, find_runs
from sirve.report.style import units


def row(run: Run, threshold: float, states: int) -> list[str]:
    """Return the cells of one run."""
    model = metrics.valid_steps(run.errors[MODEL], threshold) * run.step
    equations = metrics.valid_steps(equation_errors(run, states), threshold) * run.step
    cells = [run.path.as_posix(), run.model, str(run.metrics.get("seed"))]
    for values in (model, equations):
        cells.append(
            "{:.2f} [{:.2f}, {:.2f}]".format(*metrics.bootstrap(values[None], metrics.median))
        )
    return [*cells, signed(metrics.bootstrap((model - equations)[None], metrics.mean))]


@refusing
def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Compare a model with the true equations.")
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    parser.add_argument("--threshold", type=float, default=metrics.THRESHOLD)
    parser.add_argument("--states", type=int, choices=(1, 2), default=1, help="2: velocities too")
    options = parser.parse_args(arguments)
    runs = find_runs(options.runs)
    rows = [row(run, options.threshold, options.states) for run in runs]
    unit = units(runs[0].metrics.get("time_unit"))
    head = ["run", "model", "seed", f"valid time, {unit}", "true equations", "model ahead by"]
    print(markdown_table(head, rows), end="")


if __name__ == "__main__":
    sys.exit(main())
