"""Runs scripts as ``python SCRIPT ARGUMENTS`` would, each in a fork of one that has imported torch.

A line of JSON on stdin for each (see tests/warm.py), a line with its exit code on stdout.
"""

import json
import os
import runpy
import signal
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

WARM = (
    "sirve.cli.train",
    "sirve.pipeline.run",
    "sirve.runs.resume",
    "sirve.report",
    "sirve.report.media",
    "plotly.io",
)
FAST = "sirve.cores.fast.compiled"  # where numba is installed


def become(job: dict[str, Any]) -> None:
    """This process is the script's from here on."""
    places = (os.devnull, os.O_RDONLY), (job["stdout"], os.O_WRONLY), (job["stderr"], os.O_WRONLY)
    for number, (path, flags) in enumerate(places):
        os.dup2(os.open(path, flags), number)
    signal.alarm(job["timeout"])  # ends it, with -14
    os.chdir(job["folder"])
    os.environ.clear()
    os.environ.update(job["env"])
    sys.argv = job["arguments"]
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:0] = [str(Path(sys.argv[0]).parent), *filter(None, paths)]
    np.random.seed()  # noqa: NPY002  # nothing may use it: as ever, each process has another state


def main() -> None:
    for name in WARM:
        import_module(name)
    with suppress(ImportError):
        import_module(FAST)
    import_module("sirve.runs.provenance").here()  # has read all code
    del sys.path[0]  # where this file lies
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            become(json.loads(line))
            runpy.run_path(sys.argv[0], run_name="__main__")
            return
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
