"""Simulate what is missing of a dataset, block by block, by as many workers as there are.

Trajectory i of a split draws from ``SeedSequence(seed, spawn_key=(split, i))`` and blocks of a
constant size are integrated whole, so the bits of a trajectory depend on the configuration, the
block size, the library versions, the split and i: not on workers, or on how many were asked for.
"""

import fcntl
import hashlib
import json
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed

from simulators import SimulationError, Simulator
from sirve.data.dataset import SPLITS, Dataset, Manifest, shard_name, write_stats
from sirve.data.shards import Info, write_shard
from sirve.errors import UserError
from sirve.files import require_inside, require_name, sha256
from sirve.progress import track
from sirve.provenance import code_of


def describe(name: str, sim: Simulator, dt: float) -> Info:
    """What the dataset will say of itself; the unit of time is 1/lambda, a period, or a step."""
    try:
        exponent = sim.lyapunov
    except SimulationError as error:
        raise UserError(
            f"sim.system: the Lyapunov exponent of {name} cannot be computed ({error}); "
            "change its parameters"
        ) from error
    if exponent is not None:
        time_unit, unit = "lyapunov time", 1 / exponent
    elif sim.period is not None:
        time_unit, unit = "period", sim.period
    else:
        time_unit, unit = "step", dt
    return Info(
        name=name,
        shape=sim.shape,
        channels=tuple(c.name for c in sim.channels),
        units=tuple(c.unit for c in sim.channels),
        walls=sim.walls,
        dt=dt,
        time_unit=time_unit,
        unit=unit,
        solver=sim.solver,
        parameters={k: _plain(v, getattr(type(sim), k, None)) for k, v in sim.parameters.items()},
    )


def _plain(value: Any, default: Any) -> Any:
    """As JSON holds it; 28 for a parameter that is a real number is 28.0, the same dataset."""
    if isinstance(default, float) and isinstance(value, int):
        return float(value)
    return json.loads(json.dumps(value))


def generate(
    sim: Simulator,
    info: Info,
    states: Mapping[str, int],
    counts: Mapping[str, int],
    root: Path,
    seed: int = 0,
    block: int = 32,
    workers: int = 1,
) -> Dataset:
    """The dataset ``root/<name>-<hash>``, at least ``counts`` trajectories of ``states`` states.

    The hash covers everything but the counts; what is there already and matches its checksum is
    kept byte for byte. Raises UserError when a trajectory cannot be computed.
    """
    config = {
        "system": f"{type(sim).__module__}.{type(sim).__qualname__}",
        "code": code_of(type(sim)),
        "parameters": info.parameters,
        "dt": float(info.dt),
        "transient": sim.transient,
        "states": {split: states[split] for split in SPLITS},
        "seed": seed,
        "block": block,
    }
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()
    folder = root / f"{info.name}-{digest[:10]}"
    require_name(info.name)
    require_inside(folder, root, "data.root")
    with owned(folder):
        manifest = Manifest.load(folder) or Manifest(config, info, block, {})
        missing = [
            (split, number)
            for split in SPLITS
            for number in range(-(-counts[split] // block))
            if not committed(folder, manifest, shard_name(split, number))
        ]
        if missing:
            _simulate(sim, info, states, folder, manifest, missing, seed, workers)
        dataset = Dataset(folder)
        if missing or not (folder / "stats.yaml").exists():
            write_stats(folder, info, dataset.read("train", counts["train"]))
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
        yield


def committed(folder: Path, manifest: Manifest, name: str) -> bool:
    """Whether a shard is there as the manifest has it."""
    path = folder / "data" / name
    return path.exists() and sha256(path) == manifest.shards.get(name)


def _simulate(
    sim: Simulator,
    info: Info,
    states: Mapping[str, int],
    folder: Path,
    manifest: Manifest,
    missing: list[tuple[str, int]],
    seed: int,
    workers: int,
) -> None:
    for split in SPLITS:
        (folder / "data" / split).mkdir(parents=True, exist_ok=True)
    jobs = (
        delayed(simulate_block)(
            sim, info, folder, split, number, states[split], seed, manifest.block
        )
        for split, number in missing
    )
    parallel = Parallel(n_jobs=min(workers, len(missing)), return_as="generator_unordered")
    for name, checksum in track(parallel(jobs), f"simulate {info.name}", len(missing)):
        manifest.shards[name] = checksum
        manifest.save(folder)


def simulate_block(
    sim: Simulator,
    info: Info,
    folder: Path,
    split: str,
    number: int,
    states: int,
    seed: int,
    block: int,
) -> tuple[str, str]:
    """Simulate and commit one block; returns its shard's name and checksum."""
    first = number * block
    keys = [(SPLITS.index(split), i) for i in range(first, first + block)]
    rngs = [np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key)) for key in keys]
    try:
        x = sim.simulate(rngs, info.dt, states)
    except SimulationError as error:
        raise UserError(
            f"simulation of {info.name} failed: {error} (split {split}, trajectories {first} to "
            f"{first + block - 1}, data.seed={seed}); change sim.system's parameters or sim.dt"
        ) from error
    name = shard_name(split, number)
    attributes: dict[str, Any] = {
        "first_trajectory": first,
        "dt": info.dt,
        "walls": info.walls or "none",
        "solver": info.solver,
        "seed": seed,
        "split": split,
        "versions": [f"{p} {version(p)}" for p in ("sirve", "numpy", "scipy", "h5py")]
        + [f"python {platform.python_version()}"],
    }
    checksum = write_shard(folder / "data" / name, x, info, sim.coordinates, attributes)
    return name, checksum
