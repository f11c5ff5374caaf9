"""Colours and text for numbers, the same in all figures. Safe for colour-blind readers."""

import math
from collections.abc import Iterable
from typing import Any

from sirve.metrics import THRESHOLD as THRESHOLD
from sirve.report.load import number

MISSING = "\u2013"  # a dash, for an unknown number
TRUTH = "#2b2b2b"
MODEL_COLOUR = "#0b57d0"

_BASELINES = {
    "persistence": ("#c0831a", "dash"),
    "climatology": ("#3b9c8c", "dot"),
    "linear": ("#b25a7d", "dashdot"),
    "mean_state": ("#6b7fa8", "dot"),
}
_SPARE = (("#7d7a3c", "dash"), ("#8f8f8f", "dot"), ("#8a6d4f", "dashdot"))
_RUNS = ("#0b57d0", "#d55e00", "#009e73", "#b2589a", "#b8860b", "#3fa7dc")
DASHES = ("solid", "dash", "dot", "dashdot")


def baseline_style(name: str, names: list[str]) -> tuple[str, str]:
    """Return colour and dash of the baseline ``name`` among ``names``."""
    if name in _BASELINES:
        return _BASELINES[name]
    spare = [n for n in names if n not in _BASELINES]
    return _SPARE[spare.index(name) % len(_SPARE)]


def run_style(group: int, member: int) -> tuple[str, str]:
    """Return the colour of a model and the dash of one of its seeds."""
    return _RUNS[group % len(_RUNS)], DASHES[(group // len(_RUNS) + member) % len(DASHES)]


def digits(value: Any, missing: str = MISSING) -> str:
    """Return a number with three significant digits and at most eight characters."""
    x = number(value)
    if x is None:
        return missing
    if x == 0:
        return "0"
    if not 1e-3 <= abs(x) < 1e5:
        mantissa, exponent = f"{x:.2e}".split("e")
        return f"{mantissa}e{int(exponent)}"
    decimals = max(0, 2 - math.floor(math.log10(abs(float(f"{x:.3g}")))))
    return f"{float(f'{x:.3g}'):.{decimals}f}"


def moments(times: Iterable[float]) -> list[str]:
    """Return times as text, without decimals if all are whole numbers."""
    values = [float(t) for t in times]
    whole = all(abs(t - round(t)) < 1e-6 for t in values)
    return [str(round(t)) if whole else digits(t) for t in values]


def count(value: Any, missing: str = MISSING) -> str:
    """Return a whole number with thin spaces between the thousands."""
    x = number(value)
    return missing if x is None else f"{round(x):,}".replace(",", "\u202f")


def units(time_unit: Any, value: float | None = None) -> str:
    """Return the name of the unit of time, in the singular only for exactly one."""
    name = str(time_unit or "step").replace("lyapunov", "Lyapunov")
    return name if value == 1 or name.endswith("s") else f"{name}s"


def duration(seconds: Any) -> str:
    """Return seconds in a unit of suitable size."""
    x = number(seconds)
    if x is None:
        return MISSING
    for limit, scale, unit in (
        (1e-3, 1e-6, "µs"),
        (1, 1e-3, "ms"),
        (120, 1, "s"),
        (7200, 60, "min"),
    ):
        if x < limit:
            return f"{digits(x / scale)} {unit}"
    return f"{digits(x / 3600)} h"


def share(value: Any) -> str:
    """Return a share as per cent."""
    x = number(value)
    return MISSING if x is None else f"{digits(100 * x)} %"
