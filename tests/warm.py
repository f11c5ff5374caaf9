"""Scripts as processes of their own that need not import torch first: that takes seconds of each.

What is proved of starting itself, and of hashes that differ from one start to the next, is proved
with ``support.run_command``.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from support import AIDS, Done, environment

FIRST = environment({})  # before any test has changed it


@cache
def _forking() -> subprocess.Popen[str]:
    """Ends when this process does, which closes its stdin."""
    return subprocess.Popen(
        [sys.executable, str(AIDS / "forking.py")],
        env=FIRST,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )


def run_warm(
    arguments: Sequence[str], folder: Path, env: dict[str, str] | None = None, timeout: int = 300
) -> Done:
    """As ``support.run_command``, for a script."""
    job = {"arguments": [*arguments], "folder": str(folder), "timeout": timeout}
    with tempfile.NamedTemporaryFile("r") as stdout, tempfile.NamedTemporaryFile("r") as stderr:
        files = {"stdout": stdout.name, "stderr": stderr.name}
        forking = _forking()
        assert forking.stdin
        assert forking.stdout
        print(json.dumps({**job, **files, "env": environment(env or {})}), file=forking.stdin)
        code = int(forking.stdout.readline())
        return Done(code, stdout.read(), stderr.read())
