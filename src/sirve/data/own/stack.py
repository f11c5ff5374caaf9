"""Arrays of users as trajectories (n, T, C, *space), and their shares in train, valid and test."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from sirve.data.dataset import SPLITS
from sirve.errors import UserError
from sirve.io.hdf5_arrays import Key

AXES = ("trajectory", "time", "channel", "x", "y")


class Array(Protocol):
    """An array that is read in parts; ``room`` is the size in bytes of the file that holds it."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    room: int

    def read(self, key: Key) -> np.ndarray:
        """Return a copy of a part; raises UserError if it cannot be read."""


@dataclass(frozen=True)
class Stack:
    """Arrays of the same trajectories, joined along channels; raises UserError for other sizes."""

    place: str  # file, for messages
    pieces: tuple[tuple[Array, tuple[str, ...]], ...]  # each with the names of its axes

    def __post_init__(self) -> None:
        first, *others = (self._sizes(array, axes) for array, axes in self.pieces)
        for (array, _), sizes in zip(self.pieces[1:], others, strict=True):
            if sizes != first:
                raise UserError(
                    f"{self.place}: '{array.name}' of shape {array.shape} does not go with "
                    f"'{self.pieces[0][0].name}' of shape {self.pieces[0][0].shape}; pick by "
                    "sim.dataset, or call splits train, valid and test"
                )

    @staticmethod
    def _sizes(array: Array, axes: tuple[str, ...]) -> tuple[int, ...]:
        """Return the sizes (n, T, *space) of an array."""
        sizes = dict(zip(axes, array.shape, strict=True))
        space = (sizes[axis] for axis in AXES[3:] if axis in sizes)
        return sizes.get("trajectory", 1), sizes["time"], *space

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """The sizes (n, T, C, *space)."""
        n, states, *space = self._sizes(*self.pieces[0])
        channels = (dict(zip(axes, a.shape, strict=True)) for a, axes in self.pieces)
        return n, states, sum(sizes.get("channel", 1) for sizes in channels), *space

    @property
    def dtype(self) -> type:
        """The type in which a dataset keeps the states: float64 for vectors, float32 for frames."""
        return np.float64 if len(self.shape) == 3 else np.float32

    def read(self, rows: slice, times: slice) -> np.ndarray:
        """Read some states of some trajectories, (n, T, C, *space)."""
        return np.concatenate([self._read(a, axes, rows, times) for a, axes in self.pieces], axis=2)

    def _read(self, array: Array, axes: tuple[str, ...], rows: slice, times: slice) -> np.ndarray:
        parts = {"trajectory": rows, "time": times}
        x = array.read(tuple(parts.get(axis, slice(None)) for axis in axes))
        with np.errstate(over="ignore"):  # numbers too large for float32 are reported as infinite
            x = x.astype(self.dtype).transpose([axes.index(axis) for axis in AXES if axis in axes])
        for position, axis in ((0, "trajectory"), (2, "channel")):
            if axis not in axes:
                x = np.expand_dims(x, position)
        return x


@dataclass(frozen=True)
class Segment:
    """Some states of some trajectories of a stack."""

    stack: Stack
    rows: range
    times: range

    def read(self, rows: slice, times: slice) -> np.ndarray:
        """Read states (n, T, C, *space), counted from the segment's first trajectory and state."""
        mine, when = self.rows[rows], self.times[times]
        return self.stack.read(slice(mine.start, mine.stop), slice(when.start, when.stop))

    def where(self, row: int, time: int) -> str:
        """Return the place of a state in the user's data, for messages."""
        file = f"{self.stack.place}, " if self.stack.place else ""
        return f"{file}trajectory {self.rows[row]}, time {self.times[time]}"


@dataclass(frozen=True)
class Part:
    """The trajectories of one split, one segment after the other."""

    segments: tuple[Segment, ...]

    @property
    def count(self) -> int:
        return sum(len(segment.rows) for segment in self.segments)

    @property
    def states(self) -> int:
        return len(self.segments[0].times)

    def within(self, rows: range) -> Iterator[tuple[Segment, range]]:
        """Yield the segments of trajectories ``rows``, each with its own numbers of them."""
        first = 0
        for segment in self.segments:
            count = len(segment.rows)
            mine = range(max(rows.start - first, 0), min(rows.stop - first, count))
            if mine:
                yield segment, mine
            first += count

    def read(self, rows: range, states: int) -> np.ndarray:
        """Read the first ``states`` states of trajectories ``rows``, (n, states, C, *space)."""
        return np.concatenate(
            [s.read(slice(mine.start, mine.stop), slice(states)) for s, mine in self.within(rows)]
        )


def share(total: int, shares: Sequence[float]) -> list[int]:
    """Divide ``total`` items as near to ``shares`` as possible, at least one in each part."""
    edges = np.rint(np.cumsum([0.0, *shares]) / sum(shares) * total)
    counts = np.maximum(np.diff(edges).astype(int), 1)
    counts[counts.argmax()] -= counts.sum() - total
    return [int(count) for count in counts]


def split(pool: Sequence[Stack], shares: Mapping[str, float], by: str) -> dict[str, Part]:
    """Divide the trajectories of ``pool``, in their order; or each one's times, ``by`` time.

    Each state is in exactly one part. Raises UserError if there are too few to divide.
    """
    states = pool[0].shape[1]
    total, unit = states, "states"
    if by == "trajectory":
        total, unit = sum(stack.shape[0] for stack in pool), "trajectories"
    if total < len(shares):
        remedy = "import more" if by == "time" else "give sim.split=time, which cuts each of them"
        raise UserError(
            f"{pool[0].place}: {total} {unit} are too few for {', '.join(shares)}; {remedy}"
        )
    whole = Part(tuple(Segment(s, range(s.shape[0]), range(states)) for s in pool))
    parts, first = {}, 0
    for name, length in zip(shares, share(total, list(shares.values())), strict=True):
        mine = range(first, first + length)
        if by == "time":
            parts[name] = Part(tuple(Segment(s.stack, s.rows, mine) for s in whole.segments))
        else:
            found = whole.within(mine)
            parts[name] = Part(tuple(Segment(s.stack, rows, s.times) for s, rows in found))
        first += length
    return {name: parts[name] for name in SPLITS if name in parts}
