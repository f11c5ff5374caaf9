"""Comparisons with the true equations and with the solver (true_equations.py, solver.py)."""

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from support import FEW, SMALL, Command

from scripts.study import solver, true_equations
from scripts.study.solver_comparison.compare import break_even, choose, measure_solvers
from scripts.study.solver_comparison.equation_forecast import equation_errors
from sirve.errors import UserError
from sirve.report.load import load_run

pytestmark = pytest.mark.usefixtures("blank_reports_in_module")

TOLERANCES = ("1e-03", "1e-06", "1e-10")


def test_equations_start_from_the_observed_state(
    command: Command, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    small = ["sim=lorenz", *SMALL["lorenz"], *FEW, "logger=none", "runs=runs"]
    done = command("model=persistence", "observe.noise=1e-6", *small)
    assert done.returncode == 0, done.stderr
    (folder,) = tmp_path.glob("runs/*/*")
    found = equation_errors(load_run(folder))
    assert found.shape == (4, 60)
    assert 1e-7 < found[:, 0].mean() < 1e-5
    assert found.max() < 1e-3  # an offset of one step would give 0.1
    assert true_equations.main([str(folder)]) == 0
    line = capfd.readouterr().out.splitlines()[-1]
    assert "| persistence | 0 |" in line
    end = 60 * 0.02 * 0.9056
    assert f"| {end:.2f} [{end:.2f}, {end:.2f}] |" in line
    found = {timed.name: timed for timed in measure_solvers(load_run(folder), cap=0.01)}
    reference = next(iter(found))
    assert reference.startswith("reference") and found[reference].errors.max() < 1e-10
    ends = [np.median(found[f"RK45, {tolerance}"].errors[:, -1]) for tolerance in TOLERANCES]
    assert all(10 * fine < coarse for coarse, fine in pairwise(ends)) and ends[0] > 1e-4
    fourth = [np.median(found[f"RK4, {n} a step"].errors[:, 0]) for n in (1, 2, 4)]
    assert all(12 < coarse / fine < 24 for coarse, fine in pairwise(fourth))  # order 4: 16
    assert solver.main([str(folder), "--cap", "0.01"]) == 0
    assert reference in capfd.readouterr().out
    film = load_run(folder).config.replace("data.observe.Channels", "data.film.Film")
    film = re.sub(r"  (channels|coarsen|coarsen_by|bar|bar_speed): .*\n", "", film)
    with pytest.raises(UserError, match="observe=film: this system has no picture"):
        equation_errors(replace(load_run(folder), config=film))
    barred = re.sub(r"  bar: .*", "  bar: 0.5", load_run(folder).config)
    with pytest.raises(UserError, match="sees a field coarsely or behind a bar"):
        equation_errors(replace(load_run(folder), config=barred))
    with pytest.raises(UserError, match="was not simulated, so"):
        equation_errors(replace(load_run(folder), config="sim: {system: null, splits: {}}"))


def test_folder_without_run_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert true_equations.main([str(tmp_path)]) == 2
    assert "holds no metrics.json" in capfd.readouterr().err
    assert solver.main([str(tmp_path)]) == 2
    assert "holds no metrics.json" in capfd.readouterr().err


def test_equal_cost_equal_accuracy_and_break_even() -> None:
    seconds = [1.0, 8.0, 0.9, 0.5, 0.1]  # of the model, the reference and cheaper solvers
    errors = [0.1, 0.0, 0.05, 0.2, 0.5]
    assert choose("error", errors, 0.0, seconds) == (1, 1)
    assert choose("error", [1e-9, *errors[1:]], 0.3, seconds) == (
        1,
        2,
    )  # more accurate than the reference
    times = [5.0, 25.0, 6.0, 2.0, 1.0]
    assert choose("valid time", times, 25.0, seconds) == (1, 1)
    assert choose("error", errors, 0.0, [0.01, *seconds[1:]]).equal_cost is None
    assert break_even(100.0, 2.0, 1.5) == 200.0
    assert break_even(100.0, 1.0, 1.0) is None
