"""A user's data as a source of trajectories, which is checked and copied into shards."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from sirve.data.dataset import (
    SPLITS,
    STATS,
    Dataset,
    Manifest,
    digest,
    is_intact,
    locked,
    shard_name,
    write_stats,
)
from sirve.data.info import Info
from sirve.data.own.stack import Part
from sirve.data.own.survey import survey
from sirve.data.shards import write_shard
from sirve.data.source import Wanted
from sirve.errors import UserError
from sirve.io.files import require_inside
from sirve.io.progress import track

BLOCK = 4_000_000  # most numbers of a shard of more than one trajectory


@dataclass(frozen=True)
class Imported:
    """A source of trajectories without equations; see ``Source`` for the methods."""

    info: Info
    parts: Mapping[str, Part]
    content: str  # sha256 of the user's data
    notes: tuple[str, ...]  # on what was understood

    @property
    def code(self) -> type:
        return type(self)

    @property
    def infos(self) -> Mapping[str, Info]:
        return dict.fromkeys(SPLITS, self.info)

    def invariants(self, parameters: Mapping[str, np.ndarray]) -> None:
        return None

    @property
    def scene(self) -> None:
        return None

    def sample(self, states: int) -> np.ndarray | None:
        return None

    def limits(self, dataset: Dataset) -> dict[str, Any]:
        return {}

    def completed(self, sim: Mapping[str, Any], stride: int) -> dict[str, Any]:
        """Return the group ``sim`` with each null size replaced by all there is.

        Raises UserError for more than there is.
        """
        context = sim["context"]
        if type(context) is not int or context < 1:
            raise UserError(f"sim.context={context} must be a whole number, at least 1")
        found = {**sim, "dt": self.info.dt}
        for key, name, skipped in (
            ("states", "train", 0),
            ("valid_steps", "valid", context),
            ("steps", "test", context),
        ):
            available = (self.parts[name].states - 1) // stride + 1 - skipped
            if available < 1:
                raise UserError(
                    f"{self.info.name}: {name} has {available + skipped} states a trajectory, none "
                    f"beyond sim.context={context}; lower it, import longer ones, or name other "
                    f"sim.axes ({self.notes[0]})"
                )
            found[key] = _at_most(f"sim.{key}", sim[key], available)
        counts = sim["trajectories"]
        if counts is None or isinstance(counts, dict):
            found["trajectories"] = {
                name: _at_most(f"sim.trajectories.{name}", (counts or {}).get(name), part.count)
                for name, part in self.parts.items()
            }
        return found

    def digest(self, wanted: Wanted) -> str:
        return self._folder(wanted).name

    def inspect(self, wanted: Wanted) -> list[str]:
        """Check every number before it is copied; return the notes and a table of ranges."""
        lines = list(self.notes)
        for name, part in self.parts.items():
            lines.append(
                f"{name:5} {wanted.counts[name]} of {part.count} trajectories, "
                f"{wanted.states[name]} of {part.states} states each"
            )
        folder = self._folder(wanted)
        manifest = Manifest.load(folder)
        shards = manifest.shards if manifest else {}
        if all(name in shards for _, _, name in self._shards(wanted)):
            return [*lines, f"checked before it was copied to {folder}"]
        return [*lines, *survey(self.parts, self._shards(wanted), wanted.states, self.info).lines()]

    def dataset(self, wanted: Wanted) -> Dataset:
        """Copy the data into shards, a few trajectories at a time."""
        folder = self._folder(wanted)
        require_inside(folder, wanted.root, "data.root")
        with locked(folder):
            return self.copy(folder, wanted)

    def copy(self, folder: Path, wanted: Wanted) -> Dataset:
        """Copy the missing shards to ``folder``, which this process must have locked."""
        manifest = Manifest.load(folder)
        if manifest is None:
            manifest = Manifest(self._config(wanted), dict(self.infos), self._block(wanted))
        missing = [s for s in self._shards(wanted) if not is_intact(folder, manifest, s[2])]
        if missing:
            (folder / STATS).unlink(missing_ok=True)  # first: it must never describe fewer shards
        for name, rows, shard in track(missing, f"copy {self.info.name}", len(missing)):
            path = folder / "data" / shard
            path.parent.mkdir(parents=True, exist_ok=True)
            x = self.parts[name].read(rows, wanted.states[name])
            axes = dict(zip("xy", x.shape[3:], strict=False))
            cells = {axis: np.arange(float(n)) for axis, n in axes.items()}
            attributes = {"first_trajectory": rows.start, "dt": self.info.dt, "split": name}
            manifest.shards[shard] = write_shard(path, x, self.info, cells, attributes)
            manifest.save(folder)
        dataset = Dataset(folder)
        if not (folder / STATS).exists():
            write_stats(dataset)
        return dataset

    def _block(self, wanted: Wanted) -> int:
        """Return the trajectories of a shard, which is held in memory."""
        longest = max(wanted.states.values()) * prod(self.info.shape)
        return max(1, min(wanted.block, BLOCK // longest))

    def _shards(self, wanted: Wanted) -> list[tuple[str, range, str]]:
        """Return split, trajectories and name of each shard; the last of a split may be short."""
        block = self._block(wanted)
        return [
            (name, range(first, min(first + block, part.count)), shard_name(name, first // block))
            for name, part in self.parts.items()
            for first in range(0, wanted.counts[name], block)
        ]

    def _config(self, wanted: Wanted) -> dict[str, Any]:
        """Return everything that fixes the numbers; its digest names the folder."""
        info = self.info.plain()
        # The names of version 0.1, so that data imported by it keep their folder.
        info |= {"walls": info.pop("boundary"), "known": info.pop("covariates")}
        return {
            "system": "recorded",
            "content": self.content,
            "info": info,
            "parts": {name: _to_json(part) for name, part in self.parts.items()},
            "states": dict(wanted.states),
            "block": self._block(wanted),
        }

    def _folder(self, wanted: Wanted) -> Path:
        return wanted.root / f"{self.info.name}-{digest(self._config(wanted))}"


def _to_json(part: Part) -> list[Any]:
    """Return the states of a part as JSON types."""
    return [
        [
            segment.stack.place,
            [[array.name, *axes] for array, axes in segment.stack.pieces],
            *(segment.rows.start, segment.rows.stop, segment.times.start, segment.times.stop),
        ]
        for segment in part.segments
    ]


def _at_most(key: str, wanted: Any, available: int) -> Any:
    """Return the number wanted, or all available for None; ``require_sizes`` checks its type."""
    if isinstance(wanted, int) and wanted > available:
        raise UserError(f"{key}={wanted}, but there are {available}; ask for at most that, or null")
    return available if wanted is None else wanted
