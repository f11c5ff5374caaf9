"""Simulate the missing blocks of a dataset, in parallel."""

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
from sirve.data.dataset import (
    MANIFEST,
    SPLITS,
    STATS,
    WORKERS,
    Dataset,
    Manifest,
    is_intact,
    locked,
    shard_name,
    write_stats,
)
from sirve.data.shards import write_shard
from sirve.data.simulated.recipe import Recipe
from sirve.errors import Stopped, UserError, warn
from sirve.io.files import require_inside
from sirve.io.progress import track
from sirve.runs.signals import blocked, end_with_parent, unblock_sigterm


def generate(recipe: Recipe, counts: Mapping[str, int], root: Path, workers: int = 1) -> Dataset:
    """Return the dataset ``root/<name>-<hash>`` with at least ``counts`` trajectories by split.

    Existing shards that match their checksums are kept byte for byte. Each shard is written by the
    worker that made it and only then listed in the manifest, so a process that is killed at any
    moment loses only the blocks in work. Memory grows with ``workers`` and the size of a block,
    not with the dataset. Raises UserError if a trajectory cannot be computed.
    """
    folder = root / recipe.folder
    require_inside(folder, root, "data.root")
    with locked(folder):
        manifest = Manifest.load(folder) or Manifest(recipe.config, recipe.infos, recipe.block)
        if manifest.config != recipe.config:
            raise UserError(
                f"{folder / MANIFEST} is of another dataset; delete the folder to simulate it again"
            )
        missing = [
            (split, number)
            for split in SPLITS
            for number in range(-(-counts[split] // recipe.block))
            if not is_intact(folder, manifest, shard_name(split, number))
        ]
        if any(split == "train" for split, _ in missing):
            (folder / STATS).unlink(missing_ok=True)  # first: it must never describe fewer shards
        if missing:
            _make_missing(recipe, folder, manifest, missing, workers)
        dataset = Dataset(folder)
        if not (folder / STATS).exists():
            write_stats(dataset)
    return dataset


def _make_missing(
    recipe: Recipe,
    folder: Path,
    manifest: Manifest,
    missing: list[tuple[str, int]],
    workers: int,
) -> None:
    """Make the missing shards, and list each in the manifest once it is written."""
    before = dict(manifest.shards)
    for name in (shard_name(*block) for block in missing):
        if name in before:
            warn(f"{folder / 'data' / name} is damaged or missing; it is made again")
    for name, checksum in make(recipe, folder, missing, workers):
        if before.get(name, checksum) != checksum:
            warn(
                f"{folder / 'data' / name} has other bits than before, from other library versions"
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
    """Simulate blocks (split, number) of a folder that this process has locked.

    Yields the name and checksum of each shard as it is done. A shard is put in place only if its
    checksum is the one that ``expected`` holds for its name, if any.
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
        max_nbytes=None,  # keep arrays out of /dev/shm, where a killed process would leave them
        initializer=_start_worker,
        initargs=(os.getpid(),),
    )
    # An interrupt is reported in one line elsewhere; joblib would add a warning of lost tasks.
    warnings.filterwarnings("ignore", r"\d+ tasks (which were|have been)", UserWarning)
    try:
        if parallel.n_jobs > 1:
            # Starting it unblocks signals, so start it before they are blocked for the workers.
            with blocked():
                resource_tracker.ensure_running()
        with blocked():
            done = parallel(jobs)
        yield from track(done, f"simulate {recipe.name}", len(blocks))
    except BrokenProcessPool as error:
        raise Stopped(
            f"simulation of {recipe.name} stopped: a worker process was ended from outside (out of "
            "memory?); the same command resumes, data.workers=1 takes the least memory"
        ) from error


def simulate_block(
    recipe: Recipe, folder: Path, split: str, number: int, expected: str | None = None
) -> tuple[str, str]:
    """Simulate one block and write its shard; returns the shard's name and checksum."""
    family, info = recipe.families[split], recipe.infos[split]
    first = number * recipe.block
    rngs = generators(recipe, split, first, recipe.block)
    with _worker_lock(folder):
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


_leader: int | None = None  # in a worker: the process that started it


def _start_worker(leader: int) -> None:
    """Prepare a worker process: it ends with its leader, and on SIGTERM."""
    global _leader
    _leader = leader
    end_with_parent(leader)
    unblock_sigterm()


@contextmanager
def _worker_lock(folder: Path) -> Iterator[None]:
    """Keep the folder locked while a worker writes, even if its leader is killed."""
    with (folder / WORKERS).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        if _leader not in (None, os.getppid()):
            os._exit(1)  # the leader was killed, and another process may have the folder now
        yield


def versions() -> list[str]:
    """Return the versions of the packages that determine the bits of a shard."""
    packages = [f"{name} {version(name)}" for name in ("sirve", "numpy", "scipy", "h5py")]
    return [*packages, f"python {platform.python_version()}"]


def generators(recipe: Recipe, split: str, first: int, count: int) -> list[np.random.Generator]:
    """Return random generators for ``count`` trajectories of a split, from number ``first`` on."""
    keys = [(SPLITS.index(split), i) for i in range(first, first + count)]
    return [
        np.random.default_rng(np.random.SeedSequence(recipe.seed, spawn_key=key)) for key in keys
    ]


def _failure(recipe: Recipe, split: str, first: int, error: SimulationError) -> str:
    """Return the message for a failed simulation: which trajectory, with which parameters."""
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
