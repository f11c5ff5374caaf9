"""Make a table of runs: train what is missing, then score all of them side by side, in Markdown.

python scripts/tables.py scripts/tables/NAME.yaml [--runs runs/tables] [--into docs/PAGE.md]
                         [--only ROW ...] [--seeds 0 1 ...] [--show] [key=value ...]

The file declares the table:

    common: [experiment=gray-scott-images]      # overrides of train.py, for every row
    rows: {persistence: [model=persistence], gru: [model=resgru], stacked: [model=stacked]}
    seeds: {gru: [0, 1, 2]}                     # of those with more than seed 0
    score: vrmse                                # or nrmse, at the steps in ``at``; or valid_time
    at: [1, 10, 50, 200]                        # ... for valid_time thresholds, such as [0.4]
    against: stacked                            # row that the others are compared with, pairwise

A run that is finished is not run again; one that was stopped goes on. Each score is the median
over seeds of what metrics.json says (mean VRMSE, nRMSE, median valid time), in [..] its 95 %
interval by bootstrap over seeds and starts. Against the chosen row: the ratio of errors (geometric
mean over starts), or the difference of valid times (mean), at the same starts, with its interval.
--show only shows what is there; --into writes the table into a page, between the two lines
<!-- NAME --> and <!-- end of NAME -->.
"""

import argparse
import hashlib
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sirve import metrics, run_folder
from sirve.errors import UserError
from sirve.files import MB, parse_yaml, read_text, write_text
from sirve.report.load import MODEL, Run, load_run
from sirve.report.style import digits, units

TRAIN = Path(__file__).resolve().parents[1] / "train.py"
MIDDLE: dict[str, Callable[[np.ndarray], Any]] = {  # over starts, the last axis
    "vrmse": lambda e: e.mean(-1),
    "nrmse": lambda e: np.sqrt((e**2).mean(-1)),
    "valid_time": lambda t: np.median(t, -1),
}


@dataclass(frozen=True)
class Table:
    """What a file declares."""

    rows: Mapping[str, Sequence[str]]
    at: Sequence[float]
    score: str = "nrmse"
    common: Sequence[str] = ()
    seeds: Mapping[str, Sequence[int]] = field(default_factory=dict)
    against: str | None = None

    def __post_init__(self) -> None:
        if self.score not in MIDDLE:
            raise ValueError(f"score={self.score} is unknown: take one of {', '.join(MIDDLE)}")
        for row in [*self.seeds, *([self.against] if self.against else [])]:
            if row not in self.rows:
                raise ValueError(f"there is no row {row}: take one of {', '.join(self.rows)}")


def folder(runs: Path, overrides: Sequence[str]) -> Path:
    """Where the run of these overrides, and no other, lies."""
    return runs / hashlib.sha256("\n".join(overrides).encode()).hexdigest()[:12]


def finished(place: Path) -> Path | None:
    """The finished run in ``place``, if there is one."""
    found = [path.parent for path in place.glob("*/*/metrics.json")]
    return next((run for run in found if run_folder.finished(run)), None)


def train(place: Path, overrides: Sequence[str]) -> None:
    print("train.py", *overrides, flush=True)
    command = [sys.executable, str(TRAIN), *overrides, f"runs={place}", "logger=none"]
    if subprocess.run(command, check=False).returncode:
        raise UserError(f"train.py {' '.join(overrides)} failed; the same command goes on")


def values(run: Run, table: Table) -> np.ndarray:
    """Scores (columns, starts)."""
    if table.score == "valid_time":
        steps = [metrics.valid_steps(run.errors[MODEL], level) for level in table.at]
        return np.stack(steps) * run.step
    at = np.array(table.at, int) - 1
    if table.score == "nrmse":
        return run.errors[MODEL][:, at].T
    pairs = (run.states(i, at) for i in range(run.n))
    return np.concatenate([metrics.vrmse(x[None], y[None]) for x, y in pairs]).T


def compared(found: np.ndarray, other: np.ndarray, score: str) -> str:
    """Row against row, (seeds, starts) each, start by start: each its own median over seeds."""
    pair = np.median(found, 0)[None], np.median(other, 0)[None]
    if score == "valid_time":
        return "{:+.2f} [{:+.2f}, {:+.2f}]".format(*metrics.paired(*pair))
    return "{:.2f} [{:.2f}, {:.2f}]".format(*metrics.paired(*pair, ratio=True))


def markdown(table: Table, runs: Mapping[str, Sequence[Run]]) -> str:
    scores = {row: np.stack([values(run, table) for run in some]) for row, some in runs.items()}
    unit = units(next(iter(runs.values()))[0].metrics.get("time_unit"))
    sign = {"vrmse": "VRMSE @{}", "nrmse": "nRMSE @{}", "valid_time": f"valid time at {{}}, {unit}"}
    head = ["", "seeds", *(sign[table.score].format(at) for at in table.at), "diverged"]
    head += ["parameters", "training s"]
    against = table.against if table.against in runs else None
    head += [f"@{at} against {against}" for at in table.at] if against else []
    lines = [head, ["---", *["--:"] * (len(head) - 1)]]
    for row, some in runs.items():
        cells = [row, str(len(some))]
        for k in range(len(table.at)):
            middle, low, high = metrics.bootstrap(scores[row][:, k], _of_seeds(MIDDLE[table.score]))
            cells.append(f"{digits(middle)} [{digits(low)}, {digits(high)}]")
        diverged = np.mean([run.score(MODEL, "diverged") for run in some])
        cells += [f"{diverged:.0%}", str(some[0].metrics["parameters"])]
        cells.append(digits(np.median([run.metrics["seconds"]["train"] for run in some])))
        if against:
            for k in range(len(table.at)):
                pair = (scores[row][:, k], scores[against][:, k])
                cells.append(compared(*pair, table.score) if row != against else "")
        lines.append(cells)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _of_seeds(middle: Callable[[np.ndarray], Any]) -> Callable[[np.ndarray], Any]:
    return lambda values: np.median(middle(values))


def write_into(page: Path, name: str, text: str) -> None:
    """Replace what stands in ``page`` between the two lines that name the table."""
    between = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
    content, count = between.subn(rf"\g<1>\n{text}\n\g<2>", page.read_text())
    if count != 1:
        raise UserError(f"{page} needs the lines <!-- {name} --> and <!-- end of {name} -->, once")
    write_text(page, content)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Make a table of runs.")
    parser.add_argument("table", type=Path)
    parser.add_argument("--runs", type=Path, default=Path("runs/tables"))
    parser.add_argument("--into", type=Path, help="page to write the table into")
    parser.add_argument("--only", nargs="+", metavar="ROW", help="of all rows")
    parser.add_argument("--seeds", nargs="+", type=int, help="of every row, in place of the file's")
    parser.add_argument("--show", action="store_true", help="train nothing")
    options, more = parser.parse_known_args(arguments)
    try:
        table = Table(**parse_yaml(read_text(options.table, MB), str(options.table)))
        runs: dict[str, list[Run]] = {}
        for row, overrides in table.rows.items():
            if options.only and row not in options.only:
                continue
            for seed in options.seeds or table.seeds.get(row, [0]):
                asked = [*table.common, *overrides, *more, f"seed={seed}"]
                place = folder(options.runs, asked)
                if finished(place) is None and not options.show:
                    train(place, asked)
                if (run := finished(place)) is not None:
                    runs.setdefault(row, []).append(load_run(run))
        if not runs:
            raise UserError(f"{options.runs} has no run of {options.table}; leave out --show")
        text = markdown(table, runs)
        if options.into:
            write_into(options.into, options.table.stem, text)
    except (UserError, OSError, TypeError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
