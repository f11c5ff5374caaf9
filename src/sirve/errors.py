"""What a user can mend."""

import difflib
import sys
from collections.abc import Callable, Iterable
from functools import wraps
from typing import ParamSpec

P = ParamSpec("P")


class UserError(ValueError):
    """One line that names the value, the reason and the remedy; the command exits with 2."""


def nearest(word: str, known: Iterable[str]) -> str:
    """`` Did you mean 'x'?`` for the nearest known word, else the choices."""
    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'?" if close else f"choose from: {', '.join(known)}"


def shown(value: object) -> str:
    """A stranger's word, fit for a line of a terminal."""
    return cut(ascii(value))


def one_line(text: str) -> str:
    """A stranger's text as one line."""
    return cut("".join(c if c.isprintable() else "?" for c in " ".join(text.split())), 300)


def cut(text: str, length: int = 100) -> str:
    """``text``, shortened."""
    return text if len(text) <= length else text[: length - 1] + "…"


class Stopped(UserError):
    """Work that had begun had to stop; the command exits with 1."""


def warn(message: str) -> None:
    """One line on stderr: what a user should know, and need not mend."""
    print(f"warning: {message}", file=sys.stderr)


def refusing(work: Callable[P, None]) -> Callable[P, int]:
    """``work`` as the main function of a script: its exit code, 2 after a line for a UserError."""

    @wraps(work)
    def main(*args: P.args, **kwargs: P.kwargs) -> int:
        try:
            work(*args, **kwargs)
        except UserError as error:
            print(error, file=sys.stderr)
            return 2
        return 0

    return main
