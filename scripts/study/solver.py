"""Compare a model with the solver at equal cost and at equal accuracy.

python scripts/study/solver.py RUN [RUN ...] [--cap 5]

RUN is the folder of a finished run of a simulated system, or a folder above several. From the true
last state of each test context the system is solved again with coarser tolerances, steps and
grids, all starts at once, and the model is timed in the same process. The output, in Markdown: all
solvers, the solver at equal cost and at equal accuracy, and the number of forecasts that repay data
and fitting (scripts/study/solver_comparison/compare.py). Set OMP_NUM_THREADS=1 first.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from scripts.study.solver_comparison.compare import CAP, compare
from scripts.study.solver_comparison.markdown import markdown
from sirve.errors import refusing
from sirve.report.load import find_runs


@refusing
def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Compare a model with the solver.")
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    parser.add_argument("--cap", type=float, default=CAP, help="seconds for each solver's repeats")
    options = parser.parse_args(arguments)
    for run in find_runs(options.runs):
        print(markdown(run, compare(run, options.cap)), flush=True)


if __name__ == "__main__":
    sys.exit(main())
