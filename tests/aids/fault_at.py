"""python fault_at.py WHERE N FAULT train.py ARGUMENTS: a fault of W&B at call N of WHERE.

WHERE is a function by its dotted name. seconds.json then says how long W&B held the run up.
"""

import atexit
import importlib
import json
import os
import pkgutil
import resource
import runpy
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any


def service() -> int:
    """The pid of W&B's service: a child of this process."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = stat.read_text().rpartition(") ")
        except OSError:
            continue
        if "wandb-core" in name and int(rest.split()[1]) == os.getpid():
            return int(stat.parent.name)
    raise RuntimeError("W&B has no service here")


def killed() -> None:
    os.kill(service(), signal.SIGKILL)


def stopped() -> None:
    os.kill(service(), signal.SIGSTOP)


def limited() -> None:
    """Its file can grow no more, while all others can."""
    resource.prlimit(service(), resource.RLIMIT_FSIZE, (8192, 8192))


def no_folder() -> None:
    from sirve.runs import run_folder

    (run_folder.current() / "wandb").write_text("no folder")


def small_disk() -> None:
    from sirve.runs import run_folder

    folder = run_folder.current() / "wandb"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32k", "none", str(folder)], check=True)


def end() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def nothing() -> None:
    pass


def wrap(where: str, before: Any, after: Any = lambda _: None) -> None:
    owner_name, _, name = where.rpartition(".")
    owner = pkgutil.resolve_name(owner_name)
    function = getattr(owner, name)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        before()
        start = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            after(time.perf_counter() - start)

    setattr(owner, name, wrapped)


def main() -> None:
    where, number, fault = sys.argv[1], int(sys.argv[2]), globals()[sys.argv[3]]
    seconds: Counter[str] = Counter()

    def spent(name: str) -> Any:
        def add(value: float) -> None:
            seconds[name] += value

        return add

    def leave() -> None:
        seconds["exit"] += time.perf_counter()
        Path("seconds.json").write_text(json.dumps(seconds))

    atexit.register(leave)  # before W&B's own, so it is called after them
    importlib.import_module("wandb")  # takes seconds on a busy machine, and is no fault
    for name in ("WandB.start", "WandB.log", "WandB.finish", "WandB.abort", "media_of"):
        wrap(f"sirve.tracking.wandb_tracker.{name}", lambda: None, spent(name))

    called = 0

    def count() -> None:
        nonlocal called
        called += 1
        if called == number:
            fault()

    wrap(where, count)
    sys.argv = sys.argv[4:]
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    finally:
        seconds["exit"] -= time.perf_counter()


if __name__ == "__main__":
    main()
