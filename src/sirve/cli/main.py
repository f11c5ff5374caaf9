"""The command ``sirve VERB ...``: find the verb and hand the rest of the command line to it.

Nothing heavy is imported before the verb is known, so that --help answers at once.
"""

import os
import sys
from importlib import import_module
from typing import NoReturn

from sirve.errors import nearest
from sirve.runs import run_folder

VERBS = {  # each is a module of this package with a function ``main``
    "train": "simulate, train a network, roll it out, score it and write a report",
    "simulate": "make a dataset without training; look at, verify or repair one",
    "evaluate": "score the rollouts of runs or of other HDF5 files",
    "compare": "compare finished runs on one page",
    "inside": "show what happens inside the networks of finished runs",
    "workspace": "make a W&B workspace that compares the runs of a project",
    "sync": "send the offline W&B runs of run folders to the server",
}
HYDRA = ("train", "simulate")  # these take key=value, so the shell can complete it


def main() -> None:
    """Run the verb that the command line names, and exit with its code."""
    if run_folder.inherited() is not None:  # another rank of a run that `sirve train` started
        _run("train", sys.argv[1:])
    verb, *rest = sys.argv[1:] or ["--help"]
    if verb in VERBS:
        _run(verb, rest)
    if verb in ("-h", "--help"):
        print(usage())
    elif verb == "--version":
        from sirve import __version__

        print(f"sirve {__version__}")
    elif verb == "-sc" and rest:
        _complete(rest)
    else:
        print(f"error: unknown command '{verb}'; {nearest(verb, VERBS)}", file=sys.stderr)
        sys.exit(2)


def usage() -> str:
    """Return the text of ``sirve --help``, one line for each verb."""
    lines = [f"  {verb:10} {text}" for verb, text in VERBS.items()]
    return "\n".join(
        [
            "usage: sirve VERB ...",
            "",
            *lines,
            "",
            "  sirve VERB --help    the options of a verb",
            "  sirve --version      the version of this package",
        ]
    )


def _run(verb: str, arguments: list[str]) -> NoReturn:
    sys.argv = [sys.argv[0], *arguments]
    sys.exit(import_module(f"sirve.cli.{verb}").main())


def _complete(query: list[str]) -> None:
    """Answer the shell, which asks with ``-sc query=SHELL`` and the line typed so far."""
    _, verb, *typed = [*os.environ.get("COMP_LINE", "").split(" "), ""]
    if verb in HYDRA and typed:
        os.environ["COMP_LINE"] = " ".join([verb, *typed[:-1]])
        _run("train", ["-sc", *query])
    if len(typed) <= 1:
        print(" ".join(name for name in VERBS if name.startswith(verb)))
