"""The solver itself as an opponent: at equal cost, at equal accuracy, and when a model pays.

python scripts/study/solver.py RUN [RUN ...] [--cap 5]

Each RUN is a folder of a finished run of a simulated system, or one above several. From the true
last state of each test context the system is solved again at ever coarser tolerances, steps and
grids, all starts at once, and the model is timed in the same process. What is printed, in Markdown:
every rung, and the solver at equal cost and at equal accuracy, with the number of forecasts that
repay data and fitting (scripts/study/opponent/ladder.py). Set OMP_NUM_THREADS=1 first.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from scripts.study.opponent.ladder import CAP, compare
from scripts.study.opponent.table import markdown
from sirve.errors import refusing
from sirve.report.load import find_runs


@refusing
def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="The solver itself as an opponent.")
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--cap", type=float, default=CAP, help="seconds for each solver's repeats")
    options = parser.parse_args(arguments)
    for run in find_runs(options.runs):
        print(markdown(run, compare(run, options.cap)), flush=True)


if __name__ == "__main__":
    sys.exit(main())
