"""States of test rollouts for the page that compares runs: quantised, deflated, within a budget."""

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
from sirve.report.style import THRESHOLD, digits, units

BUDGET = 10_000_000  # characters of states in a page, all systems together
_CHANNELS = {"vector": 6, "field": 3, "frame": 3}
_TIMES = {"vector": 1000, "field": 360, "frame": 100}
_WIDE = 8  # a vector of more channels, all of one unit, is shown as a field on a line
_SIGNED = 0.25  # a range is signed where the smaller side has this share of the larger


class Rung(NamedTuple):
    """How much is shown of a section."""

    starts: int
    times: float  # share of _TIMES
    models: int
    cells: int  # along a side, at most


LADDER = (
    Rung(24, 1.0, 16, 128),
    Rung(16, 1.0, 12, 64),
    Rung(12, 0.8, 12, 64),
    Rung(10, 0.6, 10, 64),
    Rung(8, 0.5, 8, 64),
    Rung(6, 0.4, 6, 32),
    Rung(5, 0.3, 5, 32),
    Rung(4, 0.25, 4, 32),
    Rung(3, 0.2, 3, 32),
    Rung(2, 0.1, 2, 16),
    Rung(1, 0.1, 1, 16),
)


@dataclass(frozen=True)
class Shown:
    """What a section can show: its models, from the best on."""

    section: Section
    ranked: Sequence[tuple[int, Run]]  # number of the entry, and its first run

    @property
    def truth(self) -> Run:
        """The longest of the runs: its truth is shown."""
        return max((run for _, run in self.ranked), key=lambda run: run.steps)

    @property
    def kind(self) -> str:
        return "field" if _is_wide(self.truth) else self.truth.kind

    def size(self, rung: Rung) -> int:
        """Bytes before deflation."""
        run, kind = self.truth, self.kind
        wide, space = _is_wide(run), run.shape[1:]
        sides = run.shape if wide else space
        cells = np.prod([min(side, rung.cells) for side in sides]) if sides else 1
        channels = 1 if wide else min(run.shape[0], _CHANNELS[kind])
        times = min(run.steps, int(_TIMES[kind] * rung.times))
        many = min(run.n, rung.starts) * (1 + min(len(self.ranked), rung.models))
        return int(many * times * channels * cells * (2 if kind == "vector" else 1))


def shown(section: Section, found: Sequence[Entry], order: Sequence[Entry]) -> Shown:
    """The models, in the order of their rank."""
    return Shown(section, [(found.index(one), one.first) for one in order if one.name == MODEL])


def states(parts: Sequence[Shown], budget: int = BUDGET) -> list[dict[str, Any]]:
    """Of every section what fits: those that need little leave the rest to the others."""
    found: dict[int, dict[str, Any]] = {}
    for done, k in enumerate(sorted(range(len(parts)), key=lambda k: parts[k].size(LADDER[0]))):
        share = budget // (len(parts) - done)
        found[k] = _fitting(parts[k], share)
        budget -= found[k]["size"]
    return [found[k] for k in range(len(parts))]


def _fitting(part: Shown, share: int) -> dict[str, Any]:
    """The richest rung that fits in ``share`` characters, else the poorest."""
    for rung in LADDER[:-1]:
        if part.size(rung) < 4 * share:  # no state deflates by more, as a rule
            found = _encoded(part, rung)
            if found["size"] <= share:
                return found
    return _encoded(part, LADDER[-1])


def _encoded(part: Shown, rung: Rung) -> dict[str, Any]:
    run, kind = part.truth, part.kind
    models = part.ranked[: rung.models]
    chosen = starts([one for _, one in models], rung.starts)
    limit = max(2, int(_TIMES[kind] * rung.times))
    at = slice(None, None, -(-run.steps // limit))
    truths = [_states(run, i, at, rung) for i, _ in chosen]
    low, high = _range(truths, 0.5 if kind == "vector" else 0.0)
    length, shape = len(truths[0]), truths[0].shape[1:]
    guesses = {
        k: [
            _encode(_until(_states(one, i, at, rung, 1), length), low, high, kind)
            for i, _ in chosen
        ]
        for k, one in models
    }
    known = [_encode(x, low, high, kind) for x in truths]
    size = sum(map(len, known)) + sum(len(text) for some in guesses.values() for text in some)
    names = ["value"] if _is_wide(run) else run.channels[: shape[0]]
    return {
        "kind": kind,
        "shape": list(shape),
        "channels": [{"name": n, "low": float(a), "high": float(b), "signed": bool(a == -b)}
                     for n, a, b in zip(names, low, high, strict=False)],
        "time": [float(f"{t:.5g}") for t in run.time[at]],
        "starts": [label for _, label in chosen],
        "truth": known,
        "models": guesses,
        "size": size,
        "note": _note(part, rung, len(chosen), length, shape),
    }  # fmt: skip


def _states(run: Run, i: int, at: slice, rung: Rung, which: int = 0) -> np.ndarray:
    """Truth or prediction of rollout ``i``, (times, channels, *space) of what is shown."""
    x = run.states(i, at)[which]
    if _is_wide(run):
        x = x[:, None]
    x = x[:, : _CHANNELS[("vector", "field", "frame")[x.ndim - 2]]]
    strides = tuple(slice(None, None, -(-side // rung.cells)) for side in x.shape[2:])
    return x[(slice(None), slice(None), *strides)]


def _is_wide(run: Run) -> bool:
    if len(run.shape) > 1 or run.shape[0] <= _WIDE:
        return False
    known = run.metrics.get("channels")
    known = known if isinstance(known, list) else []
    return len({str(c.get("unit")) for c in known if isinstance(c, dict)}) == 1


def _until(x: np.ndarray, length: int) -> np.ndarray:
    """``x`` with ``length`` times: a shorter forecast is missing after its end."""
    room = np.full((max(0, length - len(x)), *x.shape[1:]), np.nan, x.dtype)
    return np.concatenate([x[:length], room])


def _range(truths: Sequence[np.ndarray], room: float) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest value of each channel; a signed one is symmetric."""
    flat = np.concatenate([np.moveaxis(x, 1, 0).reshape(x.shape[1], -1) for x in truths], 1)
    low, high = flat.min(1).astype("f8"), flat.max(1).astype("f8")
    extra = np.where(high > low, room * (high - low), 0.5)
    if room:
        return low - extra, high + extra
    most = np.maximum(-low, high)
    signed = (low < 0) & (np.minimum(-low, high) > _SIGNED * most)
    flat_ends = np.where(high > low, 0.0, 0.5)
    return np.where(signed, -most, low - flat_ends), np.where(signed, most, high + flat_ends)


def _encode(x: np.ndarray, low: np.ndarray, high: np.ndarray, kind: str) -> str:
    """Base64 of the deflated levels of ``x``: two bytes a number of a vector, else one.

    Beyond the range a level is the first or last; the highest number of all is a missing value.
    """
    missing, kind_of = (65535, "<u2") if kind == "vector" else (255, "u1")
    one = (-1, *[1] * (x.ndim - 2))
    bottom, top = low.reshape(one), high.reshape(one)
    finite = np.isfinite(x)
    inside = np.clip(np.where(finite, x, bottom), bottom, top)
    levels = np.rint((inside - bottom) / (top - bottom) * (missing - 1))
    levels = np.where(finite, levels, missing).astype(kind_of)
    return base64.b64encode(zlib.compress(levels.tobytes(), 9)).decode("ascii")


def starts(runs: Sequence[Run], limit: int) -> list[tuple[int, str]]:
    """Test trajectories spread from the longest to the shortest valid time, the median first."""
    valid = np.mean([valid_steps(run.errors[MODEL], THRESHOLD) * run.step for run in runs], axis=0)
    order = np.argsort(-valid, kind="stable")
    n = len(order)
    ranks = np.unique(np.linspace(0, n - 1, min(n, limit)).round().astype(int)).tolist()
    middle = (n - 1) // 2
    if middle not in ranks:
        ranks[int(np.argmin(np.abs(np.array(ranks) - middle)))] = middle
    ranks.remove(middle)
    words = {middle: "median", 0: "best", n - 1: "worst"}
    unit, many = units(runs[0].metrics.get("time_unit")), " on average" if len(runs) > 1 else ""
    found = []
    for rank in [middle, *ranks]:
        i = int(order[rank])
        word = f"{words[rank]}: " if rank in words and n > 1 else ""
        held = f"held {digits(valid[i])} {unit}{many}"
        found.append((i, f"{word}trajectory {i + 1} of {n}, {held}"))
    return found


def _note(part: Shown, rung: Rung, chosen: int, times: int, shape: tuple[int, ...]) -> str:
    """What is left out so that the page stays small."""
    run, models = part.truth, len(part.ranked)
    less = []
    if chosen < run.n:
        less.append(f"{chosen} of {run.n} starts")
    if rung.models < models:
        less.append(f"the best {rung.models} of {models} models")
    if times < run.steps:
        less.append(f"{times} of {run.steps} times")
    sides = run.shape if _is_wide(run) else run.shape[1:]
    if shape[1:] != tuple(sides):
        full = " x ".join(map(str, sides))
        less.append(f"{' x '.join(map(str, shape[1:]))} of {full} cells")
    if not _is_wide(run) and shape[0] < run.shape[0]:
        less.append(f"{shape[0]} of {run.shape[0]} channels")
    return f"To keep the page small, {', '.join(less)} are pictured." if less else ""
