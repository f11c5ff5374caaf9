"""Scoring stored rollouts again: those of a run, and anyone's, of which only two arrays are needed.

Every score is one number under one name, parts joined by "/": nrmse/100, valid_time/0.4/median. For
a run they are those of metrics.json, bit for bit, by the same functions of the same arrays, and
more. A score that cannot be computed is left out, by name, with its reason.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sirve import metrics
from sirve.metrics import scores

LEVELS = (0.8, 0.9, 0.95)  # of the correlation
WALL = {"dirichlet": 0.0}  # the value a field of ours is held at
DIFFUSE = ("heat", "diffusion")  # systems of ours that keep the maximum principle
ENSEMBLE = ("spread_size", "error", "crps", "absolute_error", "log_likelihood", "mean", "spread")
NO_STD = "no std of the training states; give --std"
NO_CONTEXT = "no states before the forecast; name them by --context"
FEW = 4  # steps, fewer than which say nothing of standing still


@dataclass(frozen=True)
class Rollouts:
    """Forecasts beside the truth, (n, steps, C, *space) each, and what is known of them.

    ``context`` is what the forecasts went on from, (n, c, C, *space); ``std`` (C,); ``invariants``
    hold paths (n, steps + 1) of the forecast from the context's last state. ``ensemble`` has what
    scores.of_members gives, of ``members``; ``futures`` (m, n, steps, ...) are the members.
    """

    name: str
    truth: np.ndarray
    prediction: np.ndarray
    std: np.ndarray | None = None
    dt: float = 1.0
    unit: float = 1.0
    time_unit: str = "step"
    context: np.ndarray | None = None
    invariants: Mapping[str, np.ndarray] = field(default_factory=dict)
    ensemble: Mapping[str, np.ndarray] = field(default_factory=dict)
    members: int = 0
    futures: np.ndarray | None = None
    diffuses: bool = False
    wall: float | None = None

    @property
    def is_field(self) -> bool:
        return self.truth.ndim > 3


@dataclass(frozen=True)
class Rescored:
    """``scores`` by name, None where a number is infinite or undefined; ``left_out`` with reasons.

    A name of ``left_out`` stands for all scores that begin with it.
    """

    scores: dict[str, float | None]
    left_out: dict[str, str]


def rescore(rollouts: Rollouts) -> Rescored:
    """All scores that can be computed."""
    left_out: dict[str, str] = {}
    found: dict[str, Any] = {}
    parts: tuple[Callable[[Rollouts, dict[str, str]], dict[str, Any]], ...] = (
        _of_forecast,
        _of_invariants,
        _percent,
        _correlations,
        _statistics,
        _habits,
        _of_bounds,
        _of_ensemble,
    )
    for part in parts:
        found |= part(rollouts, left_out)
    found["peers"] = found.pop("peers")  # last
    return Rescored(flat(found), left_out)


def flat(nested: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """The leaves of nested dictionaries, by their names joined by "/"."""
    found: dict[str, Any] = {}
    for name, value in nested.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{before}{name}/")
        else:
            found[f"{before}{name}"] = value
    return found


def _of_forecast(r: Rollouts, left_out: dict[str, str]) -> dict[str, Any]:
    """What metrics.json has, and the definitions of others."""
    magrilab = metrics.vpt_magrilab(r.truth, r.prediction, r.dt, r.unit)
    found: dict[str, Any]
    if r.std is None:
        names = ("nrmse", "median_error", "valid_time", "diverged")
        for name in (*names, "peers/vpt_chepuri", "peers/vpt_vlachas"):
            left_out[name] = NO_STD
        found = scores.of_fields(r.truth, r.prediction)
        peers = {}
    else:
        error = metrics.normalised_error(r.truth, r.prediction, r.std)
        found = scores.of_forecast(r.truth, r.prediction, error, r.std, r.dt, r.unit)
        peers = {"vpt_vlachas_0.5": metrics.vpt_vlachas(error, r.dt, r.unit)}
    found["peers"] = found.get("peers", {}) | peers | {"vpt_magrilab_0.4": magrilab}
    for level in LEVELS if r.is_field else ():
        name = f"correlated_steps_{level}"
        found["peers"][name] = metrics.correlated_steps(r.truth, r.prediction, level)
    if not r.is_field:
        for name in ("vrmse", "peers/nrmse_frame", "peers/correlated_steps"):
            left_out[name] = "of fields, and these are vectors"
    return found


def _percent(r: Rollouts, left_out: dict[str, str]) -> dict[str, Any]:
    """sMAPE over all steps up to each horizon."""
    steps = r.truth.shape[1]
    x, y = (np.moveaxis(a.reshape(len(a), steps, -1), 1, 2) for a in (r.truth, r.prediction))
    horizons = [h for h in scores.HORIZONS if h <= steps]
    return {
        "smape": {str(h): float(metrics.smape(x[..., :h], y[..., :h]).mean()) for h in horizons}
    }


def _of_invariants(r: Rollouts, left_out: dict[str, str]) -> dict[str, Any]:
    if not r.invariants:
        left_out["invariants"] = "no paths under invariants/<quantity>/prediction"
    return {"invariants": {name: scores.drift(path) for name, path in r.invariants.items()}}


def _correlations(r: Rollouts, left_out: dict[str, str]) -> dict[str, Any]:
    """How long the correlation holds, and errors by wavenumber."""
    if not r.is_field:
        left_out["correlation_time"] = left_out["band_error"] = "of fields, and these are vectors"
        return {}
    correlation = metrics.pearson(r.truth, r.prediction)
    found: dict[str, Any] = {
        "correlation_time": {
            str(level): metrics.correlation_time(correlation, level, r.dt, r.unit)
            for level in LEVELS
        }
    }
    if r.std is None:
        left_out["band_error"] = NO_STD
        return found
    bands = metrics.band_error(r.truth, r.prediction, r.std)
    found["band_error"] = {
        name: scores.at_horizons(metrics.nrmse(band)) for name, band in bands.items()
    }
    return found


def _statistics(r: Rollouts, left_out: dict[str, str]) -> dict[str, Any]:
    """Whether a forecast that has lost the path keeps the attractor."""
    if r.is_field:
        for name in ("hellinger", "histogram_divergence", "correlation_dimension"):
            left_out[name] = "of vectors, and these are fields"
        return {}
    found: dict[str, Any] = {
        "histogram_divergence": metrics.histogram_divergence(r.truth, r.prediction)
    }
    if r.truth.shape[1] < FEW:
        left_out["hellinger"] = f"{r.truth.shape[1]} steps have no spectrum"
    else:
        found["hellinger"] = metrics.hellinger(r.truth, r.prediction)
    both = {"truth": r.truth, "prediction": r.prediction}
    return found | {
        "correlation_dimension": {
            name: metrics.or_null(metrics.correlation_dimension(x)) for name, x in both.items()
        }
    }


def _habits(r: Rollouts, left_out: dict[str, str]) -> dict[str, Any]:
    """Forecasts that freeze, copy or blur."""
    if r.std is None:
        left_out |= dict.fromkeys(("freezes", "copies", "blurs"), NO_STD)
        return {}
    found: dict[str, Any] = {}
    if r.truth.shape[1] < FEW:
        left_out["freezes"] = f"{r.truth.shape[1]} steps are too few to stand still"
    else:
        found["freezes"] = metrics.freezes(r.truth, r.prediction, r.std)
    if r.context is None:
        left_out["copies"] = NO_CONTEXT
    else:
        found["copies"] = metrics.copies(r.truth, r.prediction, r.context[:, -1], r.std)
    if r.is_field:
        found["blurs"] = metrics.blurs(r.truth, r.prediction, r.std)
    else:
        left_out["blurs"] = "of fields, and these are vectors"
    return found


def _of_bounds(r: Rollouts, left_out: dict[str, str]) -> dict[str, Any]:
    """The largest excess of each rollout so far, of the forecast and of the truth."""
    if not r.diffuses:
        left_out["maximum_principle"] = "of what only diffuses; say so by --diffuses"
    elif r.std is None or r.context is None:
        left_out["maximum_principle"] = NO_STD if r.std is None else NO_CONTEXT
    else:
        both = {"prediction": r.prediction, "truth": r.truth}
        last, std = r.context[:, -1], r.std
        excess = {name: metrics.excess(x, last, std, r.wall) for name, x in both.items()}
        return {
            "maximum_principle": {
                name: scores.at_horizons(np.median(np.maximum.accumulate(e, axis=1), axis=0))
                for name, e in excess.items()
            }
        }
    return {}


def _of_ensemble(r: Rollouts, left_out: dict[str, str]) -> dict[str, Any]:
    """Of the members, or of what a run has kept of them."""
    arrays, members = r.ensemble, r.members
    if r.std is None and (arrays or r.futures is not None):
        left_out["ensemble"] = NO_STD
        return {}
    if r.futures is not None and r.std is not None:
        arrays = scores.of_members(r.futures, r.truth, r.prediction, r.std)
        members = len(r.futures)
    missing = [name for name in ENSEMBLE if name not in arrays]
    if missing or members < 2:
        what = f"ensemble/{missing[0]}" if missing and arrays else "ensemble"
        left_out["ensemble"] = f"no {what}; name the members by --ensemble"
        if arrays and members < 2:
            left_out["ensemble"] = "fewer than two members, or their number is not stored"
        return {}
    assert r.std is not None
    error = metrics.normalised_error(r.truth, r.prediction, r.std)
    found = scores.of_ensemble(arrays, r.truth, error, members, r.dt, r.unit)
    for level in scores.LEVELS:
        if f"coverage_{level}" not in arrays:
            del found["coverage"][str(level)]
            left_out[f"ensemble/coverage/{level}"] = f"{members} members are too few"
    if members < FEW:
        del found["standardised_error"]
        left_out["ensemble/standardised_error"] = f"{members} members are too few"
    return {"ensemble": {"members": members, **found}}
