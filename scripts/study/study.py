"""Does a recurrent network serve for physical simulation? Runs the study, and writes its answer.

python scripts/study.py [budget=quick|full] [study=study] [workers=2] [launcher=slurm] [--show]

The budget is declared in scripts/study/plans/<budget>.yaml: cases (a system, and what of it is seen) x
models x seeds; quick is for two cores, full for a cluster, to which launcher=slurm sends each run
(workers is then how many are under way at once). A finished run is not run again, one that was
stopped goes on, one that failed gives its reason and is tried again by the same command. --show
runs nothing. Into the folder ``study`` go every run with its rollouts (runs/), one flat table with
a row a run and score (scores.csv), ANSWER.md, its figure answer.png, and answer.html, the runs side
by side. Settings are chosen by forecasts of the validation sets; the test sets are touched once.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from scripts.study.answer import plan, runs, write
from sirve.errors import UserError, nearest, refusing

PLANS = Path(__file__).resolve().parent / "plans"
DEFAULTS = {"budget": "quick", "study": "study", "workers": "2", "launcher": "local"}


def options(arguments: Sequence[str]) -> tuple[dict[str, str], bool]:
    """The options as given, and whether to run nothing; raises UserError for others."""
    found = dict(DEFAULTS)
    given = [a for a in arguments if a != "--show"]
    for argument in given:
        key, equals, value = argument.partition("=")
        if key not in DEFAULTS or not equals or not value:
            raise UserError(f"{argument} is no option; {nearest(key, DEFAULTS)}")
        found[key] = value
    budgets = sorted(path.stem for path in PLANS.glob("*.yaml"))
    if found["budget"] not in budgets:
        raise UserError(f"budget={found['budget']} is unknown; {nearest(found['budget'], budgets)}")
    if not found["workers"].isdigit() or int(found["workers"]) < 1:
        raise UserError(f"workers={found['workers']} is no number of runs; give 1 or more")
    return found, len(given) < len(arguments)


@refusing
def main(arguments: Sequence[str] | None = None) -> None:
    arguments = sys.argv[1:] if arguments is None else arguments
    if {"-h", "--help"} & set(arguments):
        print(__doc__)
        return
    found, show = options(arguments)
    planned, root = plan.load(PLANS / f"{found['budget']}.yaml"), Path(found["study"])
    if not show:
        # One value swept, so that the launcher of sweeps takes it.
        more = ["-m", f"launcher={found['launcher']}"] if found["launcher"] != "local" else []
        runs.run_all(planned, root / "runs", int(found["workers"]), more)
    print(write.answer(planned, root))


if __name__ == "__main__":
    sys.exit(main())
