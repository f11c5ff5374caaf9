"""What a study runs: cases, each a system seen in one way, and the models that forecast it."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sirve.errors import UserError, nearest
from sirve.io.files import MB, parse_yaml, read_text

ROLES = {  # what a model is to the question
    "random": "recurrent, random weights",
    "trained": "recurrent, trained weights",
    "memoryless": "memoryless twin",
    "stacked": "stacked twin",
    "rival": "other",
    "baseline": "baseline",
}
RECURRENT = ("random", "trained")
ABSENT = "not in this plan"
SCORES = ("valid_time", "nrmse")


@dataclass(frozen=True)
class Row:
    """A model of a case: ``overrides`` of train.py, for each of ``seeds``."""

    name: str
    role: str
    overrides: tuple[str, ...]
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Case:
    """A system, and what of it is seen.

    Its rows are compared by ``score``: valid_time at the threshold ``at``, or nrmse at the step
    ``at``. ``memory`` says whether one state leaves open what comes next. A case that repeats
    another with fewer training trajectories names that by ``curve``.
    """

    name: str
    title: str
    memory: bool
    score: str
    at: float
    rows: tuple[Row, ...]
    curve: str | None = None


@dataclass(frozen=True)
class Cell:
    """One run: its folder, below that of the study, is of these overrides and no others."""

    case: Case
    row: Row
    seed: int

    @property
    def overrides(self) -> list[str]:
        return [*self.row.overrides, f"seed={self.seed}"]

    @property
    def name(self) -> str:
        told = hashlib.sha256("\n".join(self.overrides).encode()).hexdigest()[:8]
        return f"{self.case.name}/{self.row.name.replace(' ', '-')}/seed{self.seed}-{told}"


@dataclass(frozen=True)
class Plan:
    """A declared budget."""

    budget: str
    cases: tuple[Case, ...]

    def cells(self) -> Iterator[Cell]:
        """In rounds of seeds, so that a study that is stopped has something of everything."""
        for seed in sorted({s for case in self.cases for row in case.rows for s in row.seeds}):
            for case in self.cases:
                yield from (Cell(case, row, seed) for row in case.rows if seed in row.seeds)


def load(path: Path) -> Plan:
    """Read a plan; raises UserError for what is misspelt or does not fit together."""
    content = parse_yaml(read_text(path, MB), str(path))
    try:
        models, common = content["models"], content["common"]
        cases = tuple(
            _case(name, entry, models, common) for name, entry in content["cases"].items()
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path} is no plan of a study: {error}; see scripts/study/plans"
        ) from error
    names = [case.name for case in cases]
    for case in cases:
        if case.curve not in (None, *names):
            raise UserError(f"{path}: {case.name} follows {case.curve}, which is not there")
    return Plan(path.stem, cases)


def _case(
    name: str, entry: Mapping[str, Any], models: Mapping[str, Any], common: Sequence[str]
) -> Case:
    if entry["score"] not in SCORES:
        raise UserError(f"case {name}: score={entry['score']}; take one of {', '.join(SCORES)}")
    rows = []
    for row, more in entry["rows"].items():
        if row not in models:
            raise UserError(f"case {name}: no model {row}; {nearest(row, models)}")
        model = models[row]
        if model["role"] not in ROLES:
            raise UserError(f"model {row}: role={model['role']}; take one of {', '.join(ROLES)}")
        overrides = (*common, *entry["common"], *model["is"], *(more or ()))
        seeds = range(min(model.get("seeds", 1), entry.get("seeds", 3)))
        rows.append(Row(row, model["role"], overrides, tuple(seeds)))
    return Case(
        name,
        entry["title"],
        bool(entry["memory"]),
        entry["score"],
        float(entry["at"]),
        tuple(rows),
        entry.get("curve"),
    )
