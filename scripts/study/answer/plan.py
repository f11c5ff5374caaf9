"""The plan of a study: cases, each an observed system, and the models that forecast it."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sirve.errors import UserError, nearest
from sirve.io.files import MB, parse_yaml, read_text

ROLES = {  # the part that a model plays in the comparison
    "random": "recurrent, random weights",
    "trained": "recurrent, trained weights",
    "memoryless": "memoryless ablation",
    "stacked": "stacked ablation",
    "rival": "other",
    "baseline": "baseline",
}
RECURRENT = ("random", "trained")
SCORES = ("valid_time", "nrmse")


@dataclass(frozen=True)
class Row:
    """A model of a case: ``overrides`` of train.py, run once for each of ``seeds``."""

    name: str
    role: str
    overrides: tuple[str, ...]
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Case:
    """A system, and the part of it that the models observe.

    Models are compared by ``score``: valid_time at the threshold ``at``, or nrmse at the step
    ``at``. ``memory`` is True where one observed state does not determine the next one. A case
    that repeats another with fewer training trajectories names that case in ``curve``.
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
    """One run. Its folder below the study's runs depends on its overrides alone."""

    case: Case
    row: Row
    seed: int

    @property
    def overrides(self) -> list[str]:
        return [*self.row.overrides, f"seed={self.seed}"]

    @property
    def name(self) -> str:
        digest = hashlib.sha256("\n".join(self.overrides).encode()).hexdigest()[:8]
        return f"{self.case.name}/{self.row.name.replace(' ', '-')}/seed{self.seed}-{digest}"


@dataclass(frozen=True)
class Plan:
    """The cases of one budget."""

    budget: str
    cases: tuple[Case, ...]

    def cells(self) -> Iterator[Cell]:
        """Yield all runs, seed by seed: a study that is stopped has some runs of every case."""
        for seed in sorted({s for case in self.cases for row in case.rows for s in row.seeds}):
            for case in self.cases:
                yield from (Cell(case, row, seed) for row in case.rows if seed in row.seeds)


def load(path: Path) -> Plan:
    """Read a plan. Raises UserError for a misspelt or inconsistent one."""
    content = parse_yaml(read_text(path, MB), str(path))
    try:
        models, common = content["models"], content["common"]
        cases = tuple(_case(name, case, models, common) for name, case in content["cases"].items())
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is not a plan: {error}; see scripts/study/plans") from error
    names = [case.name for case in cases]
    for case in cases:
        if case.curve not in (None, *names):
            raise UserError(f"{path}: {case.name} has curve={case.curve}; take one of {names}")
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
