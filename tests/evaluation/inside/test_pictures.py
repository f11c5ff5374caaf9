"""The pictures of what is inside, in the report of a run and over several runs."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import CHROMIUM, in_browser
from PIL import Image
from reports import make_run
from support import quick

from sirve.evaluation.inside import Inside
from sirve.report import load_run, write_report
from sirve.report.figures.inside import (
    exponents_chart,
    gates_chart,
    memory_curves,
    reach_chart,
    reach_curves,
)
from sirve.report.inside.load import load_inside, system_exponents
from sirve.report.inside.page import write_inside

LAGS, STEPS, TIMES, FIGURES = 30, 60, 40, ("reach", "gates", "memory", "exponents")
LIMITS = {"exponents": {"value": [0.9, 0.0], "error": [0.01, 0.02]}}


def arrays(base: float = 0.5, gate: str = "f") -> dict[str, np.ndarray]:
    norms = base ** np.arange(LAGS) * np.array([[0.5], [1.0], [2.0]])
    error = np.geomspace(1e-3, 2.0, STEPS) * np.array([[0.5], [1.0], [2.0]])
    settling = np.linspace(1, 0.9, 20)[:, None] * np.array([1.0, 0.0, -15.0])
    return {
        "reach/h": norms,
        "reach/C": norms**0.5,
        "initial/h": norms**2,
        f"gates/{gate}": np.full((3, TIMES), 0.5),
        "along": np.arange(-9.0, TIMES - 9),
        "memory/C": np.random.default_rng(0).normal(size=(4, TIMES)),
        "drift/carried": error,
        "drift/reread": error / 2,
        "exponents/time": np.arange(1.0, 21),
        "exponents/value": settling,
        "exponents/error": np.full((20, 3), 0.1),
    }


def looked_into(folder: Path, found: dict[str, np.ndarray], **changes: Any) -> Path:
    summary = {
        "reach": {"h": {"1/e": 2, "1%": 7}, "C": {"1/e": None}, "lags": LAGS},
        "drift": {"every": 5, "starts": 8},
        "exponents": {"orbits": 6, "escaped": 2},
    }
    run = make_run(folder, steps=STEPS, inside=summary, limits=LIMITS, **changes)
    Inside(found, summary).write(run)
    return run


def test_a_report_shows_what_was_measured(tmp_path: Path) -> None:
    run = looked_into(tmp_path / "run", arrays())
    page = write_report(run).read_text("utf-8")
    for title in ("Inside the network", "Gates and memory", "Does the memory drift?"):
        assert title in page
    assert "For h it falls to 1/e after 2 steps, to 1 % after 7 steps." in page
    assert "For C it does not fall to 1/e within 30 steps." in page
    assert "2 orbits left the range of the data" in page
    assert "forget gate f" in page
    for name in FIGURES:
        with Image.open(run / "figures" / f"{name}.png") as image:
            assert image.width > 800


def test_a_report_has_no_section_without_measurements(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    assert "Inside the network" not in write_report(run).read_text("utf-8")
    Inside({}, {}).write(run)
    assert "Inside the network" not in write_report(run).read_text("utf-8")
    assert not [name for name in FIGURES if (run / "figures" / f"{name}.png").exists()]


@pytest.mark.parametrize("without", quick(FIGURES, "memory"))
def test_each_picture_stands_alone(without: str, tmp_path: Path) -> None:
    groups = {"reach": "reach", "gates": "memory", "memory": "drift", "exponents": "exponents"}
    kept = {path: v for path, v in arrays().items() if not path.startswith(groups[without])}
    run = looked_into(tmp_path / "run", kept)
    write_report(run)
    drawn = {name for name in FIGURES if (run / "figures" / f"{name}.png").exists()}
    assert drawn == set(FIGURES) - {without}


def test_curves_are_those_of_the_file(tmp_path: Path) -> None:
    run = load_run(looked_into(tmp_path / "run", arrays(base=0.01)))
    inside = load_inside(run.path)
    initial, h, c = reach_curves(inside, "lstm", "#000000")
    assert [curve.name for curve in (h, c)] == ["lstm, h", "lstm, C"]
    assert initial.name == "lstm before training"
    np.testing.assert_allclose(h.y[:7], 0.01 ** np.arange(7))
    assert np.isnan(h.y[7:]).all()  # below what is drawn
    carried, reread = memory_curves(inside, run)
    np.testing.assert_allclose(carried.y, 2 * reread.y)
    assert system_exponents(run) == ([0.9, 0.0], [0.01, 0.02])
    chart = exponents_chart(inside.exponents, system_exponents(run))  # type: ignore[arg-type]
    titles = [panel.title for panel in chart.panels]
    assert titles[0] == "exponent 1: 0.90 ± 0.10, system 0.900 ± 0.010"
    assert "system" not in titles[2]
    (panel,) = reach_chart([h, c]).panels
    assert [curve.low is not None for curve in panel.curves] == [True, True]


@pytest.fixture
def strange(tmp_path: Path) -> Path:
    """Return a run whose forecasts diverged, with a gate that has the name of an attack."""
    found = arrays(gate="<script>alert(1)<|script> $x$ {0}")
    found["drift/carried"][:, 30:] = np.inf
    found["exponents/value"][5:] = np.nan
    return looked_into(tmp_path / "run", found)


def test_forecasts_that_diverged_and_names_of_strangers_are_drawn(strange: Path) -> None:
    page = write_report(strange).read_text("utf-8")
    assert "<script>alert" not in page
    title = gates_chart(load_run(strange), load_inside(strange)).panels[0].title
    assert title.startswith("<script>")


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_the_page_escapes_names_of_strangers_for_plotly(strange: Path, tmp_path: Path) -> None:
    write_report(strange)
    document = in_browser(strange / "report.html", tmp_path)
    assert "data-errors" not in document[: document.index("<head>")]
    assert "alert(1)&lt;|script&gt;" in document
    assert "<script>alert" not in document


def test_several_networks_lie_over_each_other(tmp_path: Path) -> None:
    runs = [
        load_run(looked_into(tmp_path / model, arrays(base), model=model))
        for model, base in (("rnn", 0.3), ("gru", 0.9))
    ]
    out = tmp_path / "new" / "inside.html"
    written = write_inside(runs, [load_inside(run.path) for run in runs], out)
    assert all(path.is_file() for path in written)
    assert len(written) == 3  # the page; after and before training
    page = out.read_text("utf-8")
    assert "the system" in page
    assert page.count("0.90 ± 0.10") == 2
    assert "rnn, h" in page
