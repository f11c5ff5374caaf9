"""Times one solver in its own process, for scripts/benchmark/benchmark.py.

python scripts/benchmark/time_solver.py about PROBLEM                its title and needs, as JSON
python scripts/benchmark/time_solver.py prepare PROBLEM SIZES FILE   initial states and a reference
python scripts/benchmark/time_solver.py run PROBLEM SOLVER FILE      one run for each input line

A problem is a module of scripts/benchmark/solvers/ with a dictionary SOLVERS. Each entry has a
function ``build`` that returns solve(x0 (B, ...), t (T,), accuracy) -> (B, T, ...), and optionally
``accuracies`` to choose from (coarsest first), the module that it ``needs``, and the largest number
of trajectories that it can solve in reasonable time (``at_most``). The error is the largest of any
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


def send(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)


def time_runs(solver: dict[str, Any], problem: dict[str, np.ndarray], target: float) -> None:
    """Compile, choose the coarsest accuracy that meets the target, then run on demand."""
    few = slice(solver.get("at_most"))
    x0, t, reference = problem["x0"][few], problem["t"], problem["reference"][few]
    run, accuracies = solver["build"](), solver.get("accuracies", [0.0])

    def error(accuracy: float) -> float:
        return float(np.abs(run(x0, t[: reference.shape[1]], accuracy) - reference).max())

    def seconds(accuracy: float) -> dict[str, float]:
        wall, cpu = time.perf_counter(), time.process_time()
        run(x0, t, accuracy)
        return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}

    first, second = seconds(accuracies[0])["cpu"], seconds(accuracies[0])["cpu"]
    accuracy = next(a for a in accuracies if error(a) <= target or a == accuracies[-1])
    seconds(accuracy)
    send(
        {
            "trajectories": len(x0),
            "accuracy": accuracy,
            "error": error(accuracy),
            "compile_s": max(0.0, first - second),
        }
    )
    for _ in sys.stdin:
        send(seconds(accuracy))
    send({"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024})


def main(arguments: Sequence[str]) -> None:
    command, name, *rest = arguments
    module = import_module(f"solvers.{name}")
    if command == "about":
        needs = {label: c.get("needs") for label, c in module.SOLVERS.items()}
        send({"about": module.__doc__, "needs": needs})
    elif command == "prepare":
        defaults = {"trajectories": module.TRAJECTORIES, "states": module.STATES}
        np.savez(rest[1], **module.prepare(**defaults | json.loads(rest[0])))
    else:
        with np.load(rest[1]) as stored:
            time_runs(module.SOLVERS[rest[0]], dict(stored), module.ERROR)


if __name__ == "__main__":
    main(sys.argv[1:])
