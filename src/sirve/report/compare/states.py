"""States of test rollouts for a page: quantised, compressed, and cut to a budget of characters."""

import base64
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from sirve.metrics import valid_steps
from sirve.report.compare.scores import Entry
from sirve.report.compare.sections import Section
from sirve.report.load import MODEL, Run
from sirve.report.stats import lead_steps, pick
from sirve.report.style import THRESHOLD

BUDGET = 10_000_000  # characters of states in a page, all systems together
_KINDS = ("vector", "field", "frame")
_CHANNELS = {"vector": 6, "field": 3, "frame": 3}
_TIMES = {"vector": 1000, "field": 360, "frame": 100}
_WIDE = 8  # a vector of more channels, all of one unit, is drawn as a field on a line
_SIGNED = 0.25  # a range is signed where the smaller side has this share of the larger


class Detail(NamedTuple):
    """How much of a section is drawn."""

    starts: int
    times: float  # share of _TIMES
    models: int
    cells: int  # along a side, at most


LEVELS = (
    Detail(24, 1.0, 16, 128),
    Detail(16, 1.0, 12, 64),
    Detail(12, 0.8, 12, 64),
    Detail(10, 0.6, 10, 64),
    Detail(8, 0.5, 8, 64),
    Detail(6, 0.4, 6, 32),
    Detail(5, 0.3, 5, 32),
    Detail(4, 0.25, 4, 32),
    Detail(3, 0.2, 3, 32),
    Detail(2, 0.1, 2, 16),
    Detail(1, 0.1, 1, 16),
)


@dataclass(frozen=True)
class Drawable:
    """A section and its models, the best first."""

    section: Section
    ranked: Sequence[tuple[int, Run]]  # number of the entry, and its first run

    @property
    def truth(self) -> Run:
        """The run with the longest rollouts, whose truth is drawn."""
        return max((run for _, run in self.ranked), key=lambda run: run.steps)

    @property
    def kind(self) -> str:
        return "field" if _is_wide(self.truth) else self.truth.kind

    def size(self, detail: Detail) -> int:
        """Return the number of bytes before compression."""
        run, kind = self.truth, self.kind
        sides = run.shape if _is_wide(run) else run.shape[1:]
        cells = np.prod([min(side, detail.cells) for side in sides]) if sides else 1
        channels = 1 if _is_wide(run) else min(run.shape[0], _CHANNELS[kind])
        times = min(run.steps, int(_TIMES[kind] * detail.times))
        many = min(run.n, detail.starts) * (1 + min(len(self.ranked), detail.models))
        return int(many * times * channels * cells * (2 if kind == "vector" else 1))


def drawable(section: Section, found: Sequence[Entry], order: Sequence[Entry]) -> Drawable:
    """Return a section with its models in the order of their rank."""
    return Drawable(section, [(found.index(one), one.first) for one in order if one.name == MODEL])


def states(parts: Sequence[Drawable], budget: int = BUDGET) -> list[dict[str, Any]]:
    """Return what fits of every section; small sections leave the rest to the others."""
    found: dict[int, dict[str, Any]] = {}
    for done, k in enumerate(sorted(range(len(parts)), key=lambda k: parts[k].size(LEVELS[0]))):
        found[k] = _fitting(parts[k], budget // (len(parts) - done))
        budget -= found[k]["size"]
    return [found[k] for k in range(len(parts))]


def _fitting(part: Drawable, budget: int) -> dict[str, Any]:
    """Return the most detailed version within ``budget`` characters, else the least detailed."""
    for detail in LEVELS[:-1]:
        if part.size(detail) < 4 * budget:  # states rarely compress by more
            found = _encoded(part, detail)
            if found["size"] <= budget:
                return found
    return _encoded(part, LEVELS[-1])


def _encoded(part: Drawable, detail: Detail) -> dict[str, Any]:
    run, kind = part.truth, part.kind
    models = part.ranked[: detail.models]
    chosen = pick([one for _, one in models], detail.starts)
    stride = -(-run.steps // max(2, int(_TIMES[kind] * detail.times)))
    lead = lead_steps(run) if kind == "vector" else 0
    before = run.time[0] - run.step * np.arange(lead, 0, -1)[::-1][::stride][::-1]
    truths = [_states(run, start.index, stride, detail, lead, 0) for start in chosen]
    low, high = _range(truths, 0.5 if kind == "vector" else 0.0)
    length, shape = len(truths[0]), truths[0].shape[1:]
    guesses = {}
    for k, one in models:
        read = (_states(one, start.index, stride, detail, lead, 1) for start in chosen)
        guesses[k] = [_encode(_padded(x, length), low, high, kind) for x in read]
    known = [_encode(x, low, high, kind) for x in truths]
    size = sum(map(len, known)) + sum(len(text) for some in guesses.values() for text in some)
    names = ["value"] if _is_wide(run) else run.channels[: shape[0]]
    time = np.concatenate([before, run.time[::stride]])
    valid = {k: [_valid_time(one, start.index) for start in chosen] for k, one in models}
    return {
        "kind": kind,
        "shape": list(shape),
        "channels": [{"name": n, "low": float(a), "high": float(b), "signed": bool(a == -b)}
                     for n, a, b in zip(names, low, high, strict=False)],
        "time": [float(f"{t:.5g}") for t in time],
        "starts": [start.label for start in chosen],
        "truth": known,
        "models": guesses,
        "valid": valid,
        "size": size,
        "note": _note(part, detail, len(chosen), length - len(before), shape),
    }  # fmt: skip


def _valid_time(run: Run, start: int) -> float | None:
    """Return when the error passes the threshold; None where it never does."""
    steps = int(valid_steps(run.errors[MODEL][start : start + 1], THRESHOLD)[0])
    return None if steps == run.steps else float(f"{steps * run.step:.5g}")


def _states(run: Run, i: int, stride: int, detail: Detail, lead: int, which: int) -> np.ndarray:
    """Read truth (0) or prediction (1) of rollout ``i``, (times, channels, *space).

    ``lead`` states of the context come first; a prediction is missing there, but for the last.
    """
    x = run.states(i, slice(None, None, stride))[which]
    if lead:
        context = run.before(i, lead)[::-1][::stride][::-1]
        if which:
            context = np.where(np.arange(len(context))[:, None] < len(context) - 1, np.nan, context)
        x = np.concatenate([context, x])
    if _is_wide(run):
        x = x[:, None]
    x = x[:, : _CHANNELS[_KINDS[x.ndim - 2]]]
    strides = tuple(slice(None, None, -(-side // detail.cells)) for side in x.shape[2:])
    return x[(slice(None), slice(None), *strides)]


def _is_wide(run: Run) -> bool:
    if len(run.shape) > 1 or run.shape[0] <= _WIDE:
        return False
    known = run.metrics.get("channels")
    known = known if isinstance(known, list) else []
    return len({str(c.get("unit")) for c in known if isinstance(c, dict)}) == 1


def _padded(x: np.ndarray, length: int) -> np.ndarray:
    """Return ``x`` with ``length`` times, missing after its end."""
    room = np.full((max(0, length - len(x)), *x.shape[1:]), np.nan, x.dtype)
    return np.concatenate([x[:length], room])


def _range(truths: Sequence[np.ndarray], room: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and highest value of each channel; a signed range is symmetric."""
    flat = np.concatenate([np.moveaxis(x, 1, 0).reshape(x.shape[1], -1) for x in truths], 1)
    low, high = flat.min(1).astype("f8"), flat.max(1).astype("f8")
    if room:
        extra = np.where(high > low, room * (high - low), 0.5)
        return low - extra, high + extra
    most = np.maximum(-low, high)
    signed = (low < 0) & (np.minimum(-low, high) > _SIGNED * most)
    flat_ends = np.where(high > low, 0.0, 0.5)
    return np.where(signed, -most, low - flat_ends), np.where(signed, most, high + flat_ends)


def _encode(x: np.ndarray, low: np.ndarray, high: np.ndarray, kind: str) -> str:
    """Return base64 of the compressed levels of ``x``: 16 bits for a vector, else 8 bits.

    Values beyond the range have the first or last level. The highest number is a missing value.
    """
    missing, kind_of = (65535, "<u2") if kind == "vector" else (255, "u1")
    one = (-1, *[1] * (x.ndim - 2))
    bottom, top = low.reshape(one), high.reshape(one)
    finite = np.isfinite(x)
    inside = np.clip(np.where(finite, x, bottom), bottom, top)
    levels = np.rint((inside - bottom) / (top - bottom) * (missing - 1))
    levels = np.where(finite, levels, missing).astype(kind_of)
    return base64.b64encode(zlib.compress(levels.tobytes(), 9)).decode("ascii")


def _note(part: Drawable, detail: Detail, starts: int, times: int, shape: tuple[int, ...]) -> str:
    """Return a sentence on what the page leaves out."""
    run, models = part.truth, len(part.ranked)
    sides = run.shape if _is_wide(run) else run.shape[1:]
    less = []
    if starts < run.n:
        less.append(f"{starts} of {run.n} starts")
    if detail.models < models:
        less.append(f"the best {detail.models} of {models} models")
    if times < run.steps:
        less.append(f"{times} of {run.steps} times")
    if shape[1:] != tuple(sides):
        cells, full = (" x ".join(map(str, some)) for some in (shape[1:], sides))
        less.append(f"{cells} of {full} cells")
    if not _is_wide(run) and shape[0] < run.shape[0]:
        less.append(f"{shape[0]} of {run.shape[0]} channels")
    return f"To keep the page small, it shows {', '.join(less)}." if less else ""
