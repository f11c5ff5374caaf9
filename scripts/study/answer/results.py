"""Results of a study: the scores of every model of every case."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from scripts.study.runs import finished, reason
from scripts.study.solver_comparison.equation_forecast import equation_errors
from sirve import metrics
from sirve.errors import UserError
from sirve.metrics import Interval
from sirve.report.load import MODEL, Run, load_run, number

from .plan import RECURRENT, Case, Cell, Plan, Row


@dataclass(frozen=True)
class Outcome:
    """A model of a case: its runs, one for each seed, and its score at each start."""

    name: str
    role: str
    runs: tuple[Run, ...]
    scores: np.ndarray  # (seeds, n)

    @cached_property
    def middle(self) -> Interval:
        """Median over seeds and starts, with its interval."""
        return metrics.bootstrap(self.scores, metrics.median)

    @property
    def validation(self) -> float:
        """Median over seeds of log_error of the validation rollouts; infinite if unknown."""
        found = [number(fit_details(run).get("valid_log_error")) for run in self.runs]
        numbers = [x for x in found if x is not None]
        return float(np.median(numbers)) if numbers else np.inf

    @property
    def seconds(self) -> float | None:
        """Median over seeds of the seconds of fitting, CPU seconds where the run has them."""
        found = [fit_details(r).get("seconds", r.metrics["seconds"]["train"]) for r in self.runs]
        return float(np.median(found)) if found else None


def fit_details(run: Run) -> dict[str, Any]:
    """Return the entry ``fit`` of a run's metrics, empty if there is none."""
    fit = run.metrics.get("fit")
    return fit if isinstance(fit, dict) else {}


def without_path(error: UserError, run: Run) -> str:
    """Return the message of an error without the folder of the run."""
    return str(error).removeprefix(f"{run.path}").lstrip(": ")


@dataclass(frozen=True)
class Result:
    """The outcomes of a case. ``failed`` maps each run that did not finish to the reason."""

    case: Case
    outcomes: tuple[Outcome, ...]
    equations: dict[str, Outcome | str]  # forecasts by the true equations, or why there are none
    failed: dict[str, str]

    @property
    def first(self) -> Run:
        return self.outcomes[0].runs[0]

    def pick(self, *roles: str) -> Outcome | None:
        """Return the model of these roles that forecasts the validation set best.

        Baselines have no validation score; among them the best in the test is taken.
        """
        sign = -1 if self.case.score == "valid_time" else 1
        found = [o for o in self.outcomes if o.role in roles]
        return min(
            found, key=lambda o: (o.validation, sign * float(np.median(o.scores))), default=None
        )

    def compare(self, one: Outcome, other: Outcome) -> Interval:
        """Compare two models at the same starts.

        Valid times give the mean difference, where more is better; errors give the geometric mean
        of the ratio, where less is better.
        """
        return metrics.paired(one.scores, other.scores, ratio=self.case.score == "nrmse")


def gather(plan: Plan, root: Path) -> list[Result]:
    """Return the results of all cases that have a finished run, in the order of the plan."""
    found = []
    for case in plan.cases:
        outcomes, failed = [], {}
        for row in case.rows:
            runs = []
            for cell in (Cell(case, row, seed) for seed in row.seeds):
                folder = root / "runs" / cell.name
                path = finished(folder)
                if path is None:
                    failed[f"{row.name}, seed {cell.seed}"] = reason(folder) or "not run"
                else:
                    runs.append(load_run(path))
            if runs:
                outcomes.append(_outcome(case, row, runs))
        if outcomes:
            outcomes += _baselines(case, outcomes)
            found.append(Result(case, tuple(outcomes), _equations(case, outcomes), failed))
    return found


def _outcome(case: Case, row: Row, runs: Sequence[Run]) -> Outcome:
    scores = np.stack([_scores(case, run.errors[MODEL], run.step) for run in runs])
    return Outcome(row.name, row.role, tuple(runs), scores)


def _scores(case: Case, errors: np.ndarray, step: float) -> np.ndarray:
    if case.score == "valid_time":
        return metrics.valid_steps(errors, case.at) * step
    return errors[:, int(case.at) - 1]


def _baselines(case: Case, outcomes: list[Outcome]) -> Iterator[Outcome]:
    """Yield the baselines that every run scores."""
    run = outcomes[0].runs[0]
    for name in run.baselines:
        scores = _scores(case, run.errors[name], run.step)[None]
        yield Outcome(name, "baseline", (), scores)


def _equations(case: Case, outcomes: list[Outcome]) -> dict[str, Outcome | str]:
    run = next((r for o in outcomes if o.role in RECURRENT for r in o.runs), outcomes[0].runs[0])
    found: dict[str, Outcome | str] = {}
    for states, name in ((1, "from the last state"), (2, "from the last two")):
        try:
            scores = _scores(case, equation_errors(run, states), run.step)[None]
            found[name] = Outcome(f"true equations {name}", "equations", (run,), scores)
        except UserError as error:
            found[name] = without_path(error, run)
    return found
