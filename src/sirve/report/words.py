"""Facts, tables and sentences of the report of one run, as plain text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sirve.report.compare.scores import horizons
from sirve.report.load import MODEL, Run, entry, number
from sirve.report.style import MISSING, count, digits, duration, share, units


@dataclass(frozen=True)
class Table:
    """A table of text; each row has a class of the style sheet and its cells."""

    title: str
    head: Sequence[str]
    rows: Sequence[tuple[str, Sequence[str]]]


def facts(run: Run) -> list[tuple[str, str]]:
    """Return names and values of the circumstances of the run that are recorded."""
    metrics = run.metrics
    seconds = metrics.get("seconds")
    seconds = seconds if isinstance(seconds, dict) else {}
    unit = units(metrics.get("time_unit"))
    length = f"{count(run.steps)} steps"
    length += f" = {digits(run.steps * run.step)} {unit}" if unit != "steps" else ""
    rows = (
        ("parameters", count(metrics.get("parameters"))),
        ("seed of training", count(metrics.get("seed"))),
        ("seed of the data", count(metrics.get("data_seed"))),
        ("time step", f"{dt:.6g}" if (dt := number(metrics.get("dt"))) else MISSING),
        ("context", f"{run.context} steps"),
        ("length of a forecast", length),
        ("reference solution reliable for", _ceiling(run)),
        ("largest Lyapunov exponent", _exponent(run)),
        ("one-step nRMSE", digits(metrics.get("one_step"))),
        ("simulating the data", duration(seconds.get("simulate"))),
        ("training", duration(seconds.get("train"))),
        ("one step of forecast", duration(seconds.get("forecast_per_step"))),
    )
    return [(name, value) for name, value in rows if value != MISSING]


def _ceiling(run: Run) -> str:
    """Return for how long two solvers agree."""
    limits = run.metrics.get("limits")
    limits = limits if isinstance(limits, dict) else {}
    twin = limits.get("twin")
    if twin is None:
        return "any time: the solution is exact" if "twin" in limits else MISSING
    against = f" (compared with {str(twin)[:60]})"
    if run.ceiling is not None:
        return f"{digits(run.ceiling)} {units(run.metrics.get('time_unit'))}{against}"
    return f"longer than was compared{against}" if limits.get("ceiling") else MISSING


def _exponent(run: Run) -> str:
    """Return the exponent in 1/time, with its 95 % interval."""
    first: list[float | None] = []
    for key in ("value", "error"):
        values = entry(run.metrics, "limits", "exponents", key)
        first.append(number(values[0]) if isinstance(values, list) and values else None)
    value, error = first
    return MISSING if value is None or error is None else f"{value:.3g} ± {error:.1g}"


def more_scores(run: Run) -> list[Table]:
    """Return tables of the scores that the first table leaves out."""
    unit = units(run.metrics.get("time_unit"))
    levels = [(t, ("valid_time", t, "median")) for t in ("0.3", "0.4", "0.5", "0.9")]
    blocks = [(f"Median valid time ({unit}) at other errors", levels)]
    for key, title in (("median_error", "Median error"), ("vrmse", "VRMSE")):
        at = horizons(run.entries(name, key) for name in run.errors)
        blocks.append((f"{title} at step", [(h, (key, h)) for h in at]))  # type: ignore[misc]
    drifts = sorted({d for name in run.errors for d in run.entries(name, "invariants")})
    title = "Drift of quantities that should stay constant"
    blocks.append((title, [(d, ("invariants", d)) for d in drifts]))  # type: ignore[misc]
    tables = []
    for title, columns in blocks:
        rows = [
            ("model" if name == MODEL else "baseline",
             [run.model if name == MODEL else name,
              *(digits(run.score(name, *keys)) for _, keys in columns)])
            for name in run.errors
        ]  # fmt: skip
        if any(cell != MISSING for _, (_, *cells) in rows for cell in cells):
            tables.append(Table(title, ["", *(name for name, _ in columns)], rows))
    return tables


def ensemble_table(run: Run) -> Table | None:
    """Return the scores of the ensemble at each horizon; None where there are none."""
    rows = (
        ("CRPS", ("crps",), digits),
        ("mean absolute error of the forecast", ("absolute_error",), digits),
        ("spread over error", ("spread_over_error",), digits),
        ("coverage of 50 %", ("coverage", "0.5"), share),
        ("coverage of 90 %", ("coverage", "0.9"), share),
        ("log-likelihood", ("log_likelihood",), digits),
    )
    found = [(name, entry(run.metrics, "ensemble", *keys), text) for name, keys, text in rows]
    known = [(name, values, text) for name, values, text in found if isinstance(values, dict)]
    at = horizons(values for _, values, _ in known)
    cells = [(name, [text(values.get(h)) for h in at]) for name, values, text in known]
    kept = [("", [name, *some]) for name, some in cells if set(some) - {MISSING}]
    return Table("", ["", *(f"step {h}" for h in at)], kept) if kept else None


REACH = (
    "Norm of the gradient ∂L(T)/∂h(t) of the loss of one prediction with respect to the memory "
    "T - t steps before it, relative to lag 0: median over test windows, and the middle half."
)
BELT = " Dashed: with respect to the conveyor belt C."
BEFORE = " Before training: the initial recurrent weights with the trained readout."


def reach(run: Run) -> str:
    """Return the note on the reach of the gradient, with the lags at which it has fallen."""
    words = REACH
    words += BEFORE if _measured(run, "reach", "initial") else ""
    words += BELT if _measured(run, "reach", "C") else ""
    for symbol in ("h", "C"):
        found = _measured(run, "reach", symbol)
        if isinstance(found, dict):
            falls = [
                f"to {name} after {count(lag)} {units('step', number(lag))}"
                for key, name in (("1/e", "1/e"), ("1%", "1 %"), ("1e-6", "10⁻⁶"))
                if number(lag := found.get(key)) is not None
            ]
            most = count(_measured(run, "reach", "lags"))
            none = f"does not fall to 1/e within {most} steps"
            words += f" For {symbol} it {'falls ' + ', '.join(falls) if falls else none}."
    return words


def drift(run: Run) -> str:
    """Return the note on the comparison of memory carried on with memory rebuilt."""
    every, starts = (count(_measured(run, "drift", key)) for key in ("every", "starts"))
    return (
        f"Error of {starts} forecasts, median and the middle half: with the memory carried from "
        f"step to step, and with the memory reset every {every} steps and rebuilt from the "
        f"forecast's own last {count(run.context)} states. Where the first error is larger, the "
        "memory has drifted."
    )


def exponents(run: Run) -> str:
    """Return the note on the exponents: of which map, and how they are averaged."""
    orbits, escaped = (number(_measured(run, "exponents", key)) for key in ("orbits", "escaped"))
    words = (
        "Lyapunov exponents of the free-running network, as a map of its state and its memory "
        f"together: mean over {count(orbits)} orbits and its 95 % interval, against the time of "
        "averaging. The memory adds exponents, which may lie between those of the system."
    )
    return f"{words} {count(escaped)} orbits left the range of the data." if escaped else words


def _measured(run: Run, *keys: str) -> Any:
    return entry(run.metrics, "inside", *keys)
