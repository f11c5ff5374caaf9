"""A dataset on disk: its manifest, its lock, and reading its shards."""

import fcntl
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from sirve.data.info import Info
from sirve.data.moments import StepMoments
from sirve.data.shards import read_parameter, read_shard, rows_of
from sirve.errors import UserError, one_line, printable
from sirve.io.files import read_json, require_inside, sha256, write_text

SPLITS = ("train", "valid", "test")
FORMAT = 2
MANIFEST, STATS = "manifest.json", "stats.yaml"
LOCK, WORKERS = ".lock", ".workers"
_REMEDY = "delete its folder to simulate it again"
_SHARD_REMEDY = "delete it and run the command again"


@dataclass
class Manifest:
    """The table of contents: the configuration, and each complete shard with its checksum."""

    config: dict[str, Any]
    infos: dict[str, Info]  # by split
    block: int
    shards: dict[str, str] = field(default_factory=dict)  # "train/00000.hdf5" -> sha256
    limits: dict[str, Any] = field(default_factory=dict)  # from simulated.limits.measure

    def save(self, folder: Path) -> None:
        """Write manifest.json."""
        content = {
            "format": FORMAT,
            "config": self.config,
            "infos": {split: info.plain() for split, info in self.infos.items()},
            "block": self.block,
            "shards": dict(sorted(self.shards.items())),
            "limits": self.limits,
        }
        write_text(folder / MANIFEST, json.dumps(content, indent=1) + "\n")

    def names(self, split: str) -> list[str]:
        """Return the names of the shards of a split, in the order of their trajectories."""
        found = [name for name in self.shards if name.startswith(f"{split}/")]
        return sorted(found, key=lambda name: (len(name), name))

    @staticmethod
    def load(folder: Path) -> "Manifest | None":
        """Read manifest.json, or return None where there is none.

        Raises UserError if it is damaged, or if a link in the dataset leads out of it.
        """
        require_no_links_out(folder)
        path = folder / MANIFEST
        try:
            content = read_json(path, _REMEDY)
            if content["format"] != FORMAT:
                raise ValueError(f"format {printable(content['format'])}, not {FORMAT}")
            found = Manifest(
                content["config"],
                {split: Info.of(content["infos"][split]) for split in SPLITS},
                content["block"],
                content["shards"],
                content["limits"],
            )
            found._require_types()
            return found
        except FileNotFoundError:
            return None
        except UserError:
            raise
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path} is damaged: {one_line(str(error))}; {_REMEDY}") from error

    def _require_types(self) -> None:
        if not isinstance(self.config, dict):
            raise ValueError("config is no object")
        if type(self.block) is not int or not 0 < self.block < 2**31:
            raise ValueError(f"block is {printable(self.block)}, not a positive whole number")
        if not isinstance(self.shards, dict) or not all(
            isinstance(value, str) for value in self.shards.values()
        ):
            raise ValueError("shards is no table of checksums")
        if not isinstance(self.limits, dict):
            raise ValueError("limits is no object")


def require_no_links_out(folder: Path) -> None:
    """Raise UserError for a link in a dataset that leads out of it.

    One level is checked after the other, so that the target of a link is not even listed.
    """
    for pattern in ("*", "data/*", "data/*/*"):
        for path in folder.glob(pattern):
            if path.is_symlink():
                require_inside(path, folder, "the dataset")


def digest(config: dict[str, Any]) -> str:
    """Return the hash of a configuration, which ends the name of the dataset's folder."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:10]


def shard_name(split: str, block: int) -> str:
    """Return the name of the shard that holds block number ``block`` of a split."""
    return f"{split}/{block:05d}.hdf5"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Let one process at a time write to ``folder``; a second one waits until it is done.

    The system releases both locks when a process ends, even if it is killed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in (LOCK, WORKERS):
        require_inside(folder / name, folder, "the dataset")
    with (folder / LOCK).open("w") as lock, (folder / WORKERS).open("w") as workers:
        fcntl.flock(lock, fcntl.LOCK_EX)
        fcntl.flock(workers, fcntl.LOCK_EX)  # workers of a killed process may still run
        _remove_temporary(folder)
        fcntl.flock(workers, fcntl.LOCK_UN)
        yield


def _remove_temporary(folder: Path) -> None:
    """Remove files that killed processes left half written; the folder must be locked."""
    for pattern in (".*.tmp", "data/*/.*.tmp"):
        for path in folder.glob(pattern):
            path.unlink()


def is_intact(folder: Path, manifest: Manifest, name: str) -> bool:
    """Return whether a shard exists and matches its checksum in the manifest."""
    path = folder / "data" / name
    return path.is_file() and sha256(path) == manifest.shards.get(name)


class Dataset:
    """A finished dataset: ``dataset.read("train", 128)`` gives (128, T, *shape)."""

    def __init__(self, folder: Path) -> None:
        manifest = Manifest.load(folder)
        if manifest is None:
            raise UserError(f"{folder} holds no dataset (no {MANIFEST}); simulate it first")
        self.folder, self.manifest = folder, manifest
        self.infos, self.info = manifest.infos, manifest.infos["train"]
        self._intact: set[str] = set()  # shards that matched their checksums

    def count(self, split: str) -> int:
        """Return the number of trajectories; the last shard of imported data may be short."""
        names = self.manifest.names(split)
        if not names:
            return 0
        last = rows_of(self.folder / "data" / names[-1], self.infos[split])
        return (len(names) - 1) * self.manifest.block + last

    def read(self, split: str, count: int) -> np.ndarray:
        """Read the first ``count`` trajectories of a split, (count, T, *shape).

        Raises UserError for a shard that differs from its checksum or from the other shards.
        """
        return np.concatenate(list(self.blocks(split, count)))

    def blocks(self, split: str, count: int) -> Iterator[np.ndarray]:
        """Yield what ``read`` returns, one shard after the other."""
        first: tuple[int, ...] | None = None
        for path, rows in self.files(split, count):
            x = read_shard(path, self.infos[split], rows)
            first = first or x.shape[1:]
            if len(x) < rows or x.shape[1:] != first:
                raise UserError(
                    f"{path} has the shape {x.shape}, not {rows} trajectories like those of the "
                    f"other shards; {_SHARD_REMEDY}"
                )
            if not np.isfinite(x).all():
                raise UserError(f"{path} holds values that are not finite; {_SHARD_REMEDY}")
            yield x

    def files(self, split: str, count: int) -> Iterator[tuple[Path, int]]:
        """Yield each shard's path, once its checksum matches, and how many trajectories to read."""
        block = self.manifest.block
        for number in range(-(-count // block)):
            name = shard_name(split, number)
            path = self.folder / "data" / name
            require_inside(path, self.folder, "the dataset")
            if name not in self._intact:
                if not is_intact(self.folder, self.manifest, name):
                    raise UserError(
                        f"{path} is missing or differs from its checksum; run the command again, "
                        f"or sirve simulate repair {self.folder}"
                    )
                self._intact.add(name)
            yield path, min(block, count - number * block)

    def parameters(self, split: str, count: int) -> dict[str, np.ndarray]:
        """Return each numeric parameter of the system, by trajectory, (count,) in float64."""
        found = {}
        for name, value in self.infos[split].parameters.items():
            if isinstance(value, dict):
                parts = [
                    read_parameter(path, name, rows) for path, rows in self.files(split, count)
                ]
                found[name] = np.concatenate(parts)
            elif isinstance(value, int | float) and not isinstance(value, bool):
                found[name] = np.full(count, float(value))
        return found


def write_stats(dataset: Dataset) -> None:
    """Write stats.yaml from all training trajectories that are there."""
    stats = StepMoments()
    for name in dataset.manifest.names("train"):
        stats.add(read_shard(dataset.folder / "data" / name, dataset.info))
    content = stats.plain(dataset.info.channels)
    write_text(dataset.folder / STATS, yaml.safe_dump(content, sort_keys=False))
