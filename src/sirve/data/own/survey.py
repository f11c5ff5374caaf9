"""Check every number of a user's data: ranges, values that are not finite, repeats, time gaps."""

from collections.abc import Iterable, Iterator, Mapping
from math import prod
from typing import Any

import numpy as np

from sirve.data.info import Info
from sirve.data.moments import Moments
from sirve.data.own.stack import Array, Part, Segment
from sirve.errors import UserError
from sirve.io.progress import track

NUMBERS = 2_000_000  # most numbers checked at once
STILL = 10  # equal states in a row that are reported
ROWS = 12  # most channels in the table
TIMES = 1_000_000  # most times that are checked


class Survey:
    """The ranges, the moments and the oddities of all states added."""

    def __init__(self, info: Info) -> None:
        self.info, self.moments = info, Moments()
        self.low, self.high = np.full(1, np.inf), np.full(1, -np.inf)
        self.bad = 0  # values that are not finite
        self.places: list[str] = []  # of the first of them
        self.still = 0  # trajectories that keep a state
        self.longest = (0, "")  # the longest such time in states, and its place

    def add(self, segment: Segment, rows: slice, times: slice) -> None:
        """Include some states of some trajectories."""
        x = segment.read(rows, times)
        finite = np.isfinite(x)
        if not finite.all():
            self.bad += int(finite.size - np.count_nonzero(finite))
            for row, time, channel in np.argwhere(~finite)[: 3 - len(self.places), :3]:
                place = segment.where(rows.start + row, times.start + time)
                self.places.append(f"{place}, channel {self.info.channels[channel]}")
            return
        if x.shape[1] >= STILL:
            self._add_repeats(x, segment, rows.start, times.start)
        axes = tuple(i for i in range(x.ndim) if i != 2)
        self.low = np.minimum(self.low, x.min(axes))
        self.high = np.maximum(self.high, x.max(axes))
        self.moments.add(x)

    def _add_repeats(self, x: np.ndarray, segment: Segment, first: int, start: int) -> None:
        """Count the trajectories with ``STILL`` or more equal states in a row."""
        same = (x[:, 1:] == x[:, :-1]).all(tuple(range(2, x.ndim)))
        number = np.arange(same.shape[1])
        runs = number - np.maximum.accumulate(np.where(same, -1, number), axis=1)
        most = runs.max(1) + 1  # states
        self.still += int(np.count_nonzero(most >= STILL))
        row = int(most.argmax())
        if most[row] >= max(STILL, self.longest[0] + 1):
            time = int(runs[row].argmax()) + 2 - int(most[row])
            self.longest = (int(most[row]), segment.where(first + row, start + time))

    def require_finite(self) -> None:
        """Raise UserError with the first places of values that are not finite."""
        if self.bad:
            kept = " as float32" if len(self.info.shape) > 1 else ""
            raise UserError(
                f"{self.info.name}: {self.bad} values are NaN or infinite{kept}, the first at "
                f"{'; at '.join(self.places)}; leave those trajectories out or fill them in, "
                "and save it again"
            )

    def lines(self) -> list[str]:
        """Return a table of ranges and moments, and a line on repeated states."""
        channels = self.info.channels
        width = max(7, *(len(name) for name in channels[:ROWS]))
        found = [f"{'channel':{width}}  {'lowest':>10} {'highest':>10} {'mean':>10} {'std':>10}"]
        columns = self.low, self.high, self.moments.mean, self.moments.std
        for name, *numbers in list(zip(channels, *columns, strict=True))[:ROWS]:
            found.append(f"{name:{width}}  " + " ".join(f"{value:10.4g}" for value in numbers))
        if len(channels) > ROWS:
            found.append(f"... and {len(channels) - ROWS} channels more")
        if self.still:
            found.append(
                f"repeats: {self.still} trajectories keep one state for {STILL} times or more, the "
                f"longest for {self.longest[0]}, at {self.longest[1]}"
            )
        return found


def survey(
    parts: Mapping[str, Part],
    wanted: Iterable[tuple[str, range, Any]],
    states: Mapping[str, int],
    info: Info,
) -> Survey:
    """Check the first ``states`` states of the ``wanted`` trajectories (split, numbers, any).

    Raises UserError for values that are not finite.
    """
    found = Survey(info)
    pieces = [
        piece
        for name, rows, _ in wanted
        for segment, mine in parts[name].within(rows)
        for piece in _pieces(segment, mine, states[name])
    ]
    for piece in track(pieces, f"check {info.name}", len(pieces)):
        found.add(*piece)
    found.require_finite()
    return found


def _pieces(segment: Segment, mine: range, states: int) -> Iterator[tuple[Segment, slice, slice]]:
    """Yield a few trajectories at a time, or a few states of very long ones."""
    numbers = prod(segment.stack.shape[2:])
    length = min(states, max(1, NUMBERS // numbers))
    several = max(1, NUMBERS // (numbers * states))
    for row in range(mine.start, mine.stop, several):
        rows = slice(row, min(row + several, mine.stop))
        for time in range(0, states, length):
            yield segment, rows, slice(time, min(time + length, states))


def step_of(times: Array, states: int) -> tuple[float, list[str]]:
    """Return the step of an array of times (T,) or (n, T), and a line on gaps, if any.

    Raises UserError if the times do not fit ``states`` or do not increase.
    """
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
    step, lines = float(np.median(steps)), []
    rounding = 8 * np.abs(t).max() * (np.finfo(t.dtype).eps if t.dtype.kind == "f" else 0)
    gaps = np.argwhere(np.abs(steps - step) > 1e-3 * step + rounding)
    if len(gaps):
        row, time = gaps[0]
        lines.append(
            f"gaps: {len(gaps)} steps of time are not {step:.6g}, the first "
            f"{steps[row, time]:.6g}, after time {time} of trajectory {row}"
        )
    else:
        step = float((t[0, -1] - t[0, 0]) / (length - 1))
    digits = 6 if t.dtype.itemsize < 8 else 12
    return float(f"{step:.{digits}g}"), lines
