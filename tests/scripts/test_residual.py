"""scripts/study/residual.py: the residual of a forecast in the true equations."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import FEW, SMALL, Command, quick

from scripts.study import residual
from scripts.study.solver_comparison.system import System
from sirve import metrics
from sirve.report.load import load_run

pytestmark = pytest.mark.usefixtures("blank_reports_in_module")

SYSTEMS = {  # with the largest residual of the truth, the error of solver and storage
    "lorenz": (["sim.system.rho={uniform: [26, 32]}", "observe.stride=2"], 1e-9),
    "pendulum": ([], 1e-9),  # driven: its equations depend on time
    "heat": (["sim.system.diffusivity={uniform: [0.3, 0.6]}"], 1e-6),
}


def run_of(sim: str, extra: list[str], command: Command, tmp_path: Path) -> Path:
    small = [f"sim={sim}", "model=persistence", "logger=none", *SMALL[sim], *FEW]
    done = command(*small, *extra)
    assert done.returncode == 0, done.stderr
    (run,) = (tmp_path / "runs" / f"{sim}-persistence").iterdir()
    return run


def scored(run: Path) -> dict[str, Any]:
    out = run / "scores.json"
    assert residual.main([str(run), "--json", str(out)]) == 0
    return json.loads(out.read_text())[str(run)]  # type: ignore[no-any-return]


@pytest.mark.parametrize("sim", quick(SYSTEMS, "lorenz"))
def test_truth_obeys_the_equations_and_persistence_does_not(
    sim: str, command: Command, tmp_path: Path
) -> None:
    extra, floor = SYSTEMS[sim]
    run = run_of(sim, extra, command, tmp_path)
    scores = scored(run)["scores"]
    floors = [v for name, v in scores.items() if name.startswith("residual/truth/")]
    assert floors and 0 <= max(floors) < floor
    system = System.of(load_run(run))
    model, x = system.start[0], system.rollouts["prediction"]
    for k in (1, 10):
        made = model.trajectories(x[:, k - 1], system.time[k : k + 2])[:, 1:]
        error = metrics.normalised_error(made, x[:, k : k + 1], system.rollouts["std"])
        assert scores[f"residual/prediction/{k}"] == pytest.approx(np.sqrt((error**2).mean()))
        assert error.min() > 1e-3


def test_partial_state_has_no_residual(command: Command, tmp_path: Path) -> None:
    run = run_of("lorenz", ["observe.channels=[x]"], command, tmp_path)
    assert (
        scored(run)["left_out"]["residual"]
        == "it needs whole states, and this model observes a part"
    )
