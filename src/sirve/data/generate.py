"""Simulate what is missing of a dataset, block by block, by as many workers as there are."""

import fcntl
import platform
from collections.abc import Iterator, Mapping
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed

from simulators import SimulationError
from sirve.data.dataset import SPLITS, Dataset, Manifest, shard_name, write_stats
from sirve.data.recipe import Recipe
from sirve.data.shards import write_shard
from sirve.errors import Stopped, UserError
from sirve.files import require_inside, sha256
from sirve.progress import track


def generate(recipe: Recipe, counts: Mapping[str, int], root: Path, workers: int = 1) -> Dataset:
    """The dataset ``root/<name>-<hash>``, at least ``counts`` trajectories of each split.

    What is there already and matches its checksum is kept byte for byte; each shard is written
    whole by the worker that made it, and only then named in the manifest, so that a process killed
    at any moment costs the blocks that were being made. Memory grows with workers and the size of
    a block, not with the dataset. Raises UserError when a trajectory cannot be computed.
    """
    folder = root / recipe.folder
    require_inside(folder, root, "data.root")
    with owned(folder):
        manifest = Manifest.load(folder) or Manifest(recipe.config, recipe.infos, recipe.block)
        missing = [
            (split, number)
            for split in SPLITS
            for number in range(-(-counts[split] // recipe.block))
            if not committed(folder, manifest, shard_name(split, number))
        ]
        if missing:
            make(recipe, folder, manifest, missing, workers)
        dataset = Dataset(folder)
        if missing or not (folder / "stats.yaml").exists():
            write_stats(dataset, counts["train"])
    return dataset


@contextmanager
def owned(folder: Path) -> Iterator[None]:
    """One process at a time: a second one waits, and then finds the work done."""
    folder.mkdir(parents=True, exist_ok=True)
    require_inside(folder / ".lock", folder, "the dataset")
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(
            lock, fcntl.LOCK_EX
        )  # let go by the system when the process ends, killed or not
        _clean(folder)
        yield


def _clean(folder: Path) -> None:
    """Remove what killed processes left half written: whoever owns the folder is alone in it."""
    for pattern in (".*.tmp", "data/*/.*.tmp"):
        for path in folder.glob(pattern):
            path.unlink()


def committed(folder: Path, manifest: Manifest, name: str) -> bool:
    """Whether a shard is there as it was written."""
    path = folder / "data" / name
    return path.is_file() and sha256(path) == manifest.shards.get(name)


def make(
    recipe: Recipe,
    folder: Path,
    manifest: Manifest,
    missing: list[tuple[str, int]],
    workers: int,
) -> None:
    """Simulate blocks (split, number) of a folder that this process owns."""
    for split in SPLITS:
        (folder / "data" / split).mkdir(parents=True, exist_ok=True)
    jobs = (delayed(simulate_block)(recipe, folder, split, number) for split, number in missing)
    parallel = Parallel(
        n_jobs=min(workers, len(missing)), return_as="generator_unordered", pre_dispatch="n_jobs"
    )
    try:
        for name, checksum in track(parallel(jobs), f"simulate {recipe.name}", len(missing)):
            manifest.shards[name] = checksum
            manifest.save(folder)
    except BrokenProcessPool as error:
        raise Stopped(
            f"simulation of {recipe.name} stopped: a worker process was ended from outside (out of "
            "memory?); the same command goes on, data.workers=1 takes the least memory"
        ) from error


def simulate_block(recipe: Recipe, folder: Path, split: str, number: int) -> tuple[str, str]:
    """Simulate and commit one block; returns its shard's name and checksum."""
    family, info = recipe.families[split], recipe.infos[split]
    first = number * recipe.block
    rngs = generators(recipe, split, first, recipe.block)
    try:
        x, drawn = family.simulate(rngs, recipe.dt, recipe.states[split])
    except SimulationError as error:
        raise UserError(_failure(recipe, split, first, error)) from error
    name = shard_name(split, number)
    attributes: dict[str, Any] = {
        "first_trajectory": first,
        "dt": info.dt,
        "walls": info.walls or "none",
        "solver": info.solver,
        "seed": recipe.seed,
        "split": split,
        "versions": [f"{p} {version(p)}" for p in ("sirve", "numpy", "scipy", "h5py")]
        + [f"python {platform.python_version()}"],
    }
    path = folder / "data" / name
    return name, write_shard(path, x, info, family.sim.coordinates, attributes, drawn)


def generators(recipe: Recipe, split: str, first: int, count: int) -> list[np.random.Generator]:
    """One for each of ``count`` trajectories of a split, from number ``first`` on."""
    keys = [(SPLITS.index(split), i) for i in range(first, first + count)]
    return [
        np.random.default_rng(np.random.SeedSequence(recipe.seed, spawn_key=key)) for key in keys
    ]


def _failure(recipe: Recipe, split: str, first: int, error: SimulationError) -> str:
    """Which trajectory failed, and with what parameters."""
    row, family = error.trajectory, recipe.families[split]
    which = f"one of the trajectories {first} to {first + recipe.block - 1}"
    parameters = dict(recipe.infos[split].parameters)
    if row is not None:
        which = f"trajectory {first + row}"
        drawn = family.draw(generators(recipe, split, first + row, 1))
        parameters |= {name: round(float(value[0]), 6) for name, value in drawn.items()}
    listed = ", ".join(f"{name}={value}" for name, value in parameters.items())
    return (
        f"simulation of {recipe.name} failed: {error} (split {split}, {which}, "
        f"data.seed={recipe.seed}, {listed}); change sim.system's parameters or sim.dt"
    )
