"""The report shows an ensemble, and refuses arrays of other shapes."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from reports import assert_self_contained, make_run
from support import quick

from sirve.report import RunError, load_run, write_report
from sirve.report.ensemble import read_ensemble


def with_ensemble(folder: Path, kind: str = "vector", fill: float = 0.1) -> Path:
    scores = {"1": 0.01234, "10": None}
    entry = {"crps": scores, "coverage": {"0.5": {"1": 0.456}}, "spread_over_error": "many"}
    run = make_run(folder, kind, n=5, steps=60, ensemble=entry)
    with h5py.File(run / "rollouts.h5", "a") as file:
        file["ensemble/spread_size"] = np.full((5, 60), fill, "f4")
        file["ensemble/error"] = np.full((5, 60), 0.3, "f4")
        if kind == "vector":
            file["ensemble/fan"] = fill * np.array([-2, -1, 1, 2, 3]) + np.zeros((5, 60, 5))
    return run


@pytest.mark.parametrize("kind", quick(["vector", "field", "frame"], "vector"))
def test_it_shows_spread_error_and_scores(tmp_path: Path, kind: str) -> None:
    run = with_ensemble(tmp_path / "run", kind)
    found = read_ensemble(load_run(run))
    assert found is not None
    np.testing.assert_allclose(found.spread, 0.1, rtol=1e-6)
    np.testing.assert_allclose(found.error, 0.3, rtol=1e-6)
    assert (found.fan is not None) == (kind == "vector")
    page = assert_self_contained(write_report(run))
    assert "<h2>Ensemble</h2>" in page
    assert "0.0123" in page
    assert "45.6 %" in page
    assert (run / "figures" / "ensemble.png").stat().st_size > 5000


@pytest.mark.parametrize("fill", quick([np.inf, 1e36], np.inf))
def test_numbers_that_cannot_be_drawn(tmp_path: Path, fill: float) -> None:
    assert (
        "<h2>Ensemble</h2>" in write_report(with_ensemble(tmp_path / "run", fill=fill)).read_text()
    )


def test_a_run_without_one_shows_none(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", ensemble={"crps": {"1": 0.5}})
    assert read_ensemble(load_run(run)) is None
    assert "Ensemble" not in json.dumps(write_report(run).read_text())
    assert not (run / "figures" / "ensemble.png").exists()


@pytest.mark.parametrize("name", ["spread_size", "error", "fan"])
def test_arrays_of_other_shapes_are_refused(tmp_path: Path, name: str) -> None:
    run = with_ensemble(tmp_path / "run")
    with h5py.File(run / "rollouts.h5", "a") as file:
        del file[f"ensemble/{name}"]
        file[f"ensemble/{name}"] = np.zeros((5, 7))
    with pytest.raises(RunError, match=f"holds no '{name}' of the shape"):
        write_report(run)
