"""Score stored rollouts: those of runs, and of any HDF5 file with the truth and a forecast.

sirve evaluate FILE [FILE ...] [--json scores.json] [--csv scores.csv]
sirve evaluate mine.h5 --prediction forecast --dt 0.02 --lyapunov 0.906 --std 8,9,8.6

FILE is a rollouts.h5, the folder of a run or one above several, or any HDF5 file with truth and
forecast as (rollouts, steps, channels) and the axes of space after them. Options give what a file
does not contain, and replace what it contains. Without --std, errors in standard deviations are
left out; --std truth takes that of the truth. What the names mean: docs/metrics.md.

sirve evaluate RUN limit=true [limit.frames=[1,8,30]] [limit.members=8] [limit.starts=16]

limit=true fits the true equations to the last k states of the contexts of a simulated run, scores
their forecasts, and gives the model's effective memory: the k whose limit equals its error. It
takes minutes. The result is also in metrics.json, limit.json and limit.h5 of the run.
"""

import argparse
import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sirve.cli.limit_words import split_words, with_limit
from sirve.errors import UserError, refusing
from sirve.evaluation.rollout_files import FileOptions, read_rollouts
from sirve.evaluation.score import Scored, flat, score_rollouts
from sirve.io.files import write_text
from sirve.report.style import digits, units

NO_NUMBER = "not finite"


@refusing
def main(arguments: Sequence[str] | None = None) -> None:
    """Run ``sirve evaluate``."""
    options = _parser().parse_args(arguments)
    try:
        file_options = _file_options(options)
        files, limit = split_words(options.files)
        found, times = {}, {}
        for path in _files(files):
            rollouts, time_unit = read_rollouts(path, file_options)
            scored = score_rollouts(rollouts)
            found[str(path)] = scored if limit is None else with_limit(scored, path, limit)
            times[str(path)] = units(time_unit)
        show(found, times)
        if options.json:
            write_text(options.json, as_json(found))
        if options.csv:
            write_text(options.csv, as_csv(found))
    except OSError as error:
        raise UserError(f"{error.filename} cannot be written ({error.strerror})") from error


def _files(paths: Sequence[Path]) -> list[Path]:
    """Replace each folder above runs by the folders of these runs."""
    found: dict[Path, None] = {}
    for path in paths:
        above = path.is_dir() and not (path / "rollouts.h5").is_file()
        below = sorted(file.parent for file in path.rglob("rollouts.h5")) if above else [path]
        if not below:
            raise UserError(f"{path} holds no rollouts.h5; give a file, or the folder of a run")
        found |= dict.fromkeys(below)
    return list(found)


def _parser() -> argparse.ArgumentParser:
    assert __doc__
    parser = argparse.ArgumentParser(prog="sirve evaluate", description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("files", type=Path, nargs="+", metavar="FILE", help="a rollouts.h5, or folders of runs")
    add("--json", type=Path, metavar="OUT", help="write scores and what was left out")
    add("--csv", type=Path, metavar="OUT", help="write a line for each score of each file")
    for name in ("truth", "prediction", "context", "ensemble"):
        usual = getattr(FileOptions, name)
        add(f"--{name}", default=usual, metavar="NAME", help=f"array in the file ({usual})")
    add("--dt", type=float, help="time of a step")
    add("--unit", type=float, help="time that counts as 1 in the scores, in the unit of dt")
    add("--lyapunov", type=float, help="largest exponent; times are then in Lyapunov times")
    add("--std", help="of each channel in training, as 1,2.5,3; or 'truth'")
    add("--diffuses", action="store_true", default=None, help="no value may exceed the first ones")
    add("--boundary-value", type=float, help="that the boundary is held at, for --diffuses")
    return parser


def _file_options(options: argparse.Namespace) -> FileOptions:
    given: dict[str, Any] = {
        field.name: getattr(options, field.name, None) for field in fields(FileOptions)
    }
    if options.unit is not None and options.lyapunov is not None:
        raise UserError("--unit and --lyapunov both set the unit of times; give one")
    if options.lyapunov is not None:
        if not 0 < options.lyapunov < np.inf:
            raise UserError(f"--lyapunov {options.lyapunov:g} must be a positive number")
        given |= {"unit": 1 / options.lyapunov, "time_unit": "lyapunov time"}
    if options.std not in (None, "truth"):
        try:
            given["std"] = tuple(float(word) for word in options.std.split(","))
        except ValueError:
            raise UserError(
                f"--std {options.std} must be numbers, as 1,2.5,3, or 'truth'"
            ) from None
    return FileOptions(**given)


def show(found: Mapping[str, Scored], times: Mapping[str, str]) -> None:
    """Print a table, a row a score and a column a file, and the reasons for what is left out.

    ``times`` are the units of times of each file.
    """
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


def _missing(score: str, one: Scored) -> str:
    """Return in two words why a file lacks a score that another file has."""
    if any(score.startswith(name) for name in one.left_out):
        return "left out"
    return "too short" if score.rpartition("/")[2].isdigit() else "has none"


def _rows(one: Scored) -> dict[str, str]:
    """Return the text of each score, with those of one interval in one row."""
    rows: dict[str, str] = {}
    scores = flat(one.scores)
    for name, value in scores.items():
        family, _, last = name.rpartition("/")
        if last not in ("median", "mean", "low", "high", "censored") or (
            f"{family}/median" not in scores
        ):
            rows[name] = str(value) if type(value) is int else digits(value, NO_NUMBER)
        elif last == "median":
            bounds = (digits(scores[f"{family}/{end}"], NO_NUMBER) for end in ("low", "high"))
            never = scores.get(f"{family}/censored")
            rows[family] = f"{digits(value, NO_NUMBER)} [{', '.join(bounds)}]"
            rows[family] += f", {never} never" if never else ""
    return rows


def as_json(found: Mapping[str, Scored]) -> str:
    """Return {file: {"scores": {name: number or null}, "left_out": {name: reason}}}."""
    content = {
        name: {"scores": flat(one.scores), "left_out": one.left_out} for name, one in found.items()
    }
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def as_csv(found: Mapping[str, Scored]) -> str:
    """Return lines of file, score, value and reason; the value is nan where there is none."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(("file", "score", "value", "reason"))
    for name, one in found.items():
        for score, value in flat(one.scores).items():
            number, reason = ("nan", NO_NUMBER) if value is None else (repr(value), "computed")
            lines.writerow((name, score, number, reason))
        for score, reason in one.left_out.items():
            lines.writerow((name, score, "nan", f"left out: {reason}"))
    return text.getvalue()
