"""Arrays of anyone as trajectories (n, T, C, *space), and their shares in train, valid and test."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from sirve.data.dataset import SPLITS
from sirve.errors import UserError

AXES = ("trajectory", "time", "channel", "x", "y")
Key = tuple[slice, ...]


class Array(Protocol):
    """An array that is read in parts."""

    @property
    def name(self) -> str: ...

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    @property
    def room(self) -> int:
        """Bytes of the file it lies in."""

    def read(self, key: Key) -> np.ndarray:
        """A copy of a part; UserError where it cannot be read."""


@dataclass(frozen=True)
class Stack:
    """Arrays of the same trajectories, each with the names of its axes, joined along channels."""

    place: str  # which file, for messages
    pieces: tuple[tuple[Array, tuple[str, ...]], ...]

    def __post_init__(self) -> None:
        first, *others = (self._outline(array, axes) for array, axes in self.pieces)
        for (array, _), outline in zip(self.pieces[1:], others, strict=True):
            if outline != first:
                raise UserError(
                    f"{self.place}: '{array.name}' of shape {array.shape} does not go with "
                    f"'{self.pieces[0][0].name}' of shape {self.pieces[0][0].shape}; pick by "
                    "sim.dataset, or call splits train, valid and test"
                )

    @staticmethod
    def _outline(array: Array, axes: tuple[str, ...]) -> tuple[int, ...]:
        """Sizes along every axis but the channels."""
        sizes = dict(zip(axes, array.shape, strict=True))
        return (
            sizes.get("trajectory", 1),
            sizes["time"],
            *(sizes[axis] for axis in AXES[3:] if axis in sizes),
        )

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """(n, T, C, *space)"""
        n, states, *space = self._outline(*self.pieces[0])
        channels = (dict(zip(axes, a.shape, strict=True)) for a, axes in self.pieces)
        return n, states, sum(sizes.get("channel", 1) for sizes in channels), *space

    @property
    def dtype(self) -> type:
        """As a dataset keeps it: vectors in float64, frames in float32."""
        return np.float64 if len(self.shape) == 3 else np.float32

    def read(self, rows: slice, times: slice) -> np.ndarray:
        """Some states of some trajectories, (n, T, C, *space)."""
        return np.concatenate([self._read(a, axes, rows, times) for a, axes in self.pieces], axis=2)

    def _read(self, array: Array, axes: tuple[str, ...], rows: slice, times: slice) -> np.ndarray:
        wanted = {"trajectory": rows, "time": times}
        x = array.read(tuple(wanted.get(axis, slice(None)) for axis in axes))
        with np.errstate(over="ignore"):  # beyond float32: found as infinite
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
        """Counted from the segment's own first trajectory and state."""
        mine = (of[part] for of, part in ((self.rows, rows), (self.times, times)))
        return self.stack.read(*(slice(part.start, part.stop) for part in mine))


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
        """The segments that trajectories ``rows`` lie in, each with those of them in it."""
        first = 0
        for segment in self.segments:
            count = len(segment.rows)
            mine = range(max(rows.start - first, 0), min(rows.stop - first, count))
            if mine:
                yield segment, mine
            first += count

    def read(self, rows: range, states: int) -> np.ndarray:
        """The first ``states`` states of trajectories ``rows``."""
        return np.concatenate(
            [
                segment.read(slice(mine.start, mine.stop), slice(states))
                for segment, mine in self.within(rows)
            ]
        )


def share(total: int, shares: Sequence[float]) -> list[int]:
    """``total`` things in parts as near to ``shares`` as can be, one in each at least."""
    edges = np.rint(np.cumsum([0.0, *shares]) / sum(shares) * total)
    counts = np.maximum(np.diff(edges).astype(int), 1)
    counts[counts.argmax()] -= counts.sum() - total
    return [int(count) for count in counts]


def split(pool: Sequence[Stack], shares: Mapping[str, float], by: str) -> dict[str, Part]:
    """Share the pool's trajectories, in their order; or, ``by`` time, cut each of them.

    No state is in two parts, and every state in one. Raises UserError where there are too few.
    """
    states = pool[0].shape[1]
    total, things = states, "states"
    if by == "trajectory":
        total, things = sum(stack.shape[0] for stack in pool), "trajectories"
    if total < len(shares):
        remedy = "bring more" if by == "time" else "give sim.split=time, which cuts each of them"
        raise UserError(
            f"{pool[0].place}: {total} {things} are too few for {', '.join(shares)}; {remedy}"
        )
    parts, first = {}, 0
    for name, length in zip(shares, share(total, list(shares.values())), strict=True):
        if by == "time":
            times = range(first, first + length)
            parts[name] = Part(tuple(Segment(s, range(s.shape[0]), times) for s in pool))
        else:
            whole = Part(tuple(Segment(s, range(s.shape[0]), range(states)) for s in pool))
            mine = whole.within(range(first, first + length))
            parts[name] = Part(tuple(Segment(s.stack, rows, s.times) for s, rows in mine))
        first += length
    return {name: parts[name] for name in SPLITS if name in parts}
