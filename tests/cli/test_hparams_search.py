"""A search of hyperparameters: scored by validation rollouts, resumed by the same command."""

import json
from pathlib import Path

import pytest
import yaml
from support import FEW, SMALL, Command


@pytest.mark.slow
def test_a_search_takes_the_best_and_resumes(process: Command, tmp_path: Path) -> None:
    command = ["-m", "hparams_search=vectors", "model=gru", "sim=lorenz", "logger=none"]
    command += [*SMALL["lorenz"], *FEW, "hydra.sweeper.n_trials=2", "hydra.sweeper.params={"]
    command[-1] += "optimizer.lr: 'tag(log, interval(1e-3, 1e-2))'}"
    for trials in (2, 4):
        done = process(*command)
        assert done.returncode == 0, done.stderr
        runs = sorted((tmp_path / "runs" / "lorenz-gru").iterdir())
        assert len(runs) == trials
        scores = [json.loads((run / "metrics.json").read_text()) for run in runs]
        best = min(score["fit"]["valid_log_error"] for score in scores)
        results = max((tmp_path / "runs" / "sweeps").rglob("optimization_results.yaml"))
        found = yaml.safe_load(results.read_text())
        assert found["best_value"] == pytest.approx(best)
