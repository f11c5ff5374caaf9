"""Contenders that take turns on one core, so that what disturbs one disturbs all."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

SECONDS = 0.05  # of a turn, about: several runs where one is shorter


def rounds(
    contenders: Mapping[str, Callable[[], Any]], repeats: int, reference: str | None
) -> dict[str, dict[str, Any]]:
    """CPU seconds a run of each, and as a multiple of the reference's in the same round."""
    counts = {}
    for label, run in contenders.items():
        run()
        counts[label] = max(1, round(SECONDS / max(1e-6, seconds(run, 1))))
    found: dict[str, list[float]] = {label: [] for label in contenders}
    for _ in range(repeats):
        for label, run in contenders.items():
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


def spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def shown(value: dict[str, float], unit: float = 1.0) -> str:
    low, high = (f"{unit * value[key]:.3g}" for key in ("low", "high"))
    return f"{unit * value['median']:.3g} ({low}-{high})"
