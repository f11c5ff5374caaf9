"""What the runs of a study say: scores of each model of each case, and the paired comparisons."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from scripts.study.opponent.equations import of_equations
from scripts.study.tables import finished
from sirve import metrics
from sirve.errors import UserError
from sirve.metrics import Interval
from sirve.report.load import MODEL, Run, load_run, number

from .plan import RECURRENT, Case, Cell, Plan, Row
from .runs import reason


@dataclass(frozen=True)
class Outcome:
    """A model of a case: its runs, a seed each, and the case's score of each start."""

    name: str
    role: str
    runs: tuple[Run, ...]
    scores: np.ndarray  # (seeds, n)

    @cached_property
    def middle(self) -> Interval:
        """Median over seeds and starts, and its interval."""
        return metrics.bootstrap(self.scores, np.median)

    @property
    def validation(self) -> float:
        """Median over seeds of log_error of the validation's rollouts; infinite if unknown."""
        found = [number(of_fit(run).get("valid_log_error")) for run in self.runs]
        numbers = [x for x in found if x is not None]
        return float(np.median(numbers)) if numbers else np.inf

    @property
    def seconds(self) -> float | None:
        """Median over seeds of the seconds of fitting: of the processor where they are known."""
        found = [of_fit(r).get("seconds", r.metrics["seconds"]["train"]) for r in self.runs]
        return float(np.median(found)) if found else None


def without_place(error: UserError, run: Run) -> str:
    """What went wrong, without the folder of the run."""
    return str(error).removeprefix(f"{run.path}").lstrip(": ")


def of_fit(run: Run) -> dict[str, Any]:
    how = run.metrics.get("fit")
    return how if isinstance(how, dict) else {}


@dataclass(frozen=True)
class Result:
    """A case with what became of it; ``failed`` names runs and their reasons."""

    case: Case
    outcomes: tuple[Outcome, ...]
    equations: dict[str, Outcome | str]  # the true equations, or why they cannot stand here
    failed: dict[str, str]

    @property
    def first(self) -> Run:
        return self.outcomes[0].runs[0]

    def pick(self, *roles: str) -> Outcome | None:
        """Of those of these roles the one with the best forecasts of the validation set.

        Among baselines, which nothing chooses, the best in the test.
        """
        sign = -1 if self.case.score == "valid_time" else 1
        found = [o for o in self.outcomes if o.role in roles]
        return min(
            found, key=lambda o: (o.validation, sign * float(np.median(o.scores))), default=None
        )

    @property
    def baselines(self) -> list[Outcome]:
        """What nobody had to choose or tune."""
        return [o for o in self.outcomes if o.role == "baseline"]

    def against(self, one: Outcome, other: Outcome) -> Interval:
        """Valid time: mean difference, more is better. Error: its ratio, less is better."""
        return metrics.paired(one.scores, other.scores, ratio=self.case.score == "nrmse")

    def ahead(self, found: Interval) -> int:
        """1: ahead, -1: behind, 0: the interval holds both (or nothing is known)."""
        even, sign = (1.0, -1) if self.case.score == "nrmse" else (0.0, 1)
        if found.low > even:
            return sign
        return -sign if found.high < even else 0


def gather(plan: Plan, root: Path) -> list[Result]:
    """The results of all cases of which anything has been run, in the plan's order."""
    found = []
    for case in plan.cases:
        outcomes, failed = [], {}
        for row in case.rows:
            runs = []
            for cell in (Cell(case, row, seed) for seed in row.seeds):
                path = finished(root / "runs" / cell.name)
                if path is None:
                    failed[f"{row.name}, seed {cell.seed}"] = (
                        reason(root / "runs" / cell.name) or "not run"
                    )
                else:
                    runs.append(load_run(path))
            if runs:
                outcomes.append(_outcome(case, row, runs))
        if outcomes:
            outcomes += _baselines(case, outcomes)
            found.append(Result(case, tuple(outcomes), _equations(case, outcomes), failed))
    return found


def _outcome(case: Case, row: Row, runs: Iterable[Run]) -> Outcome:
    runs = tuple(runs)
    scores = np.stack([_scores(case, run.errors[MODEL], run.step) for run in runs])
    return Outcome(row.name, row.role, runs, scores)


def _scores(case: Case, errors: np.ndarray, step: float) -> np.ndarray:
    if case.score == "valid_time":
        return metrics.valid_steps(errors, case.at) * step
    return errors[:, int(case.at) - 1]


def _baselines(case: Case, outcomes: list[Outcome]) -> Iterator[Outcome]:
    """Those that every run stands beside; they are not chosen, and have no validation."""
    run = outcomes[0].runs[0]
    for name in run.baselines:
        scores = _scores(case, run.errors[name], run.step)[None]
        yield Outcome(name, "baseline", (), scores)


def _equations(case: Case, outcomes: list[Outcome]) -> dict[str, Outcome | str]:
    run = next((r for o in outcomes if o.role in RECURRENT for r in o.runs), outcomes[0].runs[0])
    found: dict[str, Outcome | str] = {}
    for states, name in ((1, "from the last state"), (2, "from the last two")):
        try:
            scores = _scores(case, of_equations(run, states), run.step)[None]
            found[name] = Outcome(f"true equations {name}", "equations", (run,), scores)
        except UserError as error:
            found[name] = without_place(error, run)
    return found
