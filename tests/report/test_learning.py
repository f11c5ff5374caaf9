"""The learning curve in a report."""

from pathlib import Path
from typing import Any

import pytest
from reports import assert_images, make_run
from support import quick

from sirve.report import load_run, write_report
from sirve.report.figures.learning import points
from sirve.report.page import report_page


def fit(errors: list[float], flat: bool) -> dict[str, Any]:
    curve = [
        {"updates": 500 * 2**k, "cpu_seconds": 30.0 * 2**k, "valid_log_error": error}
        for k, error in enumerate(errors)
    ]
    return {"kind": "gradient", "learning_curve": curve, "converged": flat}


CURVES = [
    ([-1.0, -1.03], True, "Training has converged: the last doubling, to 1\u202f000 updates"),
    ([-1.0, -1.5], False, "the error of the validation forecasts by 68.4 %, and more updates"),
    ([-1.0, -0.9], True, "has not lowered the error of the validation forecasts."),
    ([-1.0], False, "One network was trained, of 500 updates (30.0 s of CPU time)"),
]


@pytest.mark.parametrize(("errors", "flat", "words"), CURVES)
def test_the_report_says_whether_it_is_trained(
    tmp_path: Path, errors: list[float], flat: bool, words: str
) -> None:
    run = make_run(tmp_path / "run", "vector", fit=fit(errors, flat))
    assert words in report_page(load_run(run))
    assert [row[2] for row in points(load_run(run))] == [10**error for error in errors]


@pytest.mark.parametrize(("errors", "flat", "words"), quick(CURVES, CURVES[0]))
def test_the_curve_is_drawn(tmp_path: Path, errors: list[float], flat: bool, words: str) -> None:
    run = make_run(tmp_path / "run", "vector", fit=fit(errors, flat))
    assert words in write_report(run).read_text()
    names = {"error", "rollout", "phase", "invariants", "training", "learning"}
    assert_images(run / "figures", names)


def test_a_run_of_a_fixed_number_of_updates_says_nothing(tmp_path: Path) -> None:
    page = report_page(load_run(make_run(tmp_path / "run", "vector")))
    assert "Is it trained?" not in page


@pytest.mark.parametrize("curve", ["x", [1], [{}], [{"updates": 0}], [None], {"a": 1}])
def test_a_curve_that_is_none_is_left_out(tmp_path: Path, curve: Any) -> None:
    run = make_run(tmp_path / "run", "vector", fit={"learning_curve": curve})
    assert points(load_run(run)) == []
