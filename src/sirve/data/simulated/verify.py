"""Check a dataset against its checksums and its manifest, and name all damage."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sirve.data.dataset import LOCK, MANIFEST, SPLITS, STATS, WORKERS, Dataset, digest, shard_name
from sirve.data.info import Info
from sirve.data.moments import StepMoments
from sirve.data.shards import read_parameter, read_shard
from sirve.errors import UserError, one_line, printable
from sirve.io.files import read_yaml, sha256

PICTURES = "look"  # folder of the pictures of a dataset
CLOSE = 1e-9  # standard deviations; moments differ between machines in their last digits
_SHARD = re.compile(r"(train|valid|test)/(\d{5,6})\.hdf5")


@dataclass(frozen=True)
class Damage:
    """One damaged file: its name within the dataset, and a line that describes the damage."""

    name: str
    line: str

    @property
    def block(self) -> tuple[str, int] | None:
        """Split and number of a damaged shard, else None."""
        return block_of(self.name.removeprefix("data/"))

    @property
    def temporary(self) -> bool:
        """True for a file that a killed process left half written."""
        return self.name.endswith(".tmp")


def block_of(name: str) -> tuple[str, int] | None:
    """Return split and number of the shard ``name``, None for the name of no shard."""
    found = _SHARD.fullmatch(name)
    return (
        (found[1], int(found[2])) if found and shard_name(found[1], int(found[2])) == name else None
    )


def verify(folder: Path) -> Iterator[Damage]:
    """Yield all damage of a dataset, with one shard in memory at a time; nothing is changed.

    Raises UserError if there is no dataset.
    """
    try:
        dataset = Dataset(folder)
    except UserError as error:
        if not (folder / MANIFEST).exists():
            raise
        yield Damage(MANIFEST, str(error))
        return
    yield from _manifest(dataset)
    yield from _strays(dataset)
    stats: StepMoments | None = StepMoments()
    for split in SPLITS:
        first: tuple[int, ...] | None = None
        names = dataset.manifest.names(split)
        for name in filter(block_of, names):
            x = None  # frees the previous shard before the next is read
            try:
                x = _shard(dataset, split, name, first, last=name == names[-1])
            except UserError as error:
                yield Damage(f"data/{name}", str(error))
                stats = None if split == "train" else stats
                continue
            first = first or x.shape[1:]
            if split == "train" and stats:
                stats.add(x)
    yield from _stats(dataset, stats)


def _manifest(dataset: Dataset) -> Iterator[Damage]:
    """Yield contradictions in the manifest, and blocks that are missing in it."""
    manifest, path = dataset.manifest, dataset.folder / MANIFEST
    config = manifest.config
    named = re.fullmatch(r".+-([0-9a-f]{10})", dataset.folder.resolve().name)
    if named and digest(config) != named[1]:
        yield Damage(MANIFEST, f"{path}: its configuration does not match the folder's name")
    parameters = config.get("parameters")
    declared = parameters if isinstance(parameters, dict) else {}
    for split, info in dataset.infos.items():
        for key, value, expected in (
            ("parameters", info.parameters, declared.get(split, info.parameters)),
            ("dt", info.dt, config.get("dt", info.dt)),
            ("block", manifest.block, config.get("block", manifest.block)),
        ):
            if value != expected:
                yield Damage(MANIFEST, f"{path}: {key} of {split} differs from its configuration")
    for name in manifest.shards:
        if block_of(name) is None:
            yield Damage(
                MANIFEST, f"{path} lists {printable(name)}, which is not the name of a shard"
            )
    for split in SPLITS:
        there = {block[1] for name in manifest.names(split) if (block := block_of(name))}
        for number in range(max(there, default=-1)):
            if number not in there:
                name = f"data/{shard_name(split, number)}"
                yield Damage(
                    name, f"{dataset.folder / name} is not in the manifest, others after it are"
                )


def _strays(dataset: Dataset) -> Iterator[Damage]:
    """Yield the files that do not belong to the dataset."""
    known = {MANIFEST, STATS, LOCK, WORKERS, *(f"data/{name}" for name in dataset.manifest.shards)}
    for path in sorted(dataset.folder.rglob("*")):
        name = path.relative_to(dataset.folder).as_posix()
        if (
            name in known
            or name.startswith(f"{PICTURES}/")
            or (path.is_dir() and not path.is_symlink())
        ):
            continue
        why = "was left half written" if name.endswith(".tmp") else "is not in the manifest"
        yield Damage(name, f"{one_line(str(path))} {why}")


def _shard(
    dataset: Dataset, split: str, name: str, like: tuple[int, ...] | None, last: bool
) -> np.ndarray:
    """Read a shard's trajectories, each of shape ``like``; raises UserError for any damage."""
    path, info = dataset.folder / "data" / name, dataset.infos[split]
    if not path.is_file():
        raise UserError(f"{path} is missing")
    if sha256(path) != dataset.manifest.shards[name]:
        raise UserError(f"{path} differs from its checksum ({path.stat().st_size} bytes)")
    x = read_shard(path, info)
    block, config = dataset.manifest.block, dataset.manifest.config
    short = last and "seed" not in config  # imported data may end in a short block
    if not (0 < len(x) <= block if short else len(x) == block):
        raise UserError(f"{path} holds {len(x)} trajectories, not {block}")
    states = _states(config, split)
    if like is None and states is not None:
        like = (states, *info.shape)
    if like is not None and x.shape[1:] != like:
        raise UserError(f"{path}: trajectories of shape {x.shape[1:]}, expected {like}")
    _require_finite(path, x, info)
    for parameter, value in info.parameters.items():
        if (
            isinstance(value, dict)
            and not np.isfinite(read_parameter(path, parameter, len(x))).all()
        ):
            raise UserError(f"{path} holds a parameter {printable(parameter)} that is not finite")
    return x


def _states(config: dict[str, Any], split: str) -> int | None:
    """Return the states of a trajectory, None if the configuration does not say."""
    states = config.get("states")
    found = states.get(split) if isinstance(states, dict) else None
    return found if type(found) is int else None


def _require_finite(path: Path, x: np.ndarray, info: Info) -> None:
    finite = np.isfinite(x)
    if not finite.all():
        row, state, channel = np.unravel_index(int(np.argmin(finite)), x.shape)[:3]
        raise UserError(
            f"{path} holds values that are not finite, the first in trajectory {row} of the "
            f"shard, state {state}, channel {info.channels[channel]}"
        )


def _stats(dataset: Dataset, stats: StepMoments | None) -> Iterator[Damage]:
    """Check that stats.yaml exists and, if all training shards are intact, matches them."""
    path = dataset.folder / STATS
    try:
        found = read_yaml(path)
    except FileNotFoundError:
        yield Damage(STATS, f"{path} is missing: the dataset was not finished, or lost the file")
        return
    except UserError as error:
        yield Damage(STATS, str(error))
        return
    if stats is None or not stats.states.count:
        return
    expected = stats.plain(dataset.info.channels)
    if not _close(found, expected):
        yield Damage(STATS, f"{path} does not match the training data")


def _close(found: Any, expected: dict[str, dict[str, float]]) -> bool:
    if not isinstance(found, dict) or found.keys() != expected.keys():
        return False
    for row, values in expected.items():
        other = found[row]
        if not isinstance(other, dict) or other.keys() != values.keys():
            return False
        for channel, value in values.items():
            if type(other[channel]) not in (int, float):
                return False
            if not abs(other[channel] - value) <= CLOSE * expected["std"][channel]:
                return False
    return True
