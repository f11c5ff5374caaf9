"""One solver of scripts/benchmark/solvers/ in a process of its own, for scripts/benchmark/benchmark.py.

python scripts/benchmark/contend.py about PROBLEM                 what it is and who needs what, as JSON
python scripts/benchmark/contend.py prepare PROBLEM SIZES FILE    initial states and a reference
python scripts/benchmark/contend.py run PROBLEM CONTENDER FILE    for each line it reads, runs once

A problem is a module of scripts/benchmark/solvers/. A contender ``build``s a function of x0 (B, ...), t (T,)
and an accuracy that gives (B, T, ...); it may choose among ``accuracies`` (coarsest first), need a
module, and be too slow for more than ``at_most`` trajectories. The error is the largest of any
component of any trajectory at the times of the reference.
"""

import json
import resource
import sys
import time
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np


def say(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)


def contend(contender: dict[str, Any], problem: dict[str, np.ndarray], target: float) -> None:
    """Compile, take the coarsest accuracy that meets the target, then run on demand."""
    few = slice(contender.get("at_most"))
    x0, t, reference = problem["x0"][few], problem["t"], problem["reference"][few]
    run, accuracies = contender["build"](), contender.get("accuracies", [0.0])

    def error(accuracy: float) -> float:
        return float(np.abs(run(x0, t[: reference.shape[1]], accuracy) - reference).max())

    def seconds(accuracy: float) -> dict[str, float]:
        wall, cpu = time.perf_counter(), time.process_time()
        run(x0, t, accuracy)
        return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}

    first, second = seconds(accuracies[0])["cpu"], seconds(accuracies[0])["cpu"]
    accuracy = next(a for a in accuracies if error(a) <= target or a == accuracies[-1])
    seconds(accuracy)
    say(
        {
            "trajectories": len(x0),
            "accuracy": accuracy,
            "error": error(accuracy),
            "compile_s": max(0.0, first - second),
        }
    )
    for _ in sys.stdin:
        say(seconds(accuracy))
    say({"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024})


def main(arguments: Sequence[str]) -> None:
    command, name, *rest = arguments
    module = import_module(f"solvers.{name}")
    if command == "about":
        needs = {label: c.get("needs") for label, c in module.CONTENDERS.items()}
        say({"about": module.__doc__, "needs": needs})
    elif command == "prepare":
        usual = {"trajectories": module.TRAJECTORIES, "states": module.STATES}
        np.savez(rest[1], **module.prepare(**usual | json.loads(rest[0])))
    else:
        with np.load(rest[1]) as stored:
            contend(module.CONTENDERS[rest[0]], dict(stored), module.ERROR)


if __name__ == "__main__":
    main(sys.argv[1:])
