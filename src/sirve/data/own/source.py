"""What was brought, as a source of trajectories: split, looked at, and copied into our shards."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from sirve.data.dataset import SPLITS, STATS, Dataset, Manifest, shard_name, write_stats
from sirve.data.own.stack import Part
from sirve.data.own.survey import survey
from sirve.data.shards import Info, write_shard
from sirve.data.simulated.generate import committed, owned
from sirve.data.source import Wanted
from sirve.errors import UserError
from sirve.io.files import require_inside
from sirve.io.progress import track

BLOCK = 4_000_000  # numbers of a shard of more than one trajectory


@dataclass(frozen=True)
class Recorded:
    """Trajectories that are there: no equations, no invariants."""

    info: Info
    parts: Mapping[str, Part]
    content: str  # sha256 of what was brought
    said: tuple[str, ...]

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

    def limits(self, dataset: Dataset) -> dict[str, Any]:
        return {}

    def completed(self, sim: Mapping[str, Any], stride: int) -> dict[str, Any]:
        """The system's configuration, what is null in it being all that is there.

        Raises UserError for more than is there.
        """
        context = sim["context"]
        if type(context) is not int or context < 1:
            raise UserError(f"sim.context={context} must be a whole number, at least 1")
        found = {**sim, "dt": self.info.dt}
        for key, name, read in (
            ("states", "train", 0),
            ("valid_steps", "valid", context),
            ("steps", "test", context),
        ):
            there = (self.parts[name].states - 1) // stride + 1 - read
            if there < 1:
                raise UserError(
                    f"{self.info.name}: {name} has {there + read} states a trajectory, none beyond "
                    f"sim.context={context}; lower it, bring longer ones, or name other sim.axes "
                    f"({self.said[0]})"
                )
            found[key] = _most(f"sim.{key}", sim[key], there)
        counts = sim["trajectories"]
        if counts is None or isinstance(counts, dict):
            found["trajectories"] = {
                name: _most(f"sim.trajectories.{name}", (counts or {}).get(name), part.count)
                for name, part in self.parts.items()
            }
        return found

    def digest(self, wanted: Wanted) -> str:
        return self._place(wanted).name

    def look(self, wanted: Wanted) -> list[str]:
        """What was understood; every number is looked at before it is copied."""
        lines = list(self.said)
        for name, part in self.parts.items():
            lines.append(
                f"{name:5} {wanted.counts[name]} of {part.count} trajectories, "
                f"{wanted.states[name]} of {part.states} states each"
            )
        folder = self._place(wanted)
        manifest = Manifest.load(folder)
        there = manifest.shards if manifest else {}
        if all(name in there for _, _, name in self._shards(wanted)):
            return [*lines, f"looked at before it was copied to {folder}"]
        found = survey(self.parts, self._shards(wanted), wanted.states, self.info)
        return [*lines, *found.lines()]

    def dataset(self, wanted: Wanted) -> Dataset:
        """Copied into shards, a few trajectories at a time; what was brought is only read."""
        folder = self._place(wanted)
        require_inside(folder, wanted.root, "data.root")
        with owned(folder):
            return self.copy(folder, wanted)

    def copy(self, folder: Path, wanted: Wanted) -> Dataset:
        """The dataset in ``folder``, which is this process's."""
        manifest = Manifest.load(folder)
        if manifest is None:
            manifest = Manifest(self._config(wanted), dict(self.infos), self._block(wanted))
        missing = [s for s in self._shards(wanted) if not committed(folder, manifest, s[2])]
        if missing:
            (folder / STATS).unlink(missing_ok=True)  # before it can be of less than is there
        for name, rows, shard in track(missing, f"copy {self.info.name}", len(missing)):
            path = folder / "data" / shard
            path.parent.mkdir(parents=True, exist_ok=True)
            x = self.parts[name].read(rows, wanted.states[name])
            axes = dict(zip("xy", x.shape[3:], strict=False))
            cells = {axis: np.arange(float(n)) for axis, n in axes.items()}
            about = {"first_trajectory": rows.start, "dt": self.info.dt, "split": name}
            manifest.shards[shard] = write_shard(path, x, self.info, cells, about)
            manifest.save(folder)
        dataset = Dataset(folder)
        if not (folder / STATS).exists():
            write_stats(dataset)
        return dataset

    def _block(self, wanted: Wanted) -> int:
        """Trajectories of a shard, which is held in memory."""
        longest = max(wanted.states.values()) * prod(self.info.shape)
        return max(1, min(wanted.block, BLOCK // longest))

    def _shards(self, wanted: Wanted) -> list[tuple[str, range, str]]:
        """Split, trajectories and name of each shard; the last of a split may be short."""
        block = self._block(wanted)
        return [
            (name, range(first, min(first + block, part.count)), shard_name(name, first // block))
            for name, part in self.parts.items()
            for first in range(0, wanted.counts[name], block)
        ]

    def _config(self, wanted: Wanted) -> dict[str, Any]:
        """All that fixes the numbers."""
        return {
            "system": "recorded",
            "content": self.content,
            "info": self.info.plain(),
            "parts": {name: _plain(part) for name, part in self.parts.items()},
            "states": dict(wanted.states),
            "block": self._block(wanted),
        }

    def _place(self, wanted: Wanted) -> Path:
        text = json.dumps(self._config(wanted), sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()
        return wanted.root / f"{self.info.name}-{digest[:10]}"


def _plain(part: Part) -> list[Any]:
    """Which states a part is, as JSON holds it."""
    return [
        [
            segment.stack.place,
            [[array.name, *axes] for array, axes in segment.stack.pieces],
            *(segment.rows.start, segment.rows.stop, segment.times.start, segment.times.stop),
        ]
        for segment in part.segments
    ]


def _most(key: str, wanted: Any, there: int) -> Any:
    """What is wanted, or all; what is no number is told elsewhere."""
    if isinstance(wanted, int) and wanted > there:
        raise UserError(f"{key}={wanted}, but there are {there}; ask for at most that, or null")
    return there if wanted is None else wanted
