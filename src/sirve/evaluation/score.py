"""Score forecasts against the truth, from arrays alone.

For a run the numbers are those of metrics.json, bit for bit, by the same functions of the same
arrays, and more. A score that cannot be computed is left out, by name, with its reason. What the
names mean: docs/metrics.md. A run itself is scored by sirve.evaluation.rollouts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sirve.evaluation.rollout_arrays import Rollouts, truth_std
from sirve.evaluation.score_parts import PARTS, Nested, ensemble_scores, reasons_against


def score(
    truth: Any,
    prediction: Any,
    std: Any = None,
    dt: float = 1.0,
    *,
    unit: float | None = None,
    context: Any = None,
    ensemble: Any = None,
    invariants: Mapping[str, Any] | None = None,
    diffuses: bool = False,
    boundary_value: float | None = None,
) -> Nested:
    """Score forecasts against the truth by every definition of docs/metrics.md.

    truth, prediction: (n, steps, C, *space), n rollouts in physical units
    std: (C,), standard deviation of each channel over the training states; "truth": of the truth;
        None: scores in standard deviations are left out
    dt: time of a step
    unit: time that counts as 1 in the scores, in the unit of dt (such as 1 / the largest Lyapunov
        exponent); None: dt, so times are counted in steps
    context: (n, c, C, *space), states that the forecasts start from
    ensemble: (m, n, steps, C, *space), m futures of each rollout
    invariants: by name, (n, steps + 1), conserved quantities along the forecast from the last
        state of the context
    diffuses: True for a system that only diffuses, where no value may exceed the first extremes
    boundary_value: the value that its boundary is held at

    Returns the names and the nesting of an entry of ``scores`` in metrics.json:
    ``{"nrmse": {"1": ..., "10": ...}, "valid_time": {"0.4": {"median": ...}}, "diverged": ...}``,
    and further scores; None for a number that is not finite. Raises UserError for arrays that do
    not fit together.
    """
    if isinstance(std, str) and std == "truth":
        std = truth_std(truth)
    rollouts = Rollouts(
        truth=truth,
        prediction=prediction,
        std=None if std is None else np.asarray(std, np.float64),
        dt=dt,
        unit=dt if unit is None else unit,
        context=context,
        invariants={name: np.asarray(path) for name, path in (invariants or {}).items()},
        futures=ensemble,
        diffuses=diffuses,
        boundary_value=boundary_value,
    )
    return score_rollouts(rollouts).scores


@dataclass(frozen=True)
class Scored:
    """The scores of one set of rollouts, nested, and why others are left out.

    A name in ``left_out``, parts joined by "/", stands for all scores that begin with it.
    """

    scores: Nested
    left_out: dict[str, str]


def score_rollouts(r: Rollouts) -> Scored:
    """Compute all scores that can be computed."""
    found: Nested = {}
    left_out: dict[str, str] = {}
    reasons = reasons_against(r)
    for names, needs, compute in PARTS:
        missing = [reasons[need] for need in needs if reasons[need]]
        if missing:
            left_out |= dict.fromkeys(names, missing[0])
        else:
            _merge(found, compute(r))
    found |= ensemble_scores(r, left_out)
    found["peers"] = found.pop("peers")  # last
    return Scored(found, left_out)


def flat(nested: Mapping[str, Any], before: str = "") -> Nested:
    """Return the leaves of nested dictionaries, by their names joined by "/"."""
    found: Nested = {}
    for name, value in nested.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{before}{name}/")
        else:
            found[f"{before}{name}"] = value
    return found


def _merge(into: Nested, more: Nested) -> None:
    for name, value in more.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = value
