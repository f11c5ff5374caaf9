"""Words beside the pictures of what is inside a network, as HTML."""

from typing import Any

from sirve.report.load import Run, number
from sirve.report.style import count, units

REACH = (
    "Norm of the gradient ∂L<sub>T</sub>/∂h<sub>t</sub> of one prediction's loss with respect to "
    "the memory T - t steps before it, relative to lag 0: median over test windows, and the "
    "middle half of them."
)
BELT = " Dashed: with respect to the conveyor belt C."
BEFORE = " Before training: the initial recurrent weights with the trained readout."


def reach(run: Run) -> str:
    """What the picture of the gradient's reach shows, and the lags at which it has fallen."""
    words = REACH
    if _measured(run, "reach", "initial"):
        words += BEFORE
    if _measured(run, "reach", "C"):
        words += BELT
    for symbol in ("h", "C"):
        found = _measured(run, "reach", symbol)
        if isinstance(found, dict):
            falls = [
                f"to {name} after {count(lag)} {units('step', number(lag))}"
                for key, name in (("1/e", "1/e"), ("1%", "1 %"), ("1e-6", "10<sup>-6</sup>"))
                if number(lag := found.get(key)) is not None
            ]
            most = count(_measured(run, "reach", "lags"))
            words += (
                f" Of {symbol} it falls {', '.join(falls)}."
                if falls
                else (f" Of {symbol} it does not fall to 1/e within {most} steps.")
            )
    return words


def drift(run: Run) -> str:
    """What is compared with the forecasts that carry their memory on."""
    every, starts = (count(_measured(run, "drift", key)) for key in ("every", "starts"))
    return (
        f"Error of {starts} forecasts, median and the middle half: with the memory carried from "
        f"step to step, and with the memory made blank every {every} steps and made anew by "
        f"reading the forecast's own last {count(run.context)} states. Where the first errs more, "
        "the memory has drifted."
    )


def exponents(run: Run) -> str:
    """Of what map they are, and how they were averaged."""
    orbits, escaped = (number(_measured(run, "exponents", key)) for key in ("orbits", "escaped"))
    words = (
        "Of the network run free, as a map of its state and its memory together, as they settle; "
        f"mean over {count(orbits)} orbits and its 95 % interval. The memory adds exponents of its "
        "own, which may lie between the system's."
    )
    return f"{words} {count(escaped)} orbits left the range of the data." if escaped else words


def _measured(run: Run, *keys: str) -> Any:
    """The entry of ``inside`` in metrics.json; None where any level is missing."""
    value: Any = run.metrics.get("inside")
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
