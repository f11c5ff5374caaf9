"""Make a dataset without training, draw it, check it and repair it.

sirve simulate sim=lorenz [key=value ...] [--look]   make the dataset that train would make
sirve simulate look FOLDER                           draw a dataset
sirve simulate verify FOLDER [FOLDER ...]            name all damage
sirve simulate repair FOLDER [--trust PACKAGE]       make only the damaged parts again

Any option of training that changes the data can be given: sirve train --help names them. Exit
codes: 0 done and intact, 1 damaged or stopped by an error, 2 refused before any work, 75 and 130
stopped by a signal: the same command resumes.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from joblib import cpu_count

from sirve.cli import train
from sirve.data.dataset import SPLITS, Dataset
from sirve.data.info import Info
from sirve.data.observe import Observe
from sirve.data.open_source import open_source, wanted_of
from sirve.data.simulated.repair import repair
from sirve.data.simulated.verify import verify
from sirve.data.sizes import require_sizes, require_whole
from sirve.data.source import Wanted
from sirve.errors import UserError
from sirve.io import instantiate
from sirve.metrics import THRESHOLD
from sirve.report.style import units
from sirve.runs import run_folder


def main() -> None:
    arguments = sys.argv[1:]
    if not {"-h", "--help"}.isdisjoint(arguments) or not arguments:
        print(__doc__.rstrip())
        return
    if arguments[0] in COMMANDS:
        options = _parser().parse_args(arguments)
        with train.command(), train.told():
            sys.exit(options.action(options))
    drawn = "--look" in sys.argv
    sys.argv = [argument for argument in sys.argv if argument != "--look"]
    with train.command():
        train.compose(partial(make, drawn=drawn))


def make(config: dict[str, Any], _plain: str, drawn: bool) -> None:
    """Make the dataset of a composed configuration and print a summary; draw it if ``drawn``."""
    observe = instantiate.build(config["observe"], Observe, place="observe")
    source, config = open_source(config, observe, trust=None)
    require_sizes(config)
    observe = observe.of(source.scene)
    observe.info(source.infos["train"])  # refuses what training would refuse
    wanted = wanted_of(config, observe)
    run_folder.require_writable(wanted.root, "data.root")
    for line in source.inspect(wanted):
        print(line)
    start = time.perf_counter()
    dataset = source.dataset(wanted)
    made = time.perf_counter()
    if config["data"]["limits"]:
        source.limits(dataset)
    seconds = made - start, time.perf_counter() - made
    print("\n".join(summary(dataset, wanted, seconds)))
    if drawn:
        draw(dataset.folder, None)


def summary(dataset: Dataset, wanted: Wanted, seconds: tuple[float, float]) -> list[str]:
    """Return lines on the dataset, its limits of prediction, and the seconds spent on each."""
    info, manifest = dataset.info, dataset.manifest
    channels = ", ".join(f"{n} [{u}]" for n, u in zip(info.channels, info.units, strict=True))
    lines = [f"dataset    {dataset.folder}", f"channels   {channels}, {info.dt:g} apart"]
    for split in SPLITS:
        shape = dataset.infos[split].shape
        text = f"{dataset.count(split)} trajectories of {wanted.states[split]} states {shape}"
        lines.append(f"{split:10} {text}")
    size = sum((dataset.folder / "data" / name).stat().st_size for name in manifest.shards)
    found = manifest.limits.get("exponents")
    if found:
        pairs = zip(found["value"], found["error"], strict=True)
        text = ", ".join(f"{value:.4g} ± {error:.1g}" for value, error in pairs)
        lines.append(f"exponents  {text} per unit of time")
    if "twin" in manifest.limits:
        lines.append(f"ceiling    {_ceiling(manifest.limits, info)}")
    lines.append(f"seconds    {seconds[0]:.1f} to make, {seconds[1]:.1f} to measure")
    return [*lines, f"size       {size / 1e6:.1f} MB in {len(manifest.shards)} shards"]


def _ceiling(limits: dict[str, Any], info: Info) -> str:
    """Return how long the solver agrees with a second one."""
    if limits["ceiling"] is None:
        return "none: the solution is exact" if "exact" in info.solver else "unknown"
    time = limits["ceiling"][str(THRESHOLD)]
    return (
        f"{info.solver} and {limits['twin']} agree for {'≥ ' * bool(time['censored'])}"
        f"{time['median']:.3g} [{time['low']:.3g}, {time['high']:.3g}] {units(info.time_unit)}, "
        f"to {THRESHOLD} standard deviations"
    )


def look(options: argparse.Namespace) -> int:
    """Draw an existing dataset."""
    draw(options.folder, instantiate.trusted(options.trust))
    return 0


def draw(folder: Path, trust: Sequence[str] | None) -> None:
    """Draw a dataset and print the paths of the pictures."""
    from sirve.report.dataset import look_at  # slow: matplotlib and films

    for path in look_at(folder, trust):
        print(f"drew       {path}")


def check(options: argparse.Namespace) -> int:
    """Print all damage of some datasets, in one line each; returns the exit code."""
    code = 0
    for folder in options.folder:
        try:
            found = 0
            for damage in verify(folder):
                print(damage.line, flush=True)
                found += 1
            code = max(code, min(found, 1))
            if not found:
                print(f"{folder} is whole")
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            code = 2
    return code


def repair_dataset(options: argparse.Namespace) -> int:
    """Repair a dataset, and print the damage that is left; returns the exit code."""
    trust = instantiate.trusted(options.trust)
    if options.workers is not None:
        require_whole("--workers", options.workers, least=1)
    for line in repair(options.folder, trust, options.workers or cpu_count()):
        print(line, flush=True)
    options.folder = [options.folder]
    return check(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (action, several) in COMMANDS.items():
        command = commands.add_parser(name)
        command.set_defaults(action=action)
        command.add_argument("folder", type=Path, metavar="FOLDER", nargs="+" if several else None)
        if name != "verify":
            command.add_argument(
                "--trust",
                action="append",
                default=[],
                metavar="PACKAGE",
                help="package of your own system; its code runs, so trust its author",
            )
        if name == "repair":
            command.add_argument(
                "--workers", type=int, help="number of processes; by default one for each core"
            )
    return parser


COMMANDS: dict[str, tuple[Callable[[argparse.Namespace], int], bool]] = {
    "look": (look, False),
    "verify": (check, True),
    "repair": (repair_dataset, False),
}
