"""The public function ``score``: the numbers of its definitions, their nesting, and refusals."""

from typing import Any

import numpy as np
import pytest

from sirve import metrics
from sirve.errors import UserError
from sirve.evaluation.score import flat, score
from sirve.metrics import scores

RNG = np.random.default_rng(0)
TRUTH = np.cumsum(RNG.normal(size=(5, 60, 2)), axis=1)
FORECAST = TRUTH + 0.1 * np.cumsum(RNG.normal(size=TRUTH.shape), axis=1)
FIELD = RNG.normal(size=(3, 12, 1, 6, 8)).astype("f4")
STD = np.array([2.0, 3.0])


def test_an_entry_of_metrics_json_is_in_it() -> None:
    found = score(TRUTH, FORECAST, STD, 0.5, unit=10.0)
    error = metrics.normalised_error(TRUTH, FORECAST, STD)
    entry = scores.forecast_scores(TRUTH, FORECAST, error, STD, 0.5, 10.0)
    flat_found = flat(found)
    assert flat(entry).items() <= flat_found.items()
    assert found["nrmse"]["10"] == metrics.nrmse(error)[9]
    assert set(found["valid_time"]["0.4"]) == {"median", "mean", "low", "high", "censored"}
    assert "vrmse" not in found and "invariants" not in found and "ensemble" not in found


def test_fields_have_the_scores_of_fields() -> None:
    found = score(FIELD, 0.9 * FIELD, "truth", context=FIELD[:, :2])
    std = FIELD.std((0, 1, 3, 4), dtype=np.float64)
    error = metrics.normalised_error(FIELD, 0.9 * FIELD, std)
    entry = scores.forecast_scores(FIELD, 0.9 * FIELD, error, std, 1.0, 1.0)
    assert flat(entry).items() <= flat(found).items()
    assert {"vrmse", "band_error", "blurs", "copies", "correlation_time"} <= found.keys()
    assert "hellinger" not in found


def test_two_arrays_are_enough_and_times_count_steps() -> None:
    found = score(TRUTH.tolist(), FORECAST.tolist())
    assert "smape" in found and "nrmse" not in found
    assert score(TRUTH, TRUTH)["peers"]["vpt_magrilab_0.4"] == 60
    assert score(TRUTH, TRUTH, dt=0.5)["peers"]["vpt_magrilab_0.4"] == 60
    assert score(TRUTH, TRUTH, dt=0.5, unit=1.0)["peers"]["vpt_magrilab_0.4"] == 30


def test_members_and_invariants_are_scored() -> None:
    members = TRUTH + 0.5 * RNG.normal(size=(8, *TRUTH.shape))
    energy = np.ones((5, 61))
    energy[:, 1:] += 0.25
    found = score(TRUTH, FORECAST, STD, ensemble=members, invariants={"energy": energy})
    assert found["ensemble"]["members"] == 8
    assert found["invariants"] == {"energy": 0.25}
    assert "0.9" not in found["ensemble"]["coverage"], "eight members are too few"


def test_the_maximum_principle_knows_the_boundary() -> None:
    forecast = np.zeros_like(FIELD)
    options: dict[str, Any] = {"context": FIELD[:, :1] ** 2 + 1, "diffuses": True}
    assert score(forecast, forecast, [1.0], **options)["maximum_principle"]["prediction"]["1"] >= 1
    held = score(forecast, forecast, [1.0], boundary_value=0.0, **options)
    assert held["maximum_principle"]["prediction"]["10"] == 0


BAD = TRUTH.copy()
BAD[1, 3, 1] = np.inf


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        ((TRUTH, FORECAST[:, :9]), {}, "prediction has the shape (5, 9, 2) and truth (5, 60, 2)"),
        ((TRUTH[0], FORECAST[0]), {}, "truth has the shape (60, 2); give (rollouts, steps, channe"),
        ((TRUTH[:0], FORECAST[:0]), {}, "truth has the shape (0, 60, 2)"),
        ((BAD, FORECAST), {}, "truth is inf at (1, 3, 1)"),
        ((TRUTH, FORECAST, [1.0]), {}, "std has 1 numbers, and states 2 channels"),
        ((TRUTH, FORECAST, [1.0, -1.0]), {}, "must be positive numbers"),
        ((TRUTH, FORECAST, STD, 0.0), {}, "dt=0 must be a positive number"),
        ((TRUTH, FORECAST), {"unit": np.inf}, "unit=inf must be a positive number"),
        ((TRUTH, FORECAST), {"context": TRUTH[:, :, :1]}, "context has the shape (5, 60, 1), not"),
        ((TRUTH, FORECAST), {"context": BAD}, "context is inf at"),
        ((TRUTH, FORECAST), {"ensemble": TRUTH}, "ensemble has the shape (5, 60, 2), not (any, 5"),
        ((TRUTH, FORECAST), {"invariants": {"m": np.ones(5)}}, "invariants/m has the shape (5,)"),
        ((TRUTH, FORECAST), {"boundary_value": np.nan}, "boundary_value=nan must be a finite"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    arguments: tuple[Any, ...], options: dict[str, Any], words: str
) -> None:
    with pytest.raises(UserError) as raised:
        score(*arguments, **options)
    assert words in str(raised.value)
