"""The report of a run, made from files only."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from browser import CHROMIUM, in_browser
from plotly.offline import get_plotlyjs
from reports import (
    Tags,
    assert_images,
    assert_self_contained,
    hostile,
    make_run,
)
from support import quick

from sirve.report import RunError, load_run, write_report
from sirve.report.compare.sections import markdown
from sirve.report.figures.curves import drift_curves
from sirve.report.page import report_page


@pytest.mark.parametrize("kind", quick(["vector", "field", "frame"], "vector", "frame"))
def test_report_of_every_kind(tmp_path: Path, kind: str) -> None:
    figures = {"error", "rollout", "invariants", "training"}
    figures |= {"phase"} if kind == "vector" else set()
    run = make_run(tmp_path / "run", kind)
    path = write_report(run)
    assert path == run / "report.html"
    page = assert_self_contained(path)
    assert "<h1>waves · lstm</h1>" in page
    for words in ("6.12 periods", "median of 5 forecasts", "5.61 to 6.51", "persistence 0.108"):
        assert words in page
    assert "linear at least 12.0" in page
    assert "1 of 5 never exceeded it" in page
    assert "20.0 % of the forecasts diverged" in page
    assert "12\u202f345" in page
    assert ("Phase portrait" in page) == (kind == "vector")
    assert "lr: 0.1" in page
    assert path.stat().st_size < 12e6
    assert_images(run / "figures", figures)
    assert not list(run.rglob("*.tmp"))


@pytest.mark.parametrize("kind", quick(["vector", "field", "frame", "scalar"], "vector", "frame"))
def test_smallest_run_without_scores_training_or_invariants(tmp_path: Path, kind: str) -> None:
    keys = ("scores", "seconds", "one_step", "parameters", "channels", "dt", "unit", "time_unit")
    run = make_run(tmp_path / "run", kind, n=1, steps=2, **dict.fromkeys(keys))
    (run / "metrics.jsonl").unlink()
    (run / "config.yaml").unlink()
    with h5py.File(run / "rollouts.h5", "a") as file:
        del file["invariants"], file["error/linear"]
    page = assert_self_contained(write_report(run))
    assert "was not recorded" in page
    assert "<h2>Training" not in page
    assert "stay constant" not in page
    phase = {"phase"} if kind == "vector" else set()
    assert_images(run / "figures", {"error", "rollout"} | phase)


@pytest.mark.parametrize("kind", quick(["vector", "field", "frame"], "vector"))
def test_nothing_finite_is_predicted(tmp_path: Path, kind: str) -> None:
    run = make_run(tmp_path / "run", kind, n=2, steps=4)
    with h5py.File(run / "rollouts.h5", "a") as file:
        file["prediction"][:] = np.nan
        file["error/model"][:] = np.nan
        file["invariants/energy/prediction"][:] = np.inf
    assert_self_contained(write_report(run))


def test_an_invariant_of_zero_does_not_set_the_scale_by_its_rounding(tmp_path: Path) -> None:
    path = make_run(tmp_path / "run", "field")
    with h5py.File(path / "rollouts.h5", "a") as file:
        file["invariants/energy/truth"][:] = 1e-9
        file["error/model"][:] = np.linspace(0, 6, 60)
    model, _, limit = drift_curves(load_run(path), "energy")
    assert limit == pytest.approx(0.5)  # as far as the forecasts are near the truth
    assert np.nanmax(model.high) == pytest.approx(1.0)


LEVEL = {"median": 5.0, "mean": 5.1, "low": 4.0, "high": 6.0, "censored": 0}
UNSEEN = LEVEL | {"median": 18.0, "low": 18.0, "high": 18.0, "censored": 9}
EXPONENTS = {"value": [0.9056, 0.0], "error": [0.012, 0.01]}


@pytest.mark.parametrize(
    ("limits", "words", "line"),
    [
        (
            {"exponents": EXPONENTS, "twin": "LSODA", "ceiling": {"0.4": LEVEL}},
            ["5.00 periods (compared with LSODA)", "0.906 ± 0.01", "is reliable up to 5.00;"],
            True,
        ),
        ({"twin": "LSODA", "ceiling": {"0.4": UNSEEN}}, ["longer than was compared"], False),
        ({"twin": None, "ceiling": None}, ["any time: the solution is exact"], False),
        ({"twin": 3, "ceiling": [1], "exponents": {"value": "x"}}, [], False),
        ([1], [], False),
    ],
)
def test_the_report_says_where_the_truth_is_not_reliable(
    tmp_path: Path, limits: Any, words: list[str], line: bool
) -> None:
    """The run is valid for 6.12 periods."""
    run = make_run(tmp_path / "run", limits=limits)
    page = report_page(load_run(run))
    for word in words:
        assert word in page
    assert ('"reference solution reliable up to here"' in page) == line
    assert ("longer valid times are not meaningful" in page) == line
    assert (load_run(run).ceiling == 5.0) == line


@pytest.fixture(scope="module", params=quick(["vector", "field", "frame"], "vector", "frame"))
def evil(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a run whose every string is an attack."""
    return write_report(hostile(tmp_path_factory.mktemp("evil") / request.param, request.param))


def test_hostile_strings_are_escaped(evil: Path) -> None:
    page = assert_self_contained(evil)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in page
    assert "<img" not in page
    tags = Tags(page)
    data = tags.attributes.count(("type", "application/json"))
    assert tags.names.count("script") == data + 2  # Plotly and the page's own


@pytest.mark.parametrize("value", ["<b>", 10**400, {"a": [1]}, True])
def test_wrong_types_in_a_record_do_not_stop_a_report(tmp_path: Path, value: Any) -> None:
    run = make_run(tmp_path / "run", n=2, steps=5)
    content = json.loads((run / "metrics.json").read_text())
    scores = {name: dict.fromkeys(found, value) for name, found in content["scores"].items()}
    for changed in (dict.fromkeys(content, value), content | {"scores": scores}):
        (run / "metrics.json").write_text(json.dumps(changed))
        report_page(load_run(run))
        markdown([load_run(run)])


def test_missing_and_broken_runs(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"nowhere.*metrics.json is missing"):
        load_run(tmp_path / "nowhere")
    run = make_run(tmp_path / "run")
    (run / "metrics.json").write_text("[1]")
    with pytest.raises(RunError, match="it holds no object"):
        load_run(run)
    (run / "metrics.json").write_text("{}")
    with h5py.File(run / "rollouts.h5", "a") as file:
        del file["error/model"]
    with pytest.raises(RunError, match="holds no error/model"):
        load_run(run)
    (run / "rollouts.h5").write_text("no HDF5")
    with pytest.raises(RunError, match="is not readable"):
        load_run(run)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
@pytest.mark.parametrize("evil", quick(["vector", "frame"], "frame"), indirect=True)
def test_page_in_a_browser(tmp_path: Path, evil: Path) -> None:
    document = in_browser(evil, tmp_path)
    root = document[: document.index("<head>")]
    assert "data-errors" not in root
    assert 'data-chosen="0"' in root
    kind = evil.parent.name
    assert 'data-charts="2"' in root  # invariants and training
    assert "data-ready=" in root  # the error and the states
    assert ('data-paths="0"' in root) == (kind != "vector")
    assert document.count('class="main-svg"') >= {"vector": 5, "frame": 3}[kind]
    assert "<img" not in document.replace(get_plotlyjs(), "")
