"""A dataset on disk: its manifest, its shards, and reading them."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from sirve.data.moments import Moments
from sirve.data.shards import Info, read_drawn, read_shard, rows_of
from sirve.errors import UserError, one_line, shown
from sirve.io.files import read_json, require_inside, sha256, write_text

SPLITS = ("train", "valid", "test")
FORMAT = 2
MANIFEST, STATS = "manifest.json", "stats.yaml"
_REMEDY = "delete its folder to simulate it again"
_AGAIN = "delete it and run the command again"


@dataclass
class Manifest:
    """The table of contents: the configuration, and each committed shard with its checksum."""

    config: dict[str, Any]
    infos: dict[str, Info]  # of each split
    block: int
    shards: dict[str, str] = field(default_factory=dict)  # "train/00000.hdf5" -> sha256
    limits: dict[str, Any] = field(
        default_factory=dict
    )  # of prediction: sirve.data.simulated.limits

    def save(self, folder: Path) -> None:
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
        """The committed shards of a split, in the order of their trajectories."""
        found = [name for name in self.shards if name.startswith(f"{split}/")]
        return sorted(found, key=lambda name: (len(name), name))

    @staticmethod
    def load(folder: Path) -> "Manifest | None":
        """None where there is no dataset yet; UserError for what is damaged or leads elsewhere."""
        require_no_way_out(folder)
        path = folder / MANIFEST
        try:
            content = read_json(path, _REMEDY)
            if content["format"] != FORMAT:
                raise ValueError(f"format {shown(content['format'])}, not {FORMAT}")
            found = Manifest(
                content["config"],
                {split: Info.of(content["infos"][split]) for split in SPLITS},
                content["block"],
                content["shards"],
                content["limits"],
            )
            found._require_sane()
            return found
        except FileNotFoundError:
            return None
        except UserError:
            raise
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path} is damaged: {one_line(str(error))}; {_REMEDY}") from error

    def _require_sane(self) -> None:
        if not isinstance(self.config, dict):
            raise ValueError("config is no object")
        if type(self.block) is not int or not 0 < self.block < 2**31:
            raise ValueError(f"block is {shown(self.block)}, not a positive whole number")
        if not isinstance(self.shards, dict) or not all(
            isinstance(value, str) for value in self.shards.values()
        ):
            raise ValueError("shards is no table of checksums")
        if not isinstance(self.limits, dict):
            raise ValueError("limits is no object")


def require_no_way_out(folder: Path) -> None:
    """Raise UserError where a link in a dataset would have something else read or written.

    One level after the other: what a link leads to is not even listed.
    """
    for pattern in ("*", "data/*", "data/*/*"):
        for path in folder.glob(pattern):
            if path.is_symlink():
                require_inside(path, folder, "the dataset")


def digest(config: dict[str, Any]) -> str:
    """What a dataset's folder is named after."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:10]


def shard_name(split: str, block: int) -> str:
    """The place of block ``block`` in a split's sequence."""
    return f"{split}/{block:05d}.hdf5"


class Dataset:
    """A finished dataset: ``dataset.read("train", 128)`` gives (128, T, *shape)."""

    def __init__(self, folder: Path) -> None:
        manifest = Manifest.load(folder)
        if manifest is None:
            raise UserError(f"{folder} holds no dataset (no {MANIFEST}); simulate it first")
        self.folder, self.manifest = folder, manifest
        self.infos, self.info = manifest.infos, manifest.infos["train"]
        self._whole: set[str] = set()  # shards found to match their checksums

    def count(self, split: str) -> int:
        """Trajectories that are there; the last shard of what was brought may be short."""
        names = self.manifest.names(split)
        if not names:
            return 0
        last = rows_of(self.folder / "data" / names[-1], self.infos[split])
        return (len(names) - 1) * self.manifest.block + last

    def read(self, split: str, count: int) -> np.ndarray:
        """The first ``count`` trajectories of a split, each shard checked against its checksum."""
        return np.concatenate(list(self.blocks(split, count)))

    def blocks(self, split: str, count: int) -> Iterator[np.ndarray]:
        """The same, one shard after the other; UserError for one that is not as it was written."""
        first: tuple[int, ...] | None = None
        for path, rows in self.files(split, count):
            x = read_shard(path, self.infos[split], rows)
            first = first or x.shape[1:]
            if len(x) < rows or x.shape[1:] != first:
                raise UserError(
                    f"{path} holds {x.shape}, not {rows} trajectories as the others have them; "
                    + _AGAIN
                )
            if not np.isfinite(x).all():
                raise UserError(f"{path} holds values that are not finite; {_AGAIN}")
            yield x

    def files(self, split: str, count: int) -> Iterator[tuple[Path, int]]:
        """Each shard's path, found whole, and how many of its trajectories are asked for."""
        block = self.manifest.block
        for number in range(-(-count // block)):
            name = shard_name(split, number)
            path = self.folder / "data" / name
            require_inside(path, self.folder, "the dataset")
            if name not in self._whole:
                if not path.is_file() or sha256(path) != self.manifest.shards.get(name):
                    raise UserError(
                        f"{path} is missing or differs from its checksum; run the command again, "
                        f"or sirve simulate repair {self.folder}"
                    )
                self._whole.add(name)
            yield path, min(block, count - number * block)

    def parameters(self, split: str, count: int) -> dict[str, np.ndarray]:
        """Each number among the system's parameters, for each trajectory, (count,) in float64."""
        found = {}
        plain = self.infos[split].parameters
        for name, value in plain.items():
            if isinstance(value, dict):
                parts = [read_drawn(path, name, rows) for path, rows in self.files(split, count)]
                found[name] = np.concatenate(parts)
            elif isinstance(value, int | float) and not isinstance(value, bool):
                found[name] = np.full(count, float(value))
        return found


class Stats:
    """Mean and deviation of each channel, and of its increments, of all x that were added."""

    def __init__(self) -> None:
        self.states, self.increments = Moments(), Moments()

    def add(self, x: np.ndarray) -> None:
        self.states.add(x)
        self.increments.add(np.diff(x, axis=1))

    def plain(self, channels: tuple[str, ...]) -> dict[str, dict[str, float]]:
        """As stats.yaml holds it, in the words of The Well."""
        rows = {
            "mean": self.states.mean,
            "std": self.states.std,
            "mean_delta": self.increments.mean,
            "std_delta": self.increments.std,
        }
        return {k: dict(zip(channels, v.tolist(), strict=True)) for k, v in rows.items()}


def write_stats(dataset: Dataset) -> None:
    """stats.yaml, of all training trajectories that are there."""
    stats = Stats()
    for name in dataset.manifest.names("train"):
        stats.add(read_shard(dataset.folder / "data" / name, dataset.info))
    content = stats.plain(dataset.info.channels)
    write_text(dataset.folder / STATS, yaml.safe_dump(content, sort_keys=False))
