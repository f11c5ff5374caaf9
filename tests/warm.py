"""Scripts run as processes that need not import torch first, which takes seconds each.

``support.run_command`` runs a script in a new interpreter: for tests of the start itself, and of
string hashes, which differ from one interpreter to the next.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from select import select

import pytest
from aids.blank_report import write_blank_report
from support import AIDS, FEW, SMALL, TRAIN, Done, environment

FIRST = environment({})  # before any test has changed it
FIRST_RUN = [TRAIN, "sim=lorenz", *SMALL["lorenz"], *FEW, "logger=none"]
_report = {"drawn": True}


@contextmanager
def blank_reports() -> Iterator[None]:
    """Let runs, of this process and of ``run_warm``, end with an empty report."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sirve.pipeline.run.write_report", write_blank_report)
        patch.setitem(_report, "drawn", False)
        yield


@cache
def _forking() -> subprocess.Popen[bytes]:
    """Return the warm process. It ends when this process does, which closes its stdin."""
    return subprocess.Popen(
        [sys.executable, str(AIDS / "forking.py"), *FIRST_RUN],
        env=FIRST,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
    )


class Process:
    """A script at work in a fork of the warm process, one at a time; used as Popen is."""

    def __init__(
        self, arguments: Sequence[str], folder: Path, env: dict[str, str], timeout: int = 300
    ) -> None:
        forking = _forking()
        assert forking.stdin
        assert forking.stdout
        self.arguments, self.answers = [*arguments], forking.stdout
        self.returncode: int | None = None
        self.output: tuple[str, str] | None = None
        self.stdout, self.stderr = (tempfile.NamedTemporaryFile("r") for _ in range(2))  # noqa: SIM115
        job = {"arguments": self.arguments, "folder": str(folder), "timeout": timeout, "env": env}
        job |= {"stdout": self.stdout.name, "stderr": self.stderr.name}
        forking.stdin.write(json.dumps(job | {"report": _report["drawn"]}).encode() + b"\n")
        self.pid = int(self.answers.readline())

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def poll(self) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if timeout is not None and not select([self.answers], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.arguments, timeout)
            self.returncode = int(self.answers.readline())
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        self.wait(timeout)
        if self.output is None:
            with self.stdout, self.stderr:
                self.output = self.stdout.read(), self.stderr.read()
        return self.output


def run_warm(
    arguments: Sequence[str], folder: Path, env: dict[str, str] | None = None, timeout: int = 300
) -> Done:
    """Run a script with its arguments in ``folder``, as ``support.run_command`` does, and wait."""
    process = Process(arguments, folder, environment(env or {}), timeout)
    stdout, stderr = process.communicate()
    return Done(process.wait(), stdout, stderr)


@contextmanager
def started_warm(folder: Path, *arguments: str, pause: float = 0.1) -> Iterator[Process]:
    """Run train.py as ``support.started`` does; its end does not wait for its own processes."""
    env = environment({"PYTHONPATH": str(AIDS), "PAUSE": str(pause)})
    process = Process([TRAIN, *arguments], folder, env)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
