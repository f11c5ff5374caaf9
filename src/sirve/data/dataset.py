"""A dataset on disk: its manifest, its shards, and reading them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from sirve.data.shards import Info, read_shard
from sirve.errors import UserError
from sirve.files import sha256, write_text

SPLITS = ("train", "valid", "test")
FORMAT = 1


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
        """None where there is no dataset yet."""
        path = folder / "manifest.json"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["format"] != FORMAT:
                raise ValueError(f"format {content['format']}, not {FORMAT}")
            info = Info.of(content["info"])
            return Manifest(content["config"], info, content["block"], content["shards"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{path} is damaged ({error}); delete its folder to simulate it again"
            ) from error


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
            if not path.exists() or sha256(path) != self.manifest.shards.get(name):
                raise UserError(
                    f"{path} is missing or differs from its checksum; delete it and run again"
                )
            rows = min(self.manifest.block, count - block * self.manifest.block)
            parts.append(read_shard(path, self.info, rows))
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
