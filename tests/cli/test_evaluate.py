"""``sirve evaluate`` on files of other programs, and its refusals."""

import csv
import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from sirve import metrics
from sirve.cli import evaluate

RNG = np.random.default_rng(0)
TRUTH = np.cumsum(RNG.normal(size=(5, 60, 2)), axis=1)
GUESS = TRUTH + 0.1 * np.cumsum(RNG.normal(size=TRUTH.shape), axis=1)
FIELD = RNG.normal(size=(3, 12, 1, 6, 8)).astype("f4")


def write(path: Path, attributes: dict[str, Any] | None = None, **arrays: Any) -> str:
    with h5py.File(path, "w") as file:
        file.attrs.update(attributes or {})
        for name, x in arrays.items():
            file.create_dataset(name, data=x, compression="gzip")
    return str(path)


def scored(file: str, tmp_path: Path, *options: str) -> tuple[dict[str, Any], dict[str, str]]:
    out = tmp_path / "out.json"
    assert evaluate.main([file, "--json", str(out), *options]) == 0
    found = json.loads(out.read_text())[file]
    return found["scores"], found["left_out"]


def test_two_arrays_are_enough(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "mine.h5", truth=TRUTH, forecast=GUESS)
    scores, left_out = scored(file, tmp_path, "--prediction", "forecast")
    assert scores["smape/10"] == pytest.approx(
        np.mean([metrics.smape(TRUTH[:, :10, c], GUESS[:, :10, c]) for c in (0, 1)])
    )
    assert "give --std" in left_out["nrmse"] and "vectors" in left_out["vrmse"]
    assert not any(name.startswith("nrmse") for name in scores)
    shown = capsys.readouterr().out
    rows = [line.strip("│ ").split("│") for line in shown.splitlines() if line.startswith("│")]
    assert rows and all(cell.strip() for row in rows for cell in row)
    for name in left_out:
        assert name in shown


def test_options_give_what_a_file_lacks(tmp_path: Path) -> None:
    file = write(tmp_path / "mine.h5", truth=TRUTH, prediction=GUESS, before=TRUTH[:, :3])
    options = ["--std", "2,3", "--dt", "0.5", "--lyapunov", "0.1", "--context", "before"]
    scores, left_out = scored(file, tmp_path, *options)
    error = metrics.normalised_error(TRUTH, GUESS, np.array([2.0, 3.0]))
    assert scores["nrmse/50"] == metrics.nrmse(error)[49]
    expected = metrics.valid_time(error, 0.3, 0.5, 10.0)
    assert {k: scores[f"valid_time/0.3/{k}"] for k in expected} == pytest.approx(expected)
    assert "copies" in scores and "copies" not in left_out
    attributes = {"std": [2.0, 3.0], "dt": 0.5, "unit": 10.0}
    whole = write(tmp_path / "whole.h5", attributes, truth=TRUTH, prediction=GUESS)
    again, _ = scored(whole, tmp_path)
    assert again == {name: value for name, value in scores.items() if name != "copies"}


def test_the_truth_is_perfect_and_its_std_may_be_used(tmp_path: Path) -> None:
    file = write(tmp_path / "mine.h5", truth=FIELD, prediction=FIELD)
    scores, _ = scored(file, tmp_path, "--std", "truth")
    for name, value in scores.items():
        if name.startswith(("nrmse", "median_error", "vrmse", "smape", "band_error", "diverged")):
            assert value == 0, name
        if name.startswith(("valid_time", "correlation_time")):
            assert value == (3 if name.endswith("censored") else 12), name
    assert scores["peers/correlated_steps_0.95"] == scores["peers/vpt_magrilab_0.4"] == 12


def test_a_folder_means_all_runs_below(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, x in (("a", TRUTH), ("b", TRUTH[:, :20])):
        (tmp_path / "runs" / name).mkdir(parents=True)
        write(tmp_path / "runs" / name / "rollouts.h5", truth=x, prediction=x)
    out = tmp_path / "out.json"
    assert evaluate.main([str(tmp_path / "runs"), "--json", str(out)]) == 0
    assert [Path(name).name for name in json.loads(out.read_text())] == ["a", "b"]
    assert "too short" in capsys.readouterr().out  # the horizon 50, of the shorter


def test_members_make_an_ensemble(tmp_path: Path) -> None:
    members = TRUTH + 0.5 * RNG.normal(size=(40, *TRUTH.shape))
    file = write(tmp_path / "mine.h5", truth=TRUTH, prediction=members[0], members=members)
    scores, _ = scored(file, tmp_path, "--std", "1,1", "--ensemble", "members")
    assert scores["ensemble/members"] == 40
    # the fair score of a Gaussian about its own mean: sigma (sqrt(2) - 1) / sqrt(pi)
    assert scores["ensemble/crps/10"] == pytest.approx(0.5 * (2**0.5 - 1) / np.pi**0.5, rel=0.2)
    assert scores["ensemble/spread/10"] == pytest.approx(0.5, rel=0.1)


def test_the_maximum_principle_is_an_option(tmp_path: Path) -> None:
    context = FIELD[:, :1]
    prediction = np.repeat(context, 12, axis=1)
    prediction[:, 5:] *= 2
    arrays = {"truth": FIELD * 0, "prediction": prediction, "context": context}
    file = write(tmp_path / "mine.h5", **arrays)
    scores, left_out = scored(file, tmp_path, "--std", "1")
    assert "--diffuses" in left_out["maximum_principle"]
    scores, _ = scored(file, tmp_path, "--std", "1", "--diffuses")
    assert scores["maximum_principle/prediction/1"] == 0
    low, high = context.reshape(3, -1).min(1), context.reshape(3, -1).max(1)
    expected = np.median(np.maximum(high, -low))
    assert scores["maximum_principle/prediction/10"] == pytest.approx(expected)
    assert scores["maximum_principle/truth/10"] == 0


def test_a_forecast_that_is_not_finite_is_scored(tmp_path: Path) -> None:
    broken = GUESS.copy()
    broken[2, 30:] = np.nan
    file = write(tmp_path / "mine.h5", truth=TRUTH, prediction=broken)
    table = tmp_path / "out.csv"
    scores, _ = scored(file, tmp_path, "--std", "9,9", "--csv", str(table))
    assert scores["nrmse/10"] is not None and scores["nrmse/50"] is None
    assert scores["diverged"] == 0.2
    with table.open() as lines:
        rows = {row["score"]: row for row in csv.DictReader(lines)}
    assert (rows["nrmse/50"]["value"], rows["nrmse/50"]["reason"]) == ("nan", "not finite")
    assert float(rows["nrmse/10"]["value"]) == scores["nrmse/10"]
    assert rows["invariants"]["reason"].startswith("left out: ")
    assert all(cell for row in rows.values() for cell in row.values())


BAD = TRUTH.copy()
BAD[1, 3, 1] = np.nan
WRONG: dict[str, tuple[dict[str, Any], list[str], str]] = {
    "no forecast": ({"truth": TRUTH}, [], "'prediction' is not there; the file has 'truth'"),
    "other steps": ({"truth": TRUTH, "prediction": GUESS[:, :9]}, [], "shape (5, 9, 2)"),
    "no rollouts": ({"truth": TRUTH[0], "prediction": GUESS[0]}, [], "(rollouts, steps, channels)"),
    "truth is nan": ({"truth": BAD, "prediction": GUESS}, [], "truth is nan at (1, 3, 1)"),
    "context of others": ({"truth": TRUTH, "context": TRUTH[:, :, :1]}, [], "(5, any, 2)"),
    "std of others": ({}, ["--std", "1,2,3"], "std has 3 numbers, and states 2 channels"),
    "std is zero": ({}, ["--std", "1,0"], "must be positive numbers"),
    "std is a word": ({}, ["--std", "one"], "--std one must be numbers"),
    "no dt": ({}, ["--lyapunov", "0.9"], "give --dt"),
    "two units": ({}, ["--lyapunov", "0.9", "--unit", "2"], "give one"),
    "dt is zero": ({}, ["--dt", "0"], "dt=0 must be a positive number"),
    "unit is zero": ({}, ["--dt", "1", "--unit", "0"], "unit=0 must be a positive number"),
    "exponent is zero": ({}, ["--lyapunov", "0"], "--lyapunov 0 must be a positive number"),
    "boundary is nan": ({}, ["--boundary-value", "nan"], "boundary_value=nan must be a finite"),
    "no members": ({}, ["--ensemble", "m"], "name it by --ensemble"),
    "nowhere": ({}, ["--csv", "/proc/none/out.csv"], "cannot be written"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_is_one_line(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arrays, options, message = WRONG[name]
    if name != "no forecast":
        arrays = {"truth": TRUTH, "prediction": GUESS} | arrays
    file = write(tmp_path / "mine.h5", **arrays)
    assert evaluate.main([file, *options]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_unusable_files_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = tmp_path / "words.h5"
    words.write_text("not HDF5")
    linked = tmp_path / "linked.h5"
    with h5py.File(linked, "w") as file:
        file["truth"] = h5py.ExternalLink("/etc/passwd", "x")
    reasons = {
        tmp_path / "none.h5": "is not there",
        tmp_path: "holds no rollouts.h5",
        words: "is not readable",
        linked: "is a link to another file",
    }
    for path, reason in reasons.items():
        assert evaluate.main([str(path)]) == 2
        error = capsys.readouterr().err
        assert reason in error and error.count("\n") == 1


def test_untrusted_text_is_printed_without_control_characters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.h5"
    name = "invariants/[red]\x1b[2Jenergy/prediction"
    said = {"members": np.nan, "time_unit": "[bold]\x07", "unit": 1.0, "dt": 1.0}
    write(file, said, truth=TRUTH, prediction=GUESS, **{name: np.ones((5, 61))})
    assert evaluate.main([str(file)]) == 0
    out = capsys.readouterr().out
    assert "invariants/[red]?[2Jenergy" in out and "times in [bold]?" in out
    assert "\x1b[2J" not in out
