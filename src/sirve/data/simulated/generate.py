"""Simulate what is missing of a dataset, block by block, by as many workers as there are."""

import fcntl
import os
import platform
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from importlib.metadata import version
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed

from simulators import SimulationError
from sirve.data.dataset import MANIFEST, SPLITS, STATS, Dataset, Manifest, shard_name, write_stats
from sirve.data.shards import write_shard
from sirve.data.simulated.recipe import Recipe
from sirve.errors import Stopped, UserError, warn
from sirve.io.files import require_inside, sha256
from sirve.io.progress import track
from sirve.runs.signals import blocked, end_with_parent, unblock_sigterm

LOCK, WORKERS = ".lock", ".workers"


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
        if manifest.config != recipe.config:
            raise UserError(
                f"{folder / MANIFEST} is another dataset's; delete the folder to simulate it again"
            )
        missing = [
            (split, number)
            for split in SPLITS
            for number in range(-(-counts[split] // recipe.block))
            if not committed(folder, manifest, shard_name(split, number))
        ]
        if any(split == "train" for split, _ in missing):
            (folder / STATS).unlink(missing_ok=True)  # before it can be of less than is there
        if missing:
            _fill(recipe, folder, manifest, missing, workers)
        dataset = Dataset(folder)
        if not (folder / STATS).exists():
            write_stats(dataset)
    return dataset


@contextmanager
def owned(folder: Path) -> Iterator[None]:
    """One process at a time: a second one waits, and then finds the work done.

    The system lets go of both locks when a process ends, killed or not.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in (LOCK, WORKERS):
        require_inside(folder / name, folder, "the dataset")
    with (folder / LOCK).open("w") as lock, (folder / WORKERS).open("w") as workers:
        fcntl.flock(lock, fcntl.LOCK_EX)
        fcntl.flock(workers, fcntl.LOCK_EX)  # a killed process may have left some at work
        _clean(folder)
        fcntl.flock(workers, fcntl.LOCK_UN)
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


def _fill(
    recipe: Recipe,
    folder: Path,
    manifest: Manifest,
    missing: list[tuple[str, int]],
    workers: int,
) -> None:
    """Make what is missing, and name each shard in the manifest once it is there."""
    before = dict(manifest.shards)
    for name in (shard_name(*block) for block in missing):
        if name in before:
            warn(f"{folder / 'data' / name} is damaged or missing; it is made again")
    for name, checksum in make(recipe, folder, missing, workers):
        if before.get(name, checksum) != checksum:
            warn(
                f"{folder / 'data' / name} has other bits than it had, from other library versions"
            )
        manifest.shards[name] = checksum
        manifest.save(folder)


def make(
    recipe: Recipe,
    folder: Path,
    blocks: Sequence[tuple[str, int]],
    workers: int,
    expected: Mapping[str, str] | None = None,
) -> Iterator[tuple[str, str]]:
    """Simulate blocks (split, number) of a folder that this process owns.

    Gives the name and the checksum of each shard, in the order in which they are done. What has
    another checksum than is ``expected`` of that name is not put in place.
    """
    for split in SPLITS:
        (folder / "data" / split).mkdir(parents=True, exist_ok=True)
    jobs = (
        delayed(simulate_block)(recipe, folder, *block, (expected or {}).get(shard_name(*block)))
        for block in blocks
    )
    parallel = Parallel(
        n_jobs=min(workers, len(blocks)),
        return_as="generator_unordered",
        pre_dispatch="n_jobs",
        max_nbytes=None,  # no arrays in /dev/shm, where a killed process would leave them
        initializer=_serve,
        initargs=(os.getpid(),),
    )
    # Who stops it is told so in one line; joblib would add that work is lost.
    warnings.filterwarnings("ignore", r"\d+ tasks (which were|have been)", UserWarning)
    try:
        if parallel.n_jobs > 1:
            # It lets signals through again that were held back; done before, not meanwhile.
            with blocked():
                resource_tracker.ensure_running()
        with blocked():
            done = parallel(jobs)
        yield from track(done, f"simulate {recipe.name}", len(blocks))
    except BrokenProcessPool as error:
        raise Stopped(
            f"simulation of {recipe.name} stopped: a worker process was ended from outside (out of "
            "memory?); the same command goes on, data.workers=1 takes the least memory"
        ) from error


def simulate_block(
    recipe: Recipe, folder: Path, split: str, number: int, expected: str | None = None
) -> tuple[str, str]:
    """Simulate and commit one block; returns its shard's name and checksum."""
    family, info = recipe.families[split], recipe.infos[split]
    first = number * recipe.block
    rngs = generators(recipe, split, first, recipe.block)
    with _at_work(folder):
        try:
            x, drawn = family.simulate(rngs, recipe.dt, recipe.states[split])
        except SimulationError as error:
            raise UserError(_failure(recipe, split, first, error)) from error
        name = shard_name(split, number)
        attributes: dict[str, Any] = {
            "first_trajectory": first,
            "dt": info.dt,
            "walls": info.boundary or "none",
            "solver": info.solver,
            "seed": recipe.seed,
            "split": split,
            "versions": versions(),
        }
        coordinates = family.sim.coordinates
        path = folder / "data" / name
        return name, write_shard(path, x, info, coordinates, attributes, drawn, expected)


_leader: int | None = None  # the process that this one works for, where it is a worker


def _serve(leader: int) -> None:
    """What a worker does first."""
    global _leader
    _leader = leader
    end_with_parent(leader)
    unblock_sigterm()


@contextmanager
def _at_work(folder: Path) -> Iterator[None]:
    """Nobody else takes the folder meanwhile, even where the process that owns it is killed."""
    with (folder / WORKERS).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        if _leader not in (None, os.getppid()):
            os._exit(1)  # it was killed, and somebody else may own the folder by now
        yield


def versions() -> list[str]:
    """Of what makes the bits of a shard."""
    packages = [f"{name} {version(name)}" for name in ("sirve", "numpy", "scipy", "h5py")]
    return [*packages, f"python {platform.python_version()}"]


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
        drawn = family.sample(generators(recipe, split, first + row, 1))
        parameters |= {name: round(float(value[0]), 6) for name, value in drawn.items()}
    listed = ", ".join(f"{name}={value}" for name, value in parameters.items())
    return (
        f"simulation of {recipe.name} failed: {error} (split {split}, {which}, "
        f"data.seed={recipe.seed}, {listed}); change sim.system's parameters or sim.dt"
    )
