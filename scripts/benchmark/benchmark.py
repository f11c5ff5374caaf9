"""Measures the speed of simulating, forecasting and training against other programs.

python scripts/benchmark.py simulate [--only PROBLEM] [--repeats 7] [--no-peers] [--json FILE]
python scripts/benchmark.py blocks [--only SYSTEM] [--repeats 3] [--json FILE]
python scripts/benchmark.py forecast [--only gru] [--hidden 64] [--repeats 7] [--json FILE]
python scripts/benchmark.py train [--only gru] [--hidden 64] [--repeats 7] [--json FILE]
python scripts/benchmark.py dysts FILE ...    accuracy of forecasts: scripts/study/chaos/table.py

Simulations are in float64. Everything runs on one core: the process and its children are bound to
it, and the libraries use one thread. Times are CPU times, which other programs on the machine
disturb less; for solvers the JSON file has wall times too. The other programs are installed by
pip install ".[bench]".
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from scripts.benchmark.networks.rounds import spread, spread_text

HERE = Path(__file__).resolve().parent
PROBLEMS = sorted(path.stem for path in (HERE / "solvers").glob("*.py"))
CONF = HERE.parents[1] / "conf" / "sim"
SYSTEMS = sorted(path.stem for path in CONF.glob("*.yaml") if path.stem != "file")  # simulated
TIME_SOLVER = [sys.executable, str(HERE / "time_solver.py")]
LIBRARIES = ("numpy", "scipy", "torch", "jax", "diffrax", "exponax", "py-pde", "numba")
BLOCKS = (4, 8, 16, 32, 64, 128, 256)
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
}


class SolverProcess:
    """A solver in its own process, compiled and tuned, which runs on request."""

    def __init__(self, problem: str, label: str, file: Path) -> None:
        self.label = label
        self.process = subprocess.Popen(
            [*TIME_SOLVER, "run", problem, label, str(file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.found = self._answer()
        self.times: list[dict[str, float]] = []

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.label} failed; its output is above")
        return dict(json.loads(line))

    def run(self) -> None:
        assert self.process.stdin is not None
        print(file=self.process.stdin, flush=True)
        self.times.append(self._answer())

    def finish(self) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.close()
        answer = self._answer()
        self.process.wait()
        return {"solver": self.label, **self.found, **answer, "times": self.times}


def installed(needs: dict[str, str | None]) -> list[str]:
    """Return the solvers whose module is installed; print how to install the others."""
    found = []
    for label, module in needs.items():
        if module and not find_spec(module):
            print(f'{label} is left out: pip install ".[bench]"', file=sys.stderr)
        else:
            found.append(label)
    return found


def time_solvers(
    problem: str, labels: Sequence[str], sizes: dict[str, int], repeats: int
) -> list[dict[str, Any]]:
    """Run the solvers of one problem in turn, ``repeats`` times; the first is sirve's."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "problem.npz"
        subprocess.run([*TIME_SOLVER, "prepare", problem, json.dumps(sizes), str(file)], check=True)
        solvers = [SolverProcess(problem, label, file) for label in labels]
        for _ in range(repeats):
            for solver in solvers:
                solver.run()
        rows = [solver.finish() for solver in solvers]
    for row in rows:
        own = row["trajectories"]
        for clock in ("cpu", "wall"):
            each = [time[clock] / own for time in row["times"]]
            ours = [time[clock] / rows[0]["trajectories"] for time in rows[0]["times"]]
            row[f"{clock}_ms"] = spread([1000 * seconds for seconds in each])
            row[f"{clock}_ratio"] = spread([a / b for a, b in zip(ours, each, strict=True)])
    return rows


def simulate(options: argparse.Namespace) -> dict[str, Any]:
    sizes = {"trajectories": options.trajectories, "states": options.states}
    sizes = {key: value for key, value in sizes.items() if value}
    results = {}
    for problem in [options.only] if options.only else PROBLEMS:
        described = subprocess.run(
            [*TIME_SOLVER, "about", problem], check=True, stdout=subprocess.PIPE
        )
        about = json.loads(described.stdout)
        needs = {k: v for k, v in about["needs"].items() if options.peers or not v}
        rows = results[problem] = time_solvers(problem, installed(needs), sizes, options.repeats)
        print(f"\n{about['about']}\n")
        print("| | ms a trajectory | sirve's time / its | error | compile, s | peak, MB |")
        print("|---|--:|--:|--:|--:|--:|")
        for row in rows:
            print(
                f"| {row['solver']} | {spread_text(row['cpu_ms'])} "
                f"| {spread_text(row['cpu_ratio'])} | {row['error']:.1e} "
                f"| {row['compile_s']:.1f} | {row['peak_mb']:.0f} |",
                flush=True,
            )
    return results


def blocks(options: argparse.Namespace) -> dict[str, Any]:
    """Measure CPU time a trajectory for each system and block size, and find the best block."""
    import numpy as np
    import yaml

    from sirve.data.simulated.recipe import family
    from sirve.data.sizes import lengths

    results: dict[str, Any] = {}
    print("| ms a trajectory in a block of | " + " | ".join(map(str, BLOCKS)) + " | default set |")
    print("|---" + "|--:" * (len(BLOCKS) + 1) + "|")
    for name in [options.only] if options.only else SYSTEMS:
        sim = yaml.safe_load((CONF / f"{name}.yaml").read_text())
        system, states = family(sim["system"], None), lengths(sim)
        times: dict[int, list[float]] = {block: [] for block in BLOCKS}
        for repeat in range(options.repeats):
            for block in BLOCKS:
                rngs = [np.random.default_rng([repeat, i]) for i in range(block)]
                begin = time.process_time()
                system.simulate(rngs, sim["dt"], options.states or sim["states"])
                times[block].append(1000 * (time.process_time() - begin) / block)
        found = {block: spread(each) for block, each in times.items()}
        whole = {  # ms for the default dataset, whose last blocks are computed whole
            block: sum(
                -(-count // block) * block * states[split] / sim["states"] * found[block]["median"]
                for split, count in sim["trajectories"].items()
            )
            for block in BLOCKS
        }
        results[name] = {"ms": found, "dataset_s": {b: ms / 1000 for b, ms in whole.items()}}
        least = min(whole, key=whole.__getitem__)
        cells = " | ".join(f"{found[block]['median']:.3g}" for block in BLOCKS)
        print(f"| {name} | {cells} | {whole[least] / 1000:.1f} s in {least} |", flush=True)
    total = {b: sum(r["dataset_s"][b] for r in results.values()) for b in BLOCKS}
    cells = " | ".join(f"{total[block]:.1f} s" for block in BLOCKS)
    print(f"| all default sets | {cells} | {min(total, key=total.__getitem__)} is best |")
    return results


def networks(options: argparse.Namespace) -> dict[str, Any]:
    """Measure free rollouts or training of recurrent networks: scripts/benchmark/networks/."""
    return dict(import_module(f"scripts.benchmark.networks.{options.subject}").measure(options))


def environment() -> dict[str, Any]:
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "date": time.strftime("%Y-%m-%d"),
        "python": platform.python_version(),
        "libraries": found,
        "cpus": os.cpu_count(),
        "load": os.getloadavg()[0],
    }


def on_one_core() -> None:
    os.environ.update(ONE_THREAD)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def main(arguments: Sequence[str] | None = None) -> int:
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["dysts"]:  # it uses several cores
        return int(import_module("scripts.study.chaos.table").main(arguments[1:]))
    parser = argparse.ArgumentParser(description="Measure how long things take.")
    commands = parser.add_subparsers(required=True)
    for command, names, repeats in ((simulate, PROBLEMS, 7), (blocks, SYSTEMS, 3)):
        sub = commands.add_parser(command.__name__)
        sub.set_defaults(command=command)
        sub.add_argument("--only", choices=names, help="measure one instead of all")
        sub.add_argument("--repeats", type=int, default=repeats)
        sub.add_argument("--states", type=int, help="states of each trajectory")
        sub.add_argument("--json", type=Path, help="write everything measured to this file")
        if command is simulate:
            sub.add_argument("--trajectories", type=int, help="number of trajectories")
            sub.add_argument(
                "--no-peers", dest="peers", action="store_false", help="measure sirve alone"
            )
    for subject in ("forecast", "train"):
        sub = commands.add_parser(subject)
        sub.set_defaults(command=networks, subject=subject)
        sub.add_argument("--only", choices=("gru", "lstm"), help="measure one instead of both")
        sub.add_argument("--repeats", type=int, default=7)
        sub.add_argument("--hidden", type=int, default=64)
        sub.add_argument("--steps", type=int, help="steps of a rollout")
        sub.add_argument("--json", type=Path, help="write everything measured to this file")
    options = parser.parse_args(arguments)
    on_one_core()
    before = environment()
    results = options.command(options)
    print("\n" + json.dumps(before))
    if options.json:
        options.json.write_text(json.dumps({**before, "results": results}, indent=1) + "\n")
    return 0
