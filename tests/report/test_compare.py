"""The comparison of several runs, made from files only."""

import io
import json
import os
import re
import subprocess
import sys
from contextlib import redirect_stdout
from html import unescape
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest
from browser import CHROMIUM, COMPARED, in_browser, narrow_widths
from plotly.offline import get_plotlyjs
from reports import (
    Tags,
    assert_self_contained,
    hostile,
    make_run,
)
from support import ROOT, quick

from sirve.report import Run, load_run
from sirve.report.compare.page import write_comparison
from sirve.report.compare.scores import columns, entries, rows
from sirve.report.compare.sections import grouped, markdown, sections
from sirve.report.compare.verdict import _against
from sirve.report.style import MISSING


@pytest.mark.parametrize("kind", quick(["vector", "frame"], "vector"))
def test_hostile_strings_are_escaped_in_a_comparison(tmp_path: Path, kind: str) -> None:
    runs = []
    for i in range(2):
        run = hostile(tmp_path / str(i), kind)
        content = json.loads((run / "metrics.json").read_text())
        content["seed"] = f"</script><script>alert({i})</script>"
        (run / "metrics.json").write_text(json.dumps(content))
        (run / "config.yaml").write_text(f"model: {{a: '</script><img src=x onerror=alert({i})>'}}")
        runs.append(load_run(run))
    page = assert_self_contained(write_comparison(runs, tmp_path / "compare.html"))
    assert "<script>alert" not in page
    assert "<img" not in page
    tags = Tags(page)
    data = tags.attributes.count(("type", "application/json"))
    assert tags.names.count("script") == data + 2
    if CHROMIUM is not None:  # the page sets names as text, and escapes what Plotly is given
        document = in_browser(tmp_path / "compare.html", tmp_path, COMPARED)
        assert "data-errors" not in document[: document.index("<head>")]
        assert "<img" not in document.replace(get_plotlyjs(), "")
    assert "<script" not in markdown(runs).replace("\\<", "")


@pytest.fixture(scope="module")
def compare() -> ModuleType:
    spec = spec_from_file_location("compare_script", ROOT / "scripts" / "compare.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def several(folder: Path) -> Path:
    for seed in (0, 1):
        make_run(folder / "a" / f"seed{seed}", seed=seed)
        make_run(folder / "c" / f"seed{seed}", seed=seed, model="rnn", steps=200)
        make_run(folder / "fields" / f"seed{seed}", "field", sim="ks", seed=seed)
    noisy = make_run(folder / "b", model="gru|x")
    (noisy / "config.yaml").write_text("observe: {noise: 0.05}\nsim: {trajectories: {train: 4}}\n")
    make_run(folder / "frames", "frame", sim="heat", steps=30)
    make_run(folder / "frames2", "frame", sim="heat", steps=30, model="convgru", seed=3)
    make_run(folder / "frames3", "frame", sim="heat", steps=30, model="linear")
    make_run(folder / "other", steps=50, model="esn", data_seed=1)
    make_run(folder / "field", "field", sim="ks", model="convgru")
    return folder


@pytest.fixture(scope="module")
def comparison(compare: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The page and the table of twelve runs."""
    folder = several(tmp_path_factory.mktemp("compare") / "runs")
    out, table = folder.parent / "compare.html", io.StringIO()
    with redirect_stdout(table):
        arguments = [str(folder), str(folder / "b"), "--out", str(out), "--markdown"]
        assert compare.main(arguments) == 0
    return out, table.getvalue()


def test_comparison(comparison: tuple[Path, str]) -> None:
    out, table = comparison
    page = assert_self_contained(out)
    assert "12 runs compared" in page
    assert out.stat().st_size < 20e6
    rows = table.splitlines()
    assert rows[0].startswith("| sim | model | seeds | valid time at 0.4 (median [low, high])")
    assert len(rows) == 2 + 9  # seeds are merged
    lstm = next(row for row in rows if "| lstm | 2 |" in row)
    time = r"\d[\d.]* \[\d[\d.]*, \d[\d.]*\] periods"
    assert re.search(rf"\| {time} \| 0.00123 \| {MISSING} \| {MISSING} \| 61.0 \|", lstm)
    assert any(r"gru\|x" in row for row in rows)


def test_runs_that_differ_in_more_than_the_seed(tmp_path: Path) -> None:
    runs = []
    for i, rate in enumerate((0.1, 0.2)):
        run = make_run(tmp_path / f"run{i}", seed=i)
        (run / "config.yaml").write_text(f"model: {{lr: {rate}, hidden: 8}}\nseed: {i}\n")
        runs.append(load_run(run))
    assert [group.label for group in grouped(runs)] == ["lstm model.lr=0.1", "lstm model.lr=0.2"]
    assert markdown(runs[:1]).count("\n") == 3


def configured(
    folder: Path, noise: float = 0, rho: Any = 28, covariates: str = "", **more: Any
) -> Run:
    train, shift = more.pop("train", 64), more.pop("shift", 0)
    run = make_run(folder, **more)
    observe = (
        f"{{_target_: sirve.data.observe.Channels, noise: {noise}, parameters: [{covariates}]}}"
    )
    sim = f"{{system: {{rho: {rho}}}, trajectories: {{train: {train}, test: 5}}, states: 9}}"
    (run / "config.yaml").write_text(f"model: {{lr: 1}}\nobserve: {observe}\nsim: {sim}\n")
    with h5py.File(run / "rollouts.h5", "r+") as file:
        file["truth"][:] += shift
    return load_run(run)


def test_only_runs_with_the_same_test_set_and_observations_are_compared(tmp_path: Path) -> None:
    drawn = "{uniform: [26, 32]}"
    runs = [
        configured(tmp_path / "a"),
        configured(tmp_path / "b", noise=0.0, train=4, seed=1, data_seed=0, steps=40),
        configured(tmp_path / "c", noise=0.01, train=4),
        configured(tmp_path / "d", rho=drawn, shift=1),
        configured(tmp_path / "e", rho=drawn, shift=1, covariates="rho"),
        configured(tmp_path / "f", shift=2, data_seed=7),
        configured(tmp_path / "g", shift=3),
        configured(tmp_path / "h", sim="heat"),
    ]
    found = sections(runs)
    paths = {part.title: sorted(run.path.name for run in part.runs) for part in found}
    assert paths == {
        "heat": ["h"],
        "waves": ["a", "b"],
        "waves · noise 0.01": ["c"],
        "waves · rho 26 to 32": ["d"],
        "waves · covariates rho · rho 26 to 32": ["e"],
        "waves · data seed 7": ["f"],
        "waves (2)": ["g"],
    }
    conditions = {part.title: part.conditions for part in found}
    assert conditions["waves · noise 0.01"] == "noise 0.01, no covariates, rho 28, data seed 0"
    assert conditions["waves · covariates rho · rho 26 to 32"].startswith(
        "no noise, covariates rho, rho 26 to 32"
    )
    assert conditions["heat"] == ""
    (waves,) = (part for part in found if part.title == "waves")
    assert [g.label for g in waves.groups] == [
        "lstm sim.trajectories.train=4",
        "lstm sim.trajectories.train=64",
    ]
    (column,) = (k for k, head in enumerate(columns(waves)) if head["key"] == "trajectories")
    assert [row["cells"][column][0] for row in rows(waves, entries(waves))[:2]] == [4, 64]


def test_comparison_of_no_run(
    compare: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path, reason in ((tmp_path / "none", "is no folder"), (tmp_path, "holds no metrics.json")):
        assert compare.main([str(path)]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert f"{path}: {reason}; give" in error


def test_report_imports_no_framework() -> None:
    banned = ("torch", "lightning", "pytorch_lightning", "hydra", "wandb", "simulators")
    code = "import sirve.report, sirve.report.compare.page, sys; "
    code += f"print([m for m in {banned} if m in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert result.stdout.strip() == "[]"


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_comparison_in_a_browser(tmp_path: Path, comparison: tuple[Path, str]) -> None:
    document = in_browser(comparison[0], tmp_path, COMPARED)
    root = document[: document.index("<head>")]
    assert "data-errors" not in root
    found = re.search('data-seen="([^"]*)"', root)
    assert found is not None
    seen = json.loads(unescape(found[1]))
    titles = [one["title"] for one in seen]
    assert len(seen) == len(set(titles)) >= 3
    for one in seen:
        assert one["ascending"] == sorted(one["rows"]) == one["descending"][::-1], one["title"]
        assert len(one["fewer"]) == len(one["rows"]) - 1
        assert one["curves"] > len(one["rows"]) and one["before"]
    clean, noisy = (one for one in seen if "waves" in one["title"])
    assert (clean["title"], noisy["title"]) == (
        "Scores: waves · no noise",
        "Scores: waves · noise 0.05",
    )
    assert {"lstm", "rnn", "esn"} <= set(clean["rows"]) and "gru|x" not in clean["rows"]
    assert "gru|x" in noisy["rows"] and not {"lstm", "rnn", "esn"} & set(noisy["rows"])
    assert "no noise" in clean["conditions"] and "noise 0.05" in noisy["conditions"]
    (heat,) = (one for one in seen if "heat" in one["title"])
    assert {"convgru", "linear", "lstm"} <= set(heat["rows"])
    assert heat["start"] and heat["played"]
    assert heat["panels"][0] == "truth" and len(heat["panels"]) == 3


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_long_names_fit_a_narrow_screen(tmp_path: Path) -> None:
    runs = []
    for kind, letter in (("vector", "a"), ("vector", "b"), ("frame", "c")):
        channels = [{"name": "temperature_of_the_upper_layer", "unit": "kg m^-1 s^-2"}] * 3
        names = {"sim": f"{kind}_of_a_long_name_of_its_own_" * 2, "model": "network_" * 12}
        run = make_run(tmp_path / letter, kind, **names, channels=channels, time_unit="turns" * 12)
        (run / "config.yaml").write_text(f"observe: {{parameters: [{letter * 50}]}}\n")
        runs.append(load_run(run))
    widths = narrow_widths(write_comparison(runs, tmp_path / "compare.html"), tmp_path)
    assert len(widths) == 3
    assert all(wanted <= there <= 390 for wanted, there in widths), widths


def test_the_verdict_says_where_the_best_is_worse_on_most_starts() -> None:
    def entry(values: np.ndarray, label: str) -> Any:
        def scores(_: float) -> list[np.ndarray]:
            return [values]

        return SimpleNamespace(errors_at=scores, times=scores, label=label)

    even, mixed = entry(np.full(16, 1.0), "a"), entry(np.array([0.5] * 15 + [10.0]), "b")
    text = _against(even, mixed, 1.0, by_error=True)  # nRMSE 1.0 and 2.5
    assert "On most starts it is worse: its error there is 1.6" in text
    assert "Its error there is 0.6" in _against(mixed, even, 1.0, by_error=True)
    longer, shorter = entry(np.array([2.0] * 16), "a"), entry(np.array([1.0] * 9 + [9.0] * 7), "b")
    assert "On most starts it is worse: -2.5" in _against(longer, shorter, 1.0, by_error=False)
