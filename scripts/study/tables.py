"""Make a table of runs in Markdown: train the missing runs, then score all of them.

python scripts/study/tables.py scripts/study/tables/NAME.yaml [--runs runs/tables]
    [--into docs/PAGE.md] [--only ROW ...] [--seeds 0 1 ...] [--show] [key=value ...]

The file describes the table:

    common: [experiment=gray-scott-images]      # overrides of train.py for every row
    rows: {persistence: [model=persistence], gru: [model=resgru], stacked: [model=stacked]}
    seeds: {gru: [0, 1, 2]}                     # of the rows with more seeds than 0
    score: vrmse                                # one of SCORES
    at: [1, 10, "6:12", 200]                    # steps, or a range of steps whose mean is taken;
                                                # for valid times the thresholds, such as [0.4]
    against: stacked                            # row with which the others are compared, pairwise
    limit: {members: 8, starts: 64}             # add the limit of k states, and effective memories
    published: {"FNO, their page": [0.1, null, null, null]}  # numbers of others, as printed

Finished runs are not repeated; stopped runs resume. Each score is the median over seeds of the
middle over starts (docs/metrics.md), with its 95 % interval in [..] by bootstrap over seeds and
starts. The comparison with another row is the ratio of errors (geometric mean over starts) or the
difference of valid times (mean over starts), at the same starts, with its t-interval over seeds and
starts (metrics.crossed). --show trains nothing; --into writes the table into a page, between the
lines <!-- NAME --> and <!-- end of NAME -->.
"""

import argparse
import hashlib
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from scripts.study.markdown import markdown_table, signed, with_interval, write_into
from scripts.study.runs import TRAIN, finished
from scripts.study.scores import SCORES
from sirve import metrics
from sirve.errors import UserError, refusing
from sirve.io.files import MB, parse_yaml, read_text
from sirve.limit import Limit, effective_memory
from sirve.pipeline.limit import Options, limit_of
from sirve.report.load import MODEL, Run, load_run
from sirve.report.style import digits, units

LIMIT = "limit.h5"


@dataclass(frozen=True)
class Table:
    """The contents of a table's file."""

    rows: Mapping[str, Sequence[str]]
    at: Sequence[float | str]
    score: str = "nrmse"
    common: Sequence[str] = ()
    seeds: Mapping[str, Sequence[int]] = field(default_factory=dict)
    against: str | None = None
    limit: Mapping[str, Any] | None = None
    published: Mapping[str, Sequence[float | str | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.score not in SCORES:
            raise ValueError(f"score={self.score} is unknown: take one of {', '.join(SCORES)}")
        if self.limit is not None and self.score != "nrmse":
            raise ValueError(f"a limit needs score: nrmse, not {self.score}")
        for row, numbers in self.published.items():
            if len(numbers) != len(self.at):
                raise ValueError(f"{row} has {len(numbers)} numbers for {len(self.at)} columns")
        for row in [*self.seeds, *([self.against] if self.against else [])]:
            if row not in self.rows:
                raise ValueError(f"there is no row {row}: take one of {', '.join(self.rows)}")


def run_place(runs: Path, overrides: Sequence[str]) -> Path:
    """Return the folder below ``runs`` that belongs to these overrides alone."""
    return runs / hashlib.sha256("\n".join(overrides).encode()).hexdigest()[:12]


def train(place: Path, overrides: Sequence[str]) -> None:
    print("train.py", *overrides, flush=True)
    command = [sys.executable, str(TRAIN), *overrides, f"runs={place}", "logger=none"]
    if subprocess.run(command, check=False).returncode:
        raise UserError(f"train.py {' '.join(overrides)} failed; the same command resumes it")


def run_scores(run: Run, table: Table) -> np.ndarray:
    """Return the scores of a run, (columns, starts)."""
    score = SCORES[table.score]
    errors = score.errors(run)
    if score.time:
        return np.stack([metrics.valid_steps(errors, float(t)) for t in table.at]) * run.step
    windows = ([int(step) for step in str(at).split(":")] for at in table.at)
    return np.stack([errors[:, steps[0] - 1 : steps[-1]].mean(1) for steps in windows])


def compare(found: np.ndarray, other: np.ndarray, time: bool) -> str:
    """Compare two rows, (seeds, starts) each."""
    if time:
        return signed(metrics.crossed(found, other))
    return "{:.2f} [{:.2f}, {:.2f}]".format(*metrics.crossed(found, other, ratio=True))


def markdown(table: Table, runs: Mapping[str, Sequence[Run]]) -> str:
    """Return the table of the given runs, by row."""
    score, limited = SCORES[table.score], table.limit is not None
    scores = {row: np.stack([run_scores(run, table) for run in some]) for row, some in runs.items()}
    unit = f", {units(next(iter(runs.values()))[0].metrics.get('time_unit'))}" if score.time else ""
    head = ["", "seeds", *(score.title.format(at) + unit for at in table.at), "diverged"]
    head += ["parameters", "CPU s", *(f"memory @{at}" for at in table.at if limited)]
    against = table.against if table.against in runs else None
    head += [f"@{at} against {against}" for at in table.at] if against else []
    lines = []
    for row, some in runs.items():
        cells = [row, str(len(some))]
        for k in range(len(table.at)):
            found = metrics.bootstrap(scores[row][:, k], lambda x: np.median(score.middle(x), -1))
            cells.append(with_interval(found))
        diverged = np.mean([run.score(MODEL, "diverged") for run in some])
        cells += [f"{diverged:.0%}", str(some[0].metrics["parameters"])]
        cells.append(digits(np.median([run.metrics["fit"].get("seconds", 0.0) for run in some])))
        if limited:
            memories = np.median([memory(run, table.at) for run in some], 0)
            cells += map(digits, memories)
        if against:
            for k in range(len(table.at)):
                pair = (scores[row][:, k], scores[against][:, k])
                cells.append(compare(*pair, score.time) if row != against else "")
        lines.append(cells)
    if limited:
        first = next(iter(runs.values()))[0]
        limit = Limit.read(first.path / LIMIT)
        for k, errors in zip(limit.frames, limit.nrmse, strict=True):
            cells = [f"limit of {k} states", "", *(digits(errors[int(at) - 1]) for at in table.at)]
            lines.append([*cells, *[""] * (len(head) - len(cells))])
    for row, numbers in table.published.items():
        printed = ["" if number is None else str(number) for number in numbers]
        lines.append([row, "published", *printed, *[""] * (len(head) - 2 - len(printed))])
    return markdown_table(head, lines)


def memory(run: Run, at: Sequence[float | str]) -> list[float]:
    """Return the effective memory of a run, in states, at each step."""
    limit = Limit.read(run.path / LIMIT)
    error = metrics.nrmse(run.errors[MODEL][: limit.error.shape[1]])
    steps = [int(step) - 1 for step in at]
    return [effective_memory(limit.frames, limit.nrmse[:, k], error[k]) for k in steps]


def collect(table: Table, options: argparse.Namespace, more: Sequence[str]) -> dict[str, list[Run]]:
    """Return the finished runs of each row; train the missing ones unless --show is given."""
    runs: dict[str, list[Run]] = {}
    for row, overrides in table.rows.items():
        if options.only and row not in options.only:
            continue
        for seed in options.seeds or table.seeds.get(row, [0]):
            whole = [*table.common, *overrides, *more, f"seed={seed}"]
            place = run_place(options.runs, whole)
            if finished(place) is None and not options.show:
                train(place, whole)
            if (run := finished(place)) is not None:
                if table.limit is not None and not (run / LIMIT).is_file():
                    limit_of(run, Options(**table.limit))
                runs.setdefault(row, []).append(load_run(run))
    return runs


@refusing
def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Make a table of runs.")
    parser.add_argument("table", type=Path)
    parser.add_argument("--runs", type=Path, default=Path("runs/tables"))
    parser.add_argument("--into", type=Path, help="page to write the table into")
    parser.add_argument("--only", nargs="+", metavar="ROW", help="rows to show instead of all")
    parser.add_argument("--seeds", nargs="+", type=int, help="seeds of every row")
    parser.add_argument("--show", action="store_true", help="train nothing")
    options, more = parser.parse_known_args(arguments)
    try:
        table = Table(**parse_yaml(read_text(options.table, MB), str(options.table)))
        runs = collect(table, options, more)
        if not runs:
            raise UserError(f"{options.runs} has no run of {options.table}; leave out --show")
        text = markdown(table, runs)
        if options.into:
            write_into(options.into, options.table.stem, text)
    except FileNotFoundError as error:
        why = f"{error.filename} does not exist; give the path of an existing file"
        raise UserError(why) from error
    except (OSError, TypeError, ValueError) as error:
        raise UserError(str(error)) from error
    print(text, end="")


if __name__ == "__main__":
    sys.exit(main())
