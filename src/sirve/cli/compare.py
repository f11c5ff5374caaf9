"""Compares finished runs on one page and, with --markdown, in a table.

sirve compare RUN [RUN ...] [--out compare.html] [--markdown]

RUN is the folder of a run, or a folder above any number of them.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from sirve.errors import refusing
from sirve.report.compare.page import write_comparison
from sirve.report.compare.sections import markdown
from sirve.report.load import find_runs


@refusing
def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Compare finished runs on one page.")
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN", help="a run, or a folder above"
    )
    parser.add_argument("--out", type=Path, default=Path("compare.html"), help="the page to write")
    parser.add_argument("--markdown", action="store_true", help="print a table, seeds merged")
    options = parser.parse_args(arguments)
    runs = find_runs(options.runs)
    page = write_comparison(runs, options.out)
    print(page, file=sys.stderr if options.markdown else sys.stdout)
    if options.markdown:
        print(markdown(runs), end="")
