"""Programs timed in turns on one core, so that a disturbance affects all of them."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

SECONDS = 0.05  # approximate length of a turn, which has several runs if they are shorter


def rounds(
    programs: Mapping[str, Callable[[], Any]], repeats: int, reference: str | None
) -> dict[str, dict[str, Any]]:
    """Return the CPU seconds of a run of each, and their ratio to the reference's in each round."""
    counts = {}
    for label, run in programs.items():
        run()
        counts[label] = max(1, round(SECONDS / max(1e-6, seconds(run, 1))))
    found: dict[str, list[float]] = {label: [] for label in programs}
    for _ in range(repeats):
        for label, run in programs.items():
            found[label].append(seconds(run, counts[label]))
    rows: dict[str, dict[str, Any]] = {}
    for label, times in found.items():
        rows[label] = {"seconds": spread(times)}
        if reference in found:
            ratios = [own / other for own, other in zip(times, found[reference], strict=True)]
            rows[label]["ratio"] = spread(ratios)
    return rows


def seconds(run: Callable[[], Any], count: int) -> float:
    begin = time.process_time()
    for _ in range(count):
        run()
    return (time.process_time() - begin) / count


def spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def spread_text(value: dict[str, float]) -> str:
    return f"{value['median']:.3g} ({value['low']:.3g}-{value['high']:.3g})"
