"""scripts/truth.py: the simulator from the state that was measured, and refusals."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import FEW, ROOT, SMALL, Command

from sirve.report.load import load_run

spec = spec_from_file_location("truth_script", ROOT / "scripts" / "truth.py")
assert spec is not None
assert spec.loader is not None
truth: Any = module_from_spec(spec)
spec.loader.exec_module(truth)


def run(command: Command, folder: Path, *more: str) -> Path:
    done = command(
        "model=persistence", "sim=lorenz", *SMALL["lorenz"], *FEW, "logger=none", "runs=runs", *more
    )
    assert done.returncode == 0, done.stderr
    return max(folder.glob("runs/*/*"), key=lambda path: path.stat().st_mtime_ns)


def test_errors_are_the_noise_it_starts_from(
    command: Command, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    clean = truth.of_equations(load_run(run(command, tmp_path)))
    assert clean.shape == (4, 60)
    assert clean.max() < 1e-7
    noisy = run(command, tmp_path, "observe.noise=0.01")
    found = truth.of_equations(load_run(noisy))
    assert 0.003 < found[:, 0].mean() < 0.03
    assert truth.main([str(noisy)]) == 0
    printed = capfd.readouterr().out
    assert printed.count("\n") == 3
    assert "| persistence | 0 |" in printed
    steps = np.median((found <= 0.4).cumprod(axis=1).sum(axis=1))
    assert f"| {steps * 0.02 * 0.9056:.2f} [" in printed


def test_a_part_of_the_state_is_refused(
    command: Command, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    hidden = run(command, tmp_path, "observe.channels=[x]")
    assert truth.main([str(hidden)]) == 2
    assert "sees (1,) of (3,); give a finished run that sees" in capfd.readouterr().err
