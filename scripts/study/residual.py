"""Measure how far each step of a run's forecast is from one step of the simulator.

python scripts/study/residual.py RUN [RUN ...] [--json residuals.json]

RUN is the folder of a run of a simulated system, or a folder above several. Small residuals mean
that a forecast obeys the equations, even where chaos has taken it far from the truth. The residual
of the truth is the smallest possible one: the error of solver and storage.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from scripts.study.solver_comparison.residual import residual
from sirve.cli.evaluate import as_json, show
from sirve.errors import UserError, refusing
from sirve.evaluation.score import Scored
from sirve.io.files import write_text
from sirve.report.load import Run, find_runs


@refusing
def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Compare forecast steps with the simulator.")
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the residuals")
    options = parser.parse_args(arguments)
    found = {str(run.path): _rescored(run) for run in find_runs(options.runs)}
    show(found, dict.fromkeys(found, "steps"))
    if options.json:
        write_text(options.json, as_json(found))


def _rescored(run: Run) -> Scored:
    """Return the residuals of a run, or the reason why it has none."""
    try:
        return Scored(residual(run), {})
    except UserError as error:
        return Scored({}, {"residual": str(error)})


if __name__ == "__main__":
    sys.exit(main())
