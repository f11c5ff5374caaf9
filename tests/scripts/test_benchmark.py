"""The benchmark runs end to end at small sizes; the measured times are not checked."""

import json
from importlib.util import find_spec
from math import isfinite
from pathlib import Path
from typing import Any

import pytest
from support import ROOT, quick
from warm import run_warm

PROBLEMS = sorted(path.stem for path in (ROOT / "scripts" / "benchmark" / "solvers").glob("*.py"))


def benchmark(folder: Path, *arguments: str) -> tuple[dict[str, Any], str]:
    file = folder / "measured.json"
    command = [str(ROOT / "scripts" / "benchmark.py"), *arguments, "--json", str(file)]
    done = run_warm(command, folder)
    assert done.returncode == 0, done.stderr
    return json.loads(file.read_text())["results"], done.stdout


def check_rows(rows: list[dict[str, Any]]) -> None:
    assert rows[0]["solver"] == "sirve"
    for row in rows:
        assert row["error"] <= 1e-5  # the largest error that a problem allows
        assert len(row["times"]) == 2
        for key in ("cpu_ms", "wall_ms", "cpu_ratio", "wall_ratio"):
            assert all(isfinite(value) and value > 0 for value in row[key].values()), key
        assert row["cpu_ratio"]["low"] <= row["cpu_ratio"]["median"] <= row["cpu_ratio"]["high"]
        assert row["peak_mb"] > 10
    assert set(rows[0]["cpu_ratio"].values()) == {1.0}  # relative to itself


@pytest.mark.parametrize("problem", quick(PROBLEMS, "lorenz"))
def test_solvers_without_other_programs(problem: str, tmp_path: Path) -> None:
    few = ["--trajectories", "2", "--states", "20", "--repeats", "2"]
    found, text = benchmark(tmp_path, "simulate", "--only", problem, "--no-peers", *few)
    check_rows(found[problem])
    for row in found[problem]:
        assert f"| {row['solver']} |" in text


def test_solvers_with_installed_other_programs(tmp_path: Path) -> None:
    few = ["--trajectories", "2", "--states", "20", "--repeats", "2"]
    found, _ = benchmark(tmp_path, "simulate", "--only", "lorenz", *few)
    check_rows(found["lorenz"])
    peers = [row for row in found["lorenz"] if row["solver"].startswith("diffrax")]
    assert len(peers) == (2 if find_spec("diffrax") else 0)


def test_block_sizes(tmp_path: Path) -> None:
    few = ["--states", "5", "--repeats", "1"]
    found, text = benchmark(tmp_path, "blocks", "--only", "pendulum", *few)
    seconds = found["pendulum"]["dataset_s"]
    assert all(isfinite(value) and value > 0 for value in seconds.values())
    assert f"{min(seconds, key=seconds.__getitem__)} is best" in text


def check_ratios(rows: dict[str, Any]) -> None:
    for row in rows.values():
        for spread in row.values():
            assert 0 < spread["low"] <= spread["median"] <= spread["high"] < float("inf")


def test_forecast_with_installed_other_programs(tmp_path: Path) -> None:
    few = ["--only", "lstm", "--hidden", "5", "--steps", "20", "--repeats", "1"]
    found, text = benchmark(tmp_path, "forecast", *few)
    peers = {"jax": "jax", "numba": "compiled"}
    there = {label for module, label in peers.items() if find_spec(module)}
    for name, rows in found.items():
        assert set(rows) == {"buffers", "plain", "torch.nn"} | there
        check_ratios(rows)
        assert f"| {name.rsplit(' ', 1)[0]} |" in text


def test_training_with_installed_other_programs(tmp_path: Path) -> None:
    found, _ = benchmark(tmp_path, "train", "--only", "gru", "--hidden", "5", "--repeats", "1")
    for rows in found["steps"].values():
        assert set(rows) == {"sirve", "plain", "torch.nn"} | (
            {"jax"} if find_spec("jax") else set()
        )
        check_ratios(rows)
