"""A dataset on disk: its manifest, its shards, and reading them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from sirve.data.shards import Info, read_shard
from sirve.errors import UserError, one_line, shown
from sirve.files import read_json, require_inside, sha256, write_text

SPLITS = ("train", "valid", "test")
FORMAT = 1
_REMEDY = "delete its folder to simulate it again"


@dataclass
class Manifest:
    """The table of contents: the configuration, and each committed shard with its checksum."""

    config: dict[str, Any]
    info: Info
    block: int
    shards: dict[str, str]  # "train/00000.hdf5" -> sha256

    def save(self, folder: Path) -> None:
        content = {
            "format": FORMAT,
            "config": self.config,
            "info": self.info.plain(),
            "block": self.block,
            "shards": dict(sorted(self.shards.items())),
        }
        write_text(folder / "manifest.json", json.dumps(content, indent=1) + "\n")

    @staticmethod
    def load(folder: Path) -> "Manifest | None":
        """None where there is no dataset yet; UserError for what is damaged or leads elsewhere."""
        require_no_way_out(folder)
        path = folder / "manifest.json"
        try:
            content = read_json(path, _REMEDY)
            if content["format"] != FORMAT:
                raise ValueError(f"format {shown(content['format'])}, not {FORMAT}")
            found = Manifest(
                content["config"], Info.of(content["info"]), content["block"], content["shards"]
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


def require_no_way_out(folder: Path) -> None:
    """Raise UserError where a link in a dataset would have something else read or written.

    One level after the other: what a link leads to is not even listed.
    """
    for pattern in ("*", "data/*", "data/*/*"):
        for path in folder.glob(pattern):
            if path.is_symlink():
                require_inside(path, folder, "the dataset")


def shard_name(split: str, block: int) -> str:
    """The place of block ``block`` in a split's sequence."""
    return f"{split}/{block:05d}.hdf5"


class Dataset:
    """A finished dataset: ``dataset.read("train", 128)`` gives (128, T, *shape)."""

    def __init__(self, folder: Path) -> None:
        manifest = Manifest.load(folder)
        if manifest is None:
            raise UserError(f"{folder} holds no dataset (no manifest.json); simulate it first")
        self.folder, self.manifest, self.info = folder, manifest, manifest.info

    def read(self, split: str, count: int) -> np.ndarray:
        """The first ``count`` trajectories of a split, each shard checked against its checksum."""
        blocks = -(-count // self.manifest.block)
        parts = []
        for block in range(blocks):
            name = shard_name(split, block)
            path = self.folder / "data" / name
            require_inside(path, self.folder, "the dataset")
            if not path.is_file() or sha256(path) != self.manifest.shards.get(name):
                raise UserError(
                    f"{path} is missing or differs from its checksum; delete it and run again"
                )
            rows = min(self.manifest.block, count - block * self.manifest.block)
            parts.append(read_shard(path, self.info, rows))
            if len(parts[-1]) < rows or parts[-1].shape[1:] != parts[0].shape[1:]:
                raise UserError(
                    f"{path} holds {parts[-1].shape}, not {rows} trajectories as the others have "
                    "them; delete the dataset's folder to simulate it again"
                )
        return np.concatenate(parts)


def write_stats(folder: Path, info: Info, train: np.ndarray) -> None:
    """stats.yaml as The Well has it: mean and deviation of each channel and of its increments."""
    axes = tuple(i for i in range(train.ndim) if i != 2)
    delta = np.diff(train, axis=1)
    rows = {
        "mean": train.mean(axes, dtype=np.float64),
        "std": train.std(axes, dtype=np.float64),
        "mean_delta": delta.mean(axes, dtype=np.float64),
        "std_delta": delta.std(axes, dtype=np.float64),
    }
    content = {k: dict(zip(info.channels, v.tolist(), strict=True)) for k, v in rows.items()}
    write_text(folder / "stats.yaml", yaml.safe_dump(content, sort_keys=False))
