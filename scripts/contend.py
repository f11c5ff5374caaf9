"""One solver of scripts/solvers/ in a process of its own, for scripts/benchmark.py.

python scripts/contend.py list                          what there is, as JSON
python scripts/contend.py prepare PROBLEM SIZES FILE    initial states and a reference
python scripts/contend.py run PROBLEM CONTENDER FILE    for each line it reads, runs once

A problem is a module of scripts/solvers/. A contender ``build``s a function of x0 (B, ...), t (T,)
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
from pathlib import Path
from typing import Any

import numpy as np

SOLVERS = Path(__file__).parent / "solvers"


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
            "compile_s": first - second,
        }
    )
    for _ in sys.stdin:
        say(seconds(accuracy))
    say({"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024})


def main(arguments: Sequence[str]) -> None:
    if arguments[0] == "list":
        for path in sorted(SOLVERS.glob("*.py")):
            module = import_module(f"solvers.{path.stem}")
            say(
                {
                    "problem": path.stem,
                    "about": module.__doc__,
                    "needs": {k: c.get("needs") for k, c in module.CONTENDERS.items()},
                }
            )
        return
    module = import_module(f"solvers.{arguments[1]}")
    if arguments[0] == "prepare":
        sizes, file = json.loads(arguments[2]), arguments[3]
        usual = {"trajectories": module.TRAJECTORIES, "states": module.STATES}
        np.savez(file, **module.prepare(**usual | sizes))
    else:
        with np.load(arguments[3]) as stored:
            contend(module.CONTENDERS[arguments[2]], dict(stored), module.ERROR)


if __name__ == "__main__":
    main(sys.argv[1:])
