"""Make a dataset without training, draw it, and find and repair damaged files.

sirve simulate sim=lorenz [key=value ...] [--look]   make what sirve train would make
sirve simulate look FOLDER                           draw a dataset
sirve simulate verify FOLDER [FOLDER ...]            name every damaged file
sirve simulate repair FOLDER [--trust PACKAGE]       make only the damaged files again

Any option of sirve train that data depend on can be given: sirve train --help names them. Exit
codes: 0 done and whole, 1 damaged or stopped by an error during the work, 2 refused before any
work, 75 and 130 stopped by a signal: the same command resumes.
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
    """Run ``sirve simulate``."""
    arguments = sys.argv[1:]
    if not {"-h", "--help"}.isdisjoint(arguments) or not arguments:
        print(__doc__.rstrip())
        return
    if arguments[0] in COMMANDS:
        options = _parser().parse_args(arguments)
        with train.exit_on_errors(), train.print_errors():
            sys.exit(options.action(options))
    drawn = "--look" in sys.argv
    sys.argv = [argument for argument in sys.argv if argument != "--look"]
    with train.exit_on_errors():
        train.run_with_config(partial(make, drawn=drawn))


def make(config: dict[str, Any], _config_yaml: str, drawn: bool) -> None:
    """Make the dataset of a configuration, print a summary, and draw it if ``drawn``."""
    observe = instantiate.build(config["observe"], Observe, place="observe")
    source, config = open_source(config, observe, trust=None)
    require_sizes(config)
    observe = observe.of(source.scene)
    observe.info(source.infos["train"])  # refuses what sirve train would
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
    """Return lines on the dataset, the measured limits, and the time and size."""
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
    """Return how long the solver agrees with the reference solver."""
    if limits["ceiling"] is None:
        return "none: the solution is exact" if "exact" in info.solver else "unknown"
    time = limits["ceiling"][str(THRESHOLD)]
    return (
        f"{info.solver} and {limits['twin']} agree for {'≥ ' * bool(time['censored'])}"
        f"{time['median']:.3g} [{time['low']:.3g}, {time['high']:.3g}] {units(info.time_unit)}, "
        f"to {THRESHOLD} standard deviations"
    )


def draw_folder(options: argparse.Namespace) -> int:
    """Draw an existing dataset; return the exit code."""
    draw(options.folder, instantiate.trusted(options.trust))
    return 0


def draw(folder: Path, trust: Sequence[str] | None) -> None:
    """Draw a dataset and print the path of each picture."""
    from sirve.report.dataset import look_at  # matplotlib and films

    for path in look_at(folder, trust):
        print(f"drew       {path}")


def verify_folders(options: argparse.Namespace) -> int:
    """Print one line for each damaged file; return the exit code."""
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


def repair_folder(options: argparse.Namespace) -> int:
    """Make damaged files again, then check the folder; return the exit code."""
    trust = instantiate.trusted(options.trust)
    if options.workers is not None:
        require_whole("--workers", options.workers, least=1)
    for line in repair(options.folder, trust, options.workers or cpu_count()):
        print(line, flush=True)
    options.folder = [options.folder]
    return verify_folders(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sirve simulate")
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
                help="package of your own system; trust the dataset's author: its code is run",
            )
        if name == "repair":
            command.add_argument(
                "--workers", type=int, help="number of processes; by default one for each core"
            )
    return parser


COMMANDS: dict[str, tuple[Callable[[argparse.Namespace], int], bool]] = {
    "look": (draw_folder, False),
    "verify": (verify_folders, True),
    "repair": (repair_folder, False),
}
