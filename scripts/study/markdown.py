"""Tables in Markdown, and the pages that hold them."""

import re
from collections.abc import Sequence
from pathlib import Path

from sirve.errors import UserError
from sirve.io.files import write_text
from sirve.metrics import Interval
from sirve.report.style import digits


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table whose first column is aligned left and whose others are aligned right."""
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def with_interval(found: Interval) -> str:
    """Return a number and its 95 % interval, such as ``1.20 [1.10, 1.31]``."""
    middle, low, high = map(digits, found)
    return f"{middle} [{low}, {high}]"


def signed(found: Interval) -> str:
    """Return a difference with its sign and its 95 % interval."""
    return "{:+.2f} [{:+.2f}, {:+.2f}]".format(*found)


def write_into(page: Path, name: str, text: str) -> None:
    """Replace the text between the two lines of ``page`` that name the table.

    Raises UserError where these lines are missing or repeated.
    """
    between = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
    content, count = between.subn(rf"\g<1>\n{text}\n\g<2>", page.read_text())
    if count != 1:
        raise UserError(f"{page} needs the lines <!-- {name} --> and <!-- end of {name} -->, once")
    write_text(page, content)
