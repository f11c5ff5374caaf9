"""scripts/truth.py: the simulator from the state that was measured, and refusals."""

from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from support import FEW, ROOT, SMALL, Command

from sirve.errors import UserError
from sirve.report.load import load_run

spec = spec_from_file_location("truth_script", ROOT / "scripts" / "truth.py")
assert spec is not None
assert spec.loader is not None
truth: Any = module_from_spec(spec)
spec.loader.exec_module(truth)


def test_it_starts_from_what_was_measured(
    command: Command, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    small = ["sim=lorenz", *SMALL["lorenz"], *FEW, "logger=none", "runs=runs"]
    done = command("model=persistence", "observe.noise=1e-6", *small)
    assert done.returncode == 0, done.stderr
    (folder,) = tmp_path.glob("runs/*/*")
    found = truth.of_equations(load_run(folder))
    assert found.shape == (4, 60)
    assert 1e-7 < found[:, 0].mean() < 1e-5
    assert found.max() < 1e-3  # one step off would be 0.1
    assert truth.main([str(folder)]) == 0
    line = capfd.readouterr().out.splitlines()[-1]
    assert "| persistence | 0 |" in line
    end = 60 * 0.02 * 0.9056
    assert f"| {end:.2f} [{end:.2f}, {end:.2f}] |" in line
    film = load_run(folder).config.replace("data.observe.Channels", "data.film.Film")
    film = film.replace("  channels: null\n", "")
    with pytest.raises(UserError, match="observe=film: this system has no picture"):
        truth.of_equations(replace(load_run(folder), config=film))
    with pytest.raises(UserError, match="was not simulated"):
        truth.of_equations(replace(load_run(folder), config="sim: {system: null, splits: {}}"))


def test_what_is_no_run_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert truth.main([str(tmp_path)]) == 2
    assert "holds no metrics.json" in capfd.readouterr().err
