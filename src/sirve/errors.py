"""Errors that a user can correct, and text for the terminal."""

import difflib
import sys
from collections.abc import Callable, Iterable
from functools import wraps
from typing import ParamSpec

P = ParamSpec("P")


class UserError(ValueError):
    """An error in one line: the value, the reason and a remedy; the command exits with 2."""


def nearest(word: str, known: Iterable[str]) -> str:
    """Return "did you mean 'x'?" for the known word nearest to ``word``, else all choices."""
    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'?" if close else f"choose from: {', '.join(known)}"


def printable(value: object) -> str:
    """Escape and shorten an untrusted value for one line of a terminal."""
    return cut(ascii(value))


def one_line(text: str) -> str:
    """Return untrusted text as one printable line of at most 300 characters."""
    return cut("".join(c if c.isprintable() else "?" for c in " ".join(text.split())), 300)


def cut(text: str, length: int = 100) -> str:
    """Shorten ``text`` to ``length`` characters."""
    return text if len(text) <= length else text[: length - 1] + "…"


class Stopped(UserError):
    """An error that stopped work which had begun; the command exits with 1."""


def warn(message: str) -> None:
    """Print a warning, one line on stderr."""
    print(f"warning: {message}", file=sys.stderr)


def refusing(work: Callable[P, None]) -> Callable[P, int]:
    """Make ``work`` the main function of a script: it prints a UserError and returns 2."""

    @wraps(work)
    def main(*args: P.args, **kwargs: P.kwargs) -> int:
        try:
            work(*args, **kwargs)
        except UserError as error:
            print(error, file=sys.stderr)
            return 2
        return 0

    return main
