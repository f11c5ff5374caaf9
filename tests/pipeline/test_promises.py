"""The numbers that the README promises, over three seeds; slow."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import TRAIN
from warm import run_warm

HANGS = 7200  # seconds: a run takes minutes on a quiet processor, and longer on a busy one


def scores(folder: Path, *arguments: str) -> list[dict[str, Any]]:
    found = []
    for seed in range(3):
        command = [TRAIN, *arguments, f"seed={seed}", f"runs=seed{seed}", "logger=none"]
        done = run_warm(command, folder, timeout=HANGS)
        assert done.returncode == 0, done.stderr
        (path,) = (folder / f"seed{seed}").rglob("metrics.json")
        found.append(json.loads(path.read_text()))
    return found


@pytest.mark.slow
def test_gru_on_lorenz_holds_for_at_least_four_lyapunov_times(tmp_path: Path) -> None:
    runs = scores(tmp_path, "model=gru", "sim=lorenz")
    assert all(run["steps"] >= 1200 for run in runs)
    times = [run["scores"]["model"]["valid_time"]["0.4"]["median"] for run in runs]
    assert np.median(times) >= 4


@pytest.mark.slow
def test_convlstm_on_heat_beats_persistence_and_stays_finite(tmp_path: Path) -> None:
    for run in scores(tmp_path, "model=convlstm", "sim=heat"):
        model, persistence = (run["scores"][name]["nrmse"] for name in ("model", "persistence"))
        for horizon in ("1", "10", "50"):
            assert model[horizon] < persistence[horizon]
        assert model["500"] is not None
