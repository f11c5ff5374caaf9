"""Parts of reports: text for numbers, quartiles, choices of steps and forecasts."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from reports import (
    make_run,
)

from sirve.report import load_run
from sirve.report.figures.chart import Curve
from sirve.report.figures.curves import error_range
from sirve.report.pages import json_text
from sirve.report.stats import early, pick, pooled, quartiles, thin
from sirve.report.style import MISSING, count, digits, duration, moments, units


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, MISSING),
        (float("nan"), MISSING),
        (float("inf"), MISSING),
        (True, MISSING),
        ("7", MISSING),
        (0, "0"),
        (1, "1.00"),
        (0.05432, "0.0543"),
        (9.999, "10.0"),
        (123.4, "123"),
        (99999, "100000"),
        (0.000123, "1.23e-4"),
        (-1234567, "-1.23e6"),
    ],
)
def test_digits(value: Any, text: str) -> None:
    assert digits(value) == text


def test_words_for_numbers() -> None:
    assert count(1234567) == "1\u202f234\u202f567"
    assert [duration(x) for x in (2e-6, 0.0021, 61, 7199, 7200, None)] == [
        "2.00 µs", "2.10 ms", "61.0 s", "120 min", "2.00 h", MISSING,
    ]  # fmt: skip
    assert units("lyapunov time") == "Lyapunov times"
    assert units("period", 1) == "period"
    assert units(None) == "steps"
    assert moments([1.0, 20.0]) == ["1", "20"]
    assert moments([0.5, 1.0]) == ["0.500", "1.00"]


def test_quartiles_take_nan_as_infinite() -> None:
    values = np.array([[1.0, np.nan], [2.0, 4.0], [3.0, np.inf], [np.nan, 5.0]])
    low, middle, high = quartiles(values)
    np.testing.assert_array_equal(low, [1.0, 4.0])
    np.testing.assert_array_equal(middle, [2.5, np.inf])
    np.testing.assert_array_equal(high, [np.inf, np.inf])


def test_choice_of_steps() -> None:
    for choose in (thin, early):
        assert choose(1, 40).tolist() == [0]
        assert choose(5, 40).tolist() == [0, 1, 2, 3, 4]
        chosen = choose(500, 40)
        assert (chosen[0], chosen[-1]) == (0, 499)
        assert len(chosen) <= 40
        assert (np.diff(chosen) > 0).all()
    assert (early(500, 40) < 125).sum() > (thin(500, 40) < 125).sum()


def test_axis_of_errors_without_any_number() -> None:
    gap = np.full(3, np.nan)
    low, high = error_range([Curve("x", gap, gap, low=gap, high=gap)])
    assert 0 < low < 0.4 < high


def test_forecasts_shown_are_best_median_and_worst(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", n=5, steps=60)
    error = np.full((5, 60), 0.1)
    for i, crossing in enumerate((30, 10, 60, 50, 20)):
        error[i, crossing:] = 1.0
    with h5py.File(run / "rollouts.h5", "a") as file:
        file["error/model"][:] = error
    found, picks = {}, pick([load_run(run)], 5)
    for chosen in picks:
        found[chosen.label.split(":")[0]] = (chosen.index, chosen.valid, chosen.censored)
    assert found["median"] == (0, pytest.approx(6.0), False)
    assert found["best"] == (2, pytest.approx(12.0), True)
    assert found["worst"] == (1, pytest.approx(2.0), False)
    assert len({chosen.index for chosen in picks}) == 5
    assert [one.index for one in pick([load_run(run)], 1)] == [0]


def test_pooled_interval_covers_seeds_and_starts() -> None:
    rng = np.random.default_rng(1)
    starts = rng.normal(size=50)
    alike = [starts + 5, starts + 5]
    apart = [starts + 4, starts + 6]
    for tables in (alike, apart):
        median, low, high = pooled(tables)
        assert low <= median <= high
    _, low, high = pooled(alike)
    _, lower, higher = pooled(apart)
    assert higher - lower > 2 * (high - low)
    assert pooled([np.array([3.0])]) == (3.0, 3.0, 3.0)
    assert pooled([np.array([1.0]), np.array([1.0, 1.0])]) == (1.0, 1.0, 1.0)


def test_json_text_cannot_leave_its_script() -> None:
    evil = {"a": "</script><!--&"}
    assert not set("<>&") & set(json_text(evil))
    assert json.loads(json_text(evil)) == evil
