"""The main job measures its model from inside."""

import json
from pathlib import Path

import numpy as np
from support import FEW, SMALL, Command

from sirve.report.inside.load import load_inside
from sirve.report.media import summary


def test_a_run_writes_its_measurements_and_pictures(command: Command, tmp_path: Path) -> None:
    options = [*SMALL["lorenz"], *FEW, "logger=none", "fit=gradient", "model=lstm", "inside=true"]
    done = command(*options)
    assert done.returncode == 0, done.stderr
    (run,) = [path.parent for path in tmp_path.rglob("metrics.json")]
    metrics = json.loads((run / "metrics.json").read_text())
    found = load_inside(run)
    assert set(found.reach) == set(found.initial) == {"h", "C"}
    assert not np.allclose(found.reach["h"], found.initial["h"])  # training has changed it
    for name in ("reach", "gates", "memory"):
        assert (run / "figures" / f"{name}.png").is_file()
    numbers = summary(metrics)
    assert numbers["inside/reach_h_1%"] == metrics["inside"]["reach"]["h"]["1%"]
