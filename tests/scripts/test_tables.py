"""scripts/study/tables.py: finished runs are not repeated; the numbers are those of the runs."""

from dataclasses import fields, replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import yaml
from scipy import stats
from support import FEW, ROOT, SMALL, configure, quick

from sirve.io.files import read_json
from sirve.report.load import Run
from sirve.training.fits import Ridge

spec = spec_from_file_location("tables_script", ROOT / "scripts" / "study" / "tables.py")
assert spec is not None
assert spec.loader is not None
tables: Any = module_from_spec(spec)
spec.loader.exec_module(tables)


def run_of(errors: np.ndarray) -> Run:
    """Return a run with these errors (starts, steps)."""
    scores = {"model": {"diverged": 0.25}}
    metrics = {"dt": 0.5, "unit": 1.0, "time_unit": "step", "parameters": 7}
    metrics |= {"fit": {"seconds": 2.0}, "scores": scores}
    time = 0.5 * np.arange(1, errors.shape[1] + 1)
    return Run(Path("."), metrics, "", [], time, {"model": errors}, {}, (1,), 1)


def with_rollouts(run: Run, truth: np.ndarray, prediction: np.ndarray, std: float) -> Run:
    """Write the states of a run to its file and return the run."""
    with h5py.File(run.path / "rollouts.h5", "w") as file:
        file.attrs["std"] = [std] * truth.shape[2]
        file["truth"], file["prediction"] = truth, prediction
    return run


def cells(text: str, row: str) -> list[str]:
    (line,) = (line for line in text.splitlines() if line.startswith(f"| {row} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_scores_of_seeds_and_pairs_are_closed_forms() -> None:
    error = np.full((4, 6), 0.1) * np.array([1, 2, 1, 2])[:, None]
    runs = {"a": [run_of(c * error) for c in (1, 3, 2)], "b": [run_of(4 * error)]}
    table = tables.Table(rows={"a": [], "b": []}, at=[1, 6], score="nrmse", against="b")
    text = tables.markdown(table, runs)
    name, seeds, first, *_ = cells(text, "a")
    assert (name, seeds) == ("a", "3")
    assert first.split()[0] == tables.digits(0.2 * np.sqrt(2.5))
    assert cells(text, "a")[4:7] == ["25%", "7", "2.00"]
    logs = np.log([1 / 4, 3 / 4, 2 / 4])  # paired: the same at every start
    low, high = np.exp(stats.t.interval(0.95, 2, logs.mean(), stats.sem(logs)))
    assert cells(text, "a")[7:] == [f"{np.exp(logs.mean()):.2f} [{low:.2f}, {high:.2f}]"] * 2
    assert cells(text, "b")[7:] == ["", ""]


def test_valid_times_are_compared_by_difference() -> None:
    ramp = np.arange(1, 9) * np.ones((5, 1))
    runs = {"a": [run_of(ramp)], "b": [run_of(2 * ramp)]}
    table = tables.Table(rows={"a": [], "b": []}, at=[4], score="valid_time", against="b")
    assert cells(tables.markdown(table, runs), "a")[2] == "2.00 [2.00, 2.00]"
    assert cells(tables.markdown(table, runs), "a")[-1] == "+1.00 [+1.00, +1.00]"


def test_apebench_score_is_the_mean_over_starts_of_the_ratio_of_norms(tmp_path: Path) -> None:
    truth = np.random.default_rng(0).normal(size=(3, 4, 1, 8))
    off = np.array([0.1, 0.2, 0.6])[:, None, None, None] * np.arange(1, 5)[:, None, None]
    run = replace(run_of(np.ones((3, 4))), path=tmp_path)
    with_rollouts(run, truth, truth * (1 + off), 1.0)
    table = tables.Table(rows={"a": []}, at=[1, 4, "2:3"], score="nrmse_frame")
    shown = [cell.split()[0] for cell in cells(tables.markdown(table, {"a": [run]}), "a")[2:5]]
    assert shown == [tables.digits(0.3 * k) for k in (1, 4, 2.5)]  # "2:3" is the mean of two steps


def test_chepuri_time_is_relative_to_the_size_of_each_trajectory(tmp_path: Path) -> None:
    """On a circle of radius 2 std the error may grow to 0.9 of 2 sqrt(1/2) std a channel."""
    angle = 2 * np.pi * np.arange(40) / 40
    truth = np.stack([np.cos(angle), np.sin(angle)], 1)[None] * 6 + 10
    error = 0.1 * np.arange(1, 41)[None]  # as in rollouts.h5: rms over channels, in std
    run = replace(run_of(error), path=tmp_path)
    with_rollouts(run, truth, truth, 3.0)
    table = tables.Table(rows={"a": []}, at=[0.9], score="vpt_chepuri")
    steps = np.floor(0.9 * 2 * np.sqrt(0.5) / 0.1)
    assert cells(tables.markdown(table, {"a": [run]}), "a")[2].split()[0] == tables.digits(
        steps * 0.5
    )


def test_published_numbers_are_printed_as_they_are() -> None:
    error = np.ones((2, 3))
    published = {"theirs": [0.155, None]}
    table = tables.Table(rows={"a": []}, at=[1, 3], published=published)
    text = tables.markdown(table, {"a": [run_of(error)]})
    assert cells(text, "theirs")[1:4] == ["published", "0.155", ""]
    assert len(cells(text, "theirs")) == len(cells(text, "a"))
    with pytest.raises(ValueError, match="theirs has 2 numbers for 1 columns"):
        tables.Table(rows={"a": []}, at=[1], published=published)


def test_limit_adds_its_own_rows_and_effective_memories(tmp_path: Path) -> None:
    """A model with the error of the limit of two states has used two."""
    limit = np.array([0.4, 0.2, 0.1])[:, None, None] * np.ones((3, 5, 6))
    found = tables.Limit(np.array([1, 2, 4]), limit, limit, np.ones(3))
    found.write(tmp_path / tables.LIMIT)
    run = replace(run_of(np.full((5, 6), 0.2)), path=tmp_path)
    text = tables.markdown(tables.Table(rows={"a": []}, at=[1, 6], limit={}), {"a": [run]})
    assert cells(text, "a")[-2:] == ["2.00", "2.00"]
    assert cells(text, "limit of 4 states")[2:4] == ["0.100", "0.100"]
    with pytest.raises(ValueError, match="a limit needs score: nrmse, not vrmse"):
        tables.Table(rows={"a": []}, at=[1], score="vrmse", limit={})


@pytest.mark.usefixtures("blank_report")
def test_finished_run_is_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    common = ["sim=heat", *SMALL["heat"], *FEW, "seed=3"]
    rows = {"still": ["model=persistence"]}
    declared = {"common": common[:-1], "rows": rows, "score": "vrmse", "at": [1, 10]}
    Path("heat.yaml").write_text(yaml.safe_dump(declared))
    Path("page.md").write_text("before\n<!-- heat -->\nold\n<!-- end of heat -->\nafter\n")
    arguments = ["heat.yaml", "--runs", "here", "--seeds", "3"]
    assert tables.main([*arguments, "--show"]) == 2
    assert "leave out --show" in capsys.readouterr().err
    assert tables.main([*arguments, "--into", "page.md"]) == 0
    (scores,) = Path("here").glob("*/*/*/metrics.json")
    still = read_json(scores, "", 2**20)["scores"]["persistence"]["vrmse"]
    monkeypatch.setattr(tables, "train", None)  # a second run would fail
    capsys.readouterr()
    assert tables.main([*arguments, "--into", "page.md"]) == 0
    assert cells(capsys.readouterr().out, "still")[2].split()[0] == tables.digits(still["1"])
    page = Path("page.md").read_text()
    assert "old" not in page
    assert page.startswith("before\n")
    assert cells(page, "still")[3].split()[0] == tables.digits(still["10"])


def test_missing_file_and_row_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "t.yaml").write_text("rows: {a: []}\nat: [1]\nagainst: b\n")
    assert tables.main([str(tmp_path / "absent.yaml")]) == 2
    assert "absent.yaml does not exist" in capsys.readouterr().err
    assert tables.main([str(tmp_path / "t.yaml")]) == 2
    assert "there is no row b" in capsys.readouterr().err


TABLES = sorted((ROOT / "scripts" / "study" / "tables").glob("*.yaml"))
FEW_TABLES = [path for path in TABLES if path.stem in ("fits", "images", "lorenz")]


@pytest.mark.parametrize("path", quick(TABLES, *FEW_TABLES), ids=lambda path: path.stem)
def test_rows_compose(path: Path) -> None:
    table = tables.Table(**yaml.safe_load(path.read_text()))
    rows = [[*table.common, *overrides] for overrides in table.rows.values()]
    for overrides in (rows[0], rows[-1]):
        config = configure(*overrides)
        if "grid" in config["fit"]:  # fit=ridge, or a fit that ends with it
            assert Ridge(**{part.name: config["fit"][part.name] for part in fields(Ridge)})
