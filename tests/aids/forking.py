"""Runs scripts as ``python SCRIPT ARGUMENTS`` would, each in a fork of a warm process.

The warm process has imported torch and has done one small run: what is imported, loaded and
compiled at its first use is there in every fork. A line of JSON on stdin for each script (see
tests/warm.py); on stdout a line with its process id, and one with its exit code.
"""

import gc
import io
import json
import os
import runpy
import signal
import sys
import tempfile
from contextlib import chdir, redirect_stdout, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from blank_report import write_blank_report
from hydra.core.global_hydra import GlobalHydra

WARM = (
    "sirve.cli.train",
    "sirve.pipeline.run",
    "sirve.runs.resume",
    "sirve.report",
    "sirve.report.media",
    "plotly.io",
)
FAST = "sirve.cores.fast.compiled"  # where numba is installed


def run_once(arguments: list[str]) -> None:
    """Run a script in this process, in a folder that is deleted afterwards."""
    with tempfile.TemporaryDirectory() as folder, chdir(folder), redirect_stdout(io.StringIO()):
        sys.argv = arguments
        runpy.run_path(sys.argv[0], run_name="__main__")
    GlobalHydra.instance().clear()


def become(job: dict[str, Any]) -> None:
    """Turn this process into the script's."""
    places = (os.devnull, os.O_RDONLY), (job["stdout"], os.O_WRONLY), (job["stderr"], os.O_WRONLY)
    for number, (path, flags) in enumerate(places):
        os.dup2(os.open(path, flags), number)
    signal.alarm(job["timeout"])  # ends it, with -14
    os.chdir(job["folder"])
    os.environ.clear()
    os.environ.update(job["env"])
    sys.argv = job["arguments"]
    if not job["report"]:
        pipeline = import_module("sirve.pipeline.run")
        pipeline.write_report = write_blank_report
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
    run_once(sys.argv[1:])
    gc.freeze()  # forks then share the memory of what is there
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            become(json.loads(line))
            runpy.run_path(sys.argv[0], run_name="__main__")
            return
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
