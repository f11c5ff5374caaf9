"""Run the study: are recurrent networks useful for physical simulation?

python scripts/study.py [budget=quick|full] [study=study] [workers=2] [launcher=slurm] [--show]

scripts/study/plans/<budget>.yaml lists the cases (a system and the part of it that is observed),
models and seeds. The budget quick is for two cores; full is for a cluster, where launcher=slurm
submits each run and ``workers`` runs are under way at once. Finished runs are not repeated, stopped
runs resume, failed runs give their reason and are tried again by the same command. --show runs
nothing. The folder ``study`` receives all runs with their rollouts (runs/), one flat table with a
row for each run and score (scores.csv), ANSWER.md, its figure answer.png, and answer.html, which
compares the runs. Settings are chosen by forecasts of the validation sets; the test sets are used
once.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.study.answer import page, plan
from scripts.study.runs import run_all
from sirve.errors import UserError, nearest, refusing

PLANS = Path(__file__).resolve().parent / "plans"
DEFAULTS = {"budget": "quick", "study": "study", "workers": "2", "launcher": "local"}


def parse(arguments: Sequence[str]) -> tuple[dict[str, str], bool]:
    """Return the options, and True for --show. Raises UserError for a wrong option."""
    options = dict(DEFAULTS)
    given = [a for a in arguments if a != "--show"]
    for argument in given:
        key, equals, value = argument.partition("=")
        if key not in DEFAULTS or not equals or not value:
            raise UserError(f"{argument} is not an option; {nearest(key, DEFAULTS)}")
        options[key] = value
    budgets = sorted(path.stem for path in PLANS.glob("*.yaml"))
    budget, workers = options["budget"], options["workers"]
    if budget not in budgets:
        raise UserError(f"budget={budget} is unknown; {nearest(budget, budgets)}")
    if not workers.isdigit() or int(workers) < 1:
        raise UserError(f"workers={workers} is not a number of runs; give 1 or more")
    return options, len(given) < len(arguments)


@refusing
def main(arguments: Sequence[str] | None = None) -> None:
    arguments = sys.argv[1:] if arguments is None else arguments
    if {"-h", "--help"} & set(arguments):
        print(__doc__)
        return
    options, show = parse(arguments)
    planned, root = plan.load(PLANS / f"{options['budget']}.yaml"), Path(options["study"])
    if not show:
        # -m makes Hydra use the launcher, even for a single run.
        launcher = options["launcher"]
        more = ["-m", f"launcher={launcher}"] if launcher != "local" else []
        cells = {cell.name: [*more, *cell.overrides] for cell in planned.cells()}
        run_all(cells, root / "runs", int(options["workers"]))
    print(page.write_answer(planned, root))
