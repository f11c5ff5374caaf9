"""A look at every number before it is used: ranges, what is not finite, what repeats, gaps."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from sirve.data.own.stack import Array, Part, Segment
from sirve.data.shards import Info
from sirve.errors import UserError
from sirve.io.progress import track

NUMBERS = 2_000_000  # that are looked at at once
STILL = 10  # equal states in a row that are worth a word
ROWS = 12  # channels that are shown
TIMES = 1_000_000  # of a time array that are looked at


@dataclass
class Look:
    """What has been seen so far."""

    channels: tuple[str, ...]
    count: int = 0
    mean: np.ndarray = field(default_factory=lambda: np.zeros(1))
    squares: np.ndarray = field(default_factory=lambda: np.zeros(1))  # of deviations, summed
    low: np.ndarray = field(default_factory=lambda: np.full(1, np.inf))
    high: np.ndarray = field(default_factory=lambda: np.full(1, -np.inf))
    bad: int = 0
    places: list[str] = field(default_factory=list)  # of the first that are not finite
    still: int = 0
    longest: tuple[int, str] = (0, "")

    def add(self, x: np.ndarray, place: "_Place") -> None:
        """Look at x (n, T, C, *space)."""
        finite = np.isfinite(x)
        if not finite.all():
            self.bad += int(finite.size - np.count_nonzero(finite))
            for row, time, channel in np.argwhere(~finite)[:3, :3] if len(self.places) < 3 else ():
                self.places.append(f"{place.of(row, time)}, channel {self.channels[channel]}")
            return
        self._repeats(x, place)
        axes = tuple(i for i in range(x.ndim) if i != 2)
        self.low = np.minimum(self.low, x.min(axes))
        self.high = np.maximum(self.high, x.max(axes))
        count, mean = x.size // x.shape[2], x.mean(axes, dtype=np.float64)
        squares = x.var(axes, dtype=np.float64) * count
        # T. F. Chan, G. H. Golub and R. J. LeVeque, The American Statistician 37 (1983), eq. 2.1
        total, delta = self.count + count, mean - self.mean
        self.squares = self.squares + squares + delta**2 * self.count * count / total
        self.mean = self.mean + delta * count / total
        self.count = total

    def _repeats(self, x: np.ndarray, place: "_Place") -> None:
        """States that equal the one before them, in rows of ``STILL`` and more."""
        if x.shape[1] < STILL:
            return
        same = (x[:, 1:] == x[:, :-1]).all(tuple(range(2, x.ndim)))
        number = np.arange(same.shape[1])
        runs = number - np.maximum.accumulate(np.where(same, -1, number), axis=1)
        most = runs.max(1) + 1  # states
        self.still += int(np.count_nonzero(most >= STILL))
        row = int(most.argmax())
        if most[row] >= max(STILL, self.longest[0] + 1):
            first = int(runs[row].argmax()) + 2 - int(most[row])
            self.longest = (int(most[row]), place.of(row, first))

    def require_finite(self, info: Info) -> None:
        """UserError with the first positions of what is not."""
        if self.bad:
            kept = " as float32" if len(info.shape) > 1 else ""
            raise UserError(
                f"{info.name}: {self.bad} values are NaN or infinite{kept}, the first at "
                f"{'; at '.join(self.places[:3])}; leave those trajectories out or fill them in, "
                "and save it again"
            )

    def lines(self) -> list[str]:
        """Range and moments of each channel, and what repeats."""
        std = np.sqrt(self.squares / self.count)
        width = max(7, *(len(name) for name in self.channels[:ROWS]))
        found = [f"{'channel':{width}}  {'lowest':>10} {'highest':>10} {'mean':>10} {'std':>10}"]
        rows = zip(self.channels, self.low, self.high, self.mean, std, strict=True)
        for name, *numbers in list(rows)[:ROWS]:
            found.append(f"{name:{width}}  " + " ".join(f"{value:10.4g}" for value in numbers))
        if len(self.channels) > ROWS:
            found.append(f"... and {len(self.channels) - ROWS} channels more")
        if self.still:
            found.append(
                f"repeats: {self.still} trajectories keep one state for {STILL} times or more, the "
                f"longest for {self.longest[0]}, at {self.longest[1]}"
            )
        return found


@dataclass(frozen=True)
class _Place:
    """Where a block lies in what the user brought."""

    segment: Segment
    row: int
    time: int

    def of(self, row: int, time: int) -> str:
        place = self.segment.stack.place
        return (
            f"{f'{place}, ' if place else ''}trajectory {self.segment.rows[self.row + row]}, "
            f"time {self.segment.times[self.time + time]}"
        )


def survey(
    parts: Mapping[str, Part],
    wanted: Iterable[tuple[str, range, Any]],
    states: Mapping[str, int],
    info: Info,
) -> Look:
    """See the first ``states`` of ``wanted`` trajectories (split, which) piece by piece.

    Raises UserError for what is not finite.
    """
    found = Look(info.channels)
    pieces = [
        piece
        for name, rows, _ in wanted
        for segment, mine in parts[name].within(rows)
        for piece in _pieces(segment, mine, states[name])
    ]
    for place, rows, times in track(pieces, f"look at {info.name}", len(pieces)):
        found.add(place.segment.read(rows, times), place)
    found.require_finite(info)
    return found


def _pieces(segment: Segment, mine: range, states: int) -> Iterator[tuple[_Place, slice, slice]]:
    """A few trajectories at once; of very long ones, a few states."""
    numbers = prod(segment.stack.shape[2:])
    length = min(states, max(1, NUMBERS // numbers))
    several = max(1, NUMBERS // (numbers * states))
    for row in range(mine.start, mine.stop, several):
        rows = slice(row, min(row + several, mine.stop))
        for time in range(0, states, length):
            yield _Place(segment, row, time), rows, slice(time, min(time + length, states))


def step_of(times: Array, states: int) -> tuple[float, list[str]]:
    """The step of an array of times (T,) or (n, T), and where it is another; UserError for none."""
    if times.shape[-1] != states or len(times.shape) > 2:
        raise UserError(
            f"'{times.name}' of shape {times.shape} does not fit {states} states; "
            "give sim.dt=, and leave it out"
        )
    length = min(states, TIMES)
    rows = max(1, TIMES // length)
    key = (slice(length),) if len(times.shape) == 1 else (slice(rows), slice(length))
    t = np.atleast_2d(times.read(key))
    steps = np.diff(t.astype(np.float64))
    if steps.size == 0 or not np.isfinite(steps).all() or not (steps > 0).all():
        raise UserError(f"'{times.name}' does not increase from state to state; give sim.dt=")
    step = float(np.median(steps))
    rounding = 8 * np.abs(t).max() * (np.finfo(t.dtype).eps if t.dtype.kind == "f" else 0)
    gaps = np.argwhere(np.abs(steps - step) > 1e-3 * step + rounding)
    if not len(gaps):
        step = float((t[0, -1] - t[0, 0]) / (length - 1))
    digits = 6 if t.dtype.itemsize < 8 else 12
    return float(f"{step:.{digits}g}"), _gaps(gaps, steps, step)


def _gaps(gaps: np.ndarray, steps: np.ndarray, step: float) -> list[str]:
    if not len(gaps):
        return []
    row, time = gaps[0]
    return [
        f"gaps: {len(gaps)} steps of time are not {step:.6g}, the first {steps[row, time]:.6g}, "
        f"after time {time} of trajectory {row}"
    ]
