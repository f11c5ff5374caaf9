"""Score stored rollouts again: those of runs, and any others, of which two arrays are enough.

sirve evaluate FILE [FILE ...] [--json scores.json] [--csv scores.csv]
sirve evaluate mine.h5 --prediction forecast --dt 0.02 --lyapunov 0.906 --std 8,9,8.6

FILE is a rollouts.h5, the folder of a run or one above several, or any HDF5 file with truth and
forecast as (rollouts, steps, channels) and the axes of space after them. What a file does not say
is said by options, which go before what it says. Without --std, errors in standard deviations are
left out; --std truth takes the truth's own. What the names mean: docs/metrics.md.
"""

import argparse
import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sirve.errors import UserError, refusing
from sirve.evaluation.rescore import Rescored, rescore
from sirve.evaluation.rollout_files import Said, read
from sirve.io.files import write_text
from sirve.report.style import digits, units

NO_NUMBER = "not finite"


@refusing
def main(arguments: Sequence[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    try:
        said = _said(options)
        found, times = {}, {}
        for path in _files(options.files):
            rollouts = read(path, said)
            found[str(path)] = rescore(rollouts)
            times[str(path)] = units(rollouts.time_unit)
        show(found, times)
        if options.json:
            write_text(options.json, as_json(found))
        if options.csv:
            write_text(options.csv, as_csv(found))
    except OSError as error:
        raise UserError(f"{error.filename} cannot be written ({error.strerror})") from error


def _files(paths: Sequence[Path]) -> list[Path]:
    """Folders of runs for those above them; whatever else is given, as it is."""
    found: dict[Path, None] = {}
    for path in paths:
        above = path.is_dir() and not (path / "rollouts.h5").is_file()
        below = sorted(file.parent for file in path.rglob("rollouts.h5")) if above else [path]
        if not below:
            raise UserError(f"{path} holds no rollouts.h5; give a file, or the folder of a run")
        found |= dict.fromkeys(below)
    return list(found)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sirve evaluate", description="Score stored rollouts again."
    )
    add = parser.add_argument
    add("files", type=Path, nargs="+", metavar="FILE", help="a rollouts.h5, or folders of runs")
    add("--json", type=Path, metavar="OUT", help="write scores and what was left out")
    add("--csv", type=Path, metavar="OUT", help="write a line for each score of each file")
    for name in ("truth", "prediction", "context", "ensemble"):
        usual = getattr(Said, name)
        add(f"--{name}", default=usual, metavar="NAME", help=f"array in the file ({usual})")
    add("--dt", type=float, help="time of a step")
    add("--unit", type=float, help="time in which times are given, in that of dt")
    add("--lyapunov", type=float, help="largest exponent; times are then in Lyapunov times")
    add("--std", help="of each channel in training, as 1,2.5,3; or 'truth'")
    add("--diffuses", action="store_true", default=None, help="no extreme may exceed the first")
    add("--wall", type=float, help="the value that walls are held at, for --diffuses")
    return parser


def _said(options: argparse.Namespace) -> Said:
    for name in ("dt", "unit", "lyapunov"):
        value = getattr(options, name)
        if value is not None and not 0 < value < np.inf:
            raise UserError(f"--{name} {value:g} must be a positive number")
    if options.unit is not None and options.lyapunov is not None:
        raise UserError("--unit and --lyapunov both say the unit of times; give one")
    if options.wall is not None and not np.isfinite(options.wall):
        raise UserError(f"--wall {options.wall} must be a number")
    std = options.std
    if std not in (None, "truth"):
        try:
            std = tuple(float(word) for word in std.split(","))
        except ValueError:
            raise UserError(f"--std {std} must be numbers, as 1,2.5,3, or 'truth'") from None
    return Said(
        truth=options.truth,
        prediction=options.prediction,
        context=options.context,
        ensemble=options.ensemble,
        dt=options.dt,
        unit=1 / options.lyapunov if options.lyapunov else options.unit,
        time_unit="lyapunov time" if options.lyapunov else "",
        std=std,
        diffuses=options.diffuses,
        wall=options.wall,
    )


def show(found: Mapping[str, Rescored], times: Mapping[str, str]) -> None:
    """A table, a row a score and a column a file, and why what is not there was left out."""
    table = Table()
    table.add_column("score", no_wrap=True)
    for name in found:
        head = escape(f"{name}\ntimes in {times[name]}")
        table.add_column(head, justify="right", overflow="fold")
    rows = {name: _rows(one) for name, one in found.items()}
    family = None
    for score in dict.fromkeys(score for one in rows.values() for score in one):
        if family not in (None, score.partition("/")[0]):
            table.add_section()
        family = score.partition("/")[0]
        cells = (one.get(score) or _missing(score, found[name]) for name, one in rows.items())
        table.add_row(escape(score), *map(escape, cells))
    console = Console()
    console.print(table)
    for name, one in found.items():
        if one.left_out:
            console.print(f"Left out of {name}:", soft_wrap=True, highlight=False, markup=False)
        reasons: dict[str, list[str]] = {}
        for score, reason in one.left_out.items():
            reasons.setdefault(reason, []).append(score)
        for reason, scores in reasons.items():
            line = f"  {', '.join(scores)}: {reason}"
            console.print(line, soft_wrap=True, highlight=False, markup=False)


def _missing(score: str, one: Rescored) -> str:
    """Why another file has a score and this one has not, in two words."""
    if any(score.startswith(name) for name in one.left_out):
        return "left out"
    return "too short" if score.rpartition("/")[2].isdigit() else "has none"


def _rows(one: Rescored) -> dict[str, str]:
    """Each score as it is shown, those with an interval in one row."""
    rows: dict[str, str] = {}
    for name, value in one.scores.items():
        family, _, last = name.rpartition("/")
        if last not in ("median", "mean", "low", "high", "censored") or (
            f"{family}/median" not in one.scores
        ):
            rows[name] = str(value) if type(value) is int else digits(value, NO_NUMBER)
        elif last == "median":
            bounds = (digits(one.scores[f"{family}/{end}"], NO_NUMBER) for end in ("low", "high"))
            never = one.scores.get(f"{family}/censored")
            rows[family] = f"{digits(value, NO_NUMBER)} [{', '.join(bounds)}]"
            rows[family] += f", {never} never" if never else ""
    return rows


def as_json(found: Mapping[str, Rescored]) -> str:
    """{file: {"scores": {name: number or null}, "left_out": {name: reason}}}."""
    content = {
        name: {"scores": one.scores, "left_out": one.left_out} for name, one in found.items()
    }
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def as_csv(found: Mapping[str, Rescored]) -> str:
    """Lines of file, score, value and why there is none: nan where a reason is given."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(("file", "score", "value", "reason"))
    for name, one in found.items():
        for score, value in one.scores.items():
            number, reason = ("nan", NO_NUMBER) if value is None else (repr(value), "computed")
            lines.writerow((name, score, number, reason))
        for score, reason in one.left_out.items():
            lines.writerow((name, score, "nan", f"left out: {reason}"))
    return text.getvalue()
