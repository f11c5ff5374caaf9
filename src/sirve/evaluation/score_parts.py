"""The parts that a score is made of: what each needs, and how it is computed."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sirve import metrics
from sirve.evaluation.rollout_arrays import Rollouts
from sirve.metrics import scores

LEVELS = (0.8, 0.9, 0.95)  # of the correlation
ENSEMBLE = ("spread_size", "error", "crps", "absolute_error", "log_likelihood", "mean", "spread")
FEWEST = 4  # steps for statistics of motion, members for a standardised error
NO_STD = "no std of the training states; give --std"

Nested = dict[str, Any]


def reasons_against(r: Rollouts) -> dict[str, str]:
    """Return for each need of PARTS why ``r`` does not meet it, or "" where it does."""
    steps = r.truth.shape[1]
    unmet = {
        "std": (r.std is None, NO_STD),
        "context": (r.context is None, "no states before the forecast; name them by --context"),
        "field": (not r.is_field, "of fields, and these are vectors"),
        "vector": (r.is_field, "of vectors, and these are fields"),
        "steps": (steps < FEWEST, f"{steps} steps are too few"),
        "invariants": (not r.invariants, "no arrays invariants/<quantity>/prediction"),
        "diffuses": (not r.diffuses, "of systems that only diffuse; mark them by --diffuses"),
    }
    return {need: reason if against else "" for need, (against, reason) in unmet.items()}


def _error(r: Rollouts) -> Nested:
    vlachas = metrics.vpt_vlachas(r.error, r.dt, r.unit)
    return {
        **scores.error_scores(r.error, r.dt, r.unit),
        "diverged": metrics.diverged(r.truth, r.prediction, _std(r)),
        "peers": {
            "vpt_chepuri_0.9": metrics.vpt_chepuri(r.truth, r.prediction, _std(r), r.dt, r.unit),
            "vpt_vlachas_0.5": vlachas,
        },
    }


def _field(r: Rollouts) -> Nested:
    found = scores.field_scores(r.truth, r.prediction)
    for level in LEVELS:
        steps = metrics.correlated_steps(r.truth, r.prediction, level)
        found["peers"][f"correlated_steps_{level}"] = steps
    correlation = metrics.pearson(r.truth, r.prediction)
    found["correlation_time"] = {
        str(level): metrics.correlation_time(correlation, level, r.dt, r.unit) for level in LEVELS
    }
    return found


def _magrilab(r: Rollouts) -> Nested:
    time = metrics.vpt_magrilab(r.truth, r.prediction, r.dt, r.unit)
    return {"peers": {"vpt_magrilab_0.4": time}}


def _smape(r: Rollouts) -> Nested:
    """Over all steps up to each horizon."""
    steps = r.truth.shape[1]
    x, y = (np.moveaxis(a.reshape(len(a), steps, -1), 1, 2) for a in (r.truth, r.prediction))
    horizons = [h for h in scores.HORIZONS if h <= steps]
    return {
        "smape": {str(h): float(metrics.smape(x[..., :h], y[..., :h]).mean()) for h in horizons}
    }


def _bands(r: Rollouts) -> Nested:
    bands = metrics.band_error(r.truth, r.prediction, _std(r))
    return {"band_error": {k: scores.at_horizons(metrics.nrmse(e)) for k, e in bands.items()}}


def _attractor(r: Rollouts) -> Nested:
    both = {"truth": r.truth, "prediction": r.prediction}
    return {
        "histogram_divergence": metrics.histogram_divergence(r.truth, r.prediction),
        "correlation_dimension": {
            name: metrics.or_null(metrics.correlation_dimension(x)) for name, x in both.items()
        },
    }


def _copies(r: Rollouts) -> Nested:
    assert r.context is not None
    return {"copies": metrics.copies(r.truth, r.prediction, r.context[:, -1], _std(r))}


def _maximum_principle(r: Rollouts) -> Nested:
    """The largest excess of each rollout so far, of the forecast and of the truth."""
    assert r.context is not None
    found = {}
    for name, x in {"prediction": r.prediction, "truth": r.truth}.items():
        excess = metrics.excess(x, r.context[:, -1], _std(r), r.boundary_value)
        largest = np.maximum.accumulate(excess, axis=1)
        found[name] = scores.at_horizons(np.median(largest, axis=0))
    return {"maximum_principle": found}


def _invariants(r: Rollouts) -> Nested:
    return {"invariants": {name: scores.drift(path) for name, path in r.invariants.items()}}


def _hellinger(r: Rollouts) -> Nested:
    return {"hellinger": metrics.hellinger(r.truth, r.prediction)}


def _freezes(r: Rollouts) -> Nested:
    return {"freezes": metrics.freezes(r.truth, r.prediction, _std(r))}


def _blurs(r: Rollouts) -> Nested:
    return {"blurs": metrics.blurs(r.truth, r.prediction, _std(r))}


def _std(r: Rollouts) -> np.ndarray:
    assert r.std is not None  # a need of the part
    return r.std


_ERROR = ("nrmse", "median_error", "valid_time", "diverged", "peers/vpt_chepuri")
_FIELD = ("vrmse", "peers/nrmse_frame", "peers/correlated_steps", "correlation_time")
# The names of the scores, their needs, and the function.
PARTS: Sequence[tuple[Sequence[str], Sequence[str], Callable[[Rollouts], Nested]]] = (
    ((*_ERROR, "peers/vpt_vlachas"), ("std",), _error),
    (_FIELD, ("field",), _field),
    (("peers/vpt_magrilab",), (), _magrilab),
    (("invariants",), ("invariants",), _invariants),
    (("smape",), (), _smape),
    (("band_error",), ("field", "std"), _bands),
    (("histogram_divergence", "correlation_dimension"), ("vector",), _attractor),
    (("hellinger",), ("vector", "steps"), _hellinger),
    (("freezes",), ("std", "steps"), _freezes),
    (("copies",), ("std", "context"), _copies),
    (("blurs",), ("field", "std"), _blurs),
    (("maximum_principle",), ("diffuses", "std", "context"), _maximum_principle),
)


def ensemble_scores(r: Rollouts, left_out: dict[str, str]) -> Nested:
    """Score the members of an ensemble, or the arrays that a run keeps of them.

    Reasons for what is left out go into ``left_out``.
    """
    arrays, members = r.ensemble, r.members
    if r.std is None and (arrays or r.futures is not None):
        left_out["ensemble"] = NO_STD
        return {}
    if r.futures is not None:
        arrays = scores.member_scores(r.futures, r.truth, r.prediction, _std(r))
        members = len(r.futures)
    missing = [name for name in ENSEMBLE if name not in arrays]
    if missing:
        name = f"ensemble/{missing[0]}" if arrays else "ensemble"
        left_out["ensemble"] = f"no {name}; name the members by --ensemble"
        return {}
    if members < 2:
        left_out["ensemble"] = "fewer than two members, or their number is not stored"
        return {}
    found = scores.ensemble_scores(arrays, r.truth, r.error, members, r.dt, r.unit)
    for level in scores.LEVELS:
        if f"coverage_{level}" not in arrays:
            del found["coverage"][str(level)]
            left_out[f"ensemble/coverage/{level}"] = f"{members} members are too few"
    if members < FEWEST:
        del found["standardised_error"]
        left_out["ensemble/standardised_error"] = f"{members} members are too few"
    return {"ensemble": {"members": members, **found}}
