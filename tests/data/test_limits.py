"""The limits of prediction that are stored with the data."""

import json
from pathlib import Path

import pytest
from support import recipe

from simulators import Heat, Lorenz, Pendulum
from sirve.data.dataset import SPLITS, Dataset
from sirve.data.simulated import limits
from sirve.data.simulated.generate import generate
from sirve.data.simulated.limits import measure


def test_limits_of_a_chaotic_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At a tolerance of 1e-6 two solvers agree for about log(0.4 / 1e-6) Lyapunov times."""
    made = recipe(Lorenz(rtol=1e-6, atol=1e-6), dt=0.02, states=dict.fromkeys(SPLITS, 1200))
    dataset = generate(made, dict.fromkeys(SPLITS, 1), tmp_path)
    monkeypatch.setattr(limits, "SMALL", (100, 16))
    found = measure(made, dataset)
    assert found["exponents"]["value"][0] == pytest.approx(0.9056, abs=0.1)
    assert 0 < found["exponents"]["error"][0] < 0.2
    assert found["twin"] == "LSODA"
    assert 7 < found["ceiling"]["0.4"]["median"] < 19
    assert found["ceiling"]["0.3"]["median"] <= found["ceiling"]["0.9"]["median"]
    stored = json.loads((dataset.folder / "manifest.json").read_text())["limits"]
    assert stored == json.loads(json.dumps(found))
    monkeypatch.setattr(limits, "_exponents", lambda *_: pytest.fail("measured again"))
    assert measure(made, Dataset(dataset.folder)) == stored


def test_limits_of_exact_and_of_regular_systems(tmp_path: Path) -> None:
    made = recipe(Heat(size=(4, 4)), states=dict.fromkeys(SPLITS, 20))
    found = measure(made, generate(made, dict.fromkeys(SPLITS, 1), tmp_path))
    assert found["twin"] is found["ceiling"] is None
    assert found["exponents"]["value"][0] <= 0.01
    made = recipe(Pendulum(), states=dict.fromkeys(SPLITS, 100))
    found = measure(made, generate(made, dict.fromkeys(SPLITS, 1), tmp_path))
    assert found["ceiling"]["0.4"]["censored"] == limits.PAIRS
