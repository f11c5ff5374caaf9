"""The Python API: the same bits as the command line, and one line for wrong input."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support import Command, quick

import sirve

ONE = {"block": 4, "workers": 1}  # one process: starting more costs more than they save
COMMON: dict[str, Any] = {
    "sim.states": 80,
    "sim.steps": 60,
    "sim.valid_steps": 30,
    "sim.trajectories": {"train": 8, "valid": 4, "test": 4},
    "data": {**ONE, "limits": False},
    "inside": False,
}
FITS = {
    "ridge": {"fit": {"name": "ridge", "hidden": 20, "screening_size": 2, "finalists": 1}},
    "gradient": {"fit": "gradient", "trainer": {"updates": 12, "validations": 2}},
}


def words(settings: dict[str, Any]) -> list[str]:
    """Return settings as a user types them."""
    found = []
    for key, value in settings.items():
        if isinstance(value, dict) and not key.startswith("sim."):
            found += [f"{key}={v}" if k == "name" else f"{key}.{k}={v}" for k, v in value.items()]
        else:
            found.append(f"{key}={str(value).replace(chr(39), '')}")
    return found


@pytest.mark.usefixtures("blank_report")
@pytest.mark.parametrize("fit", quick(FITS, "gradient"))
def test_fit_and_evaluate_give_the_bits_of_the_command_line(
    fit: str, command: Command, tmp_path: Path
) -> None:
    settings = {**COMMON, **FITS[fit], "seed": 3}
    done = command("sim=lorenz", "model=gru", "logger=none", *words(settings))
    assert done.returncode == 0, done.stderr
    (run,) = (tmp_path / "runs" / "lorenz-gru").iterdir()
    ours, theirs = sirve.fit(sim="lorenz", model="gru", **settings), sirve.load(run)
    for key, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[key], value), key
    test = sirve.simulate("lorenz", trajectories=4, steps=110, split="test", data=ONE)
    found, written = sirve.evaluate(ours, test), json.loads((run / "metrics.json").read_text())
    assert found["nrmse"] == written["scores"]["model"]["nrmse"]
    assert found["valid_time"] == written["scores"]["model"]["valid_time"]
    assert found["one_step"] == written["one_step"]


def test_an_array_is_fitted_and_forecast() -> None:
    t = 0.1 * np.arange(200)
    x = np.stack([np.stack([np.sin(t + p), np.cos(t + p)], axis=1) for p in range(10)])
    generator = torch.get_rng_state()
    forecaster = sirve.fit(x, dt=0.1, model={"name": "gru", "hidden": 8}, **FITS["gradient"])
    assert torch.equal(torch.get_rng_state(), generator), "the caller's generator is left alone"
    future = forecaster.forecast(x[0, -50:], steps=20)
    assert future.shape == (20, 2)
    scores = sirve.evaluate(forecaster, x, context=20)
    assert np.isfinite(scores["nrmse"]["1"])


def test_a_run_can_be_kept(tmp_path: Path) -> None:
    settings = {**COMMON, **FITS["gradient"], "data.root": str(tmp_path / "data")}
    settings |= {"data.limits": False, "inside": False}
    forecaster = sirve.fit(sim="lorenz", model="gru", runs=tmp_path / "runs", **settings)
    assert forecaster.run is not None
    assert (forecaster.run / "report.html").is_file()


def test_simulated_trajectories_say_what_they_are() -> None:
    data = sirve.simulate("heat", trajectories=3, steps=5, system={"size": [8, 8]}, data=ONE)
    assert data.x.shape == (3, 5, 1, 8, 8)
    assert data.x.dtype == np.float64
    assert (data.name, data.dt, data.boundary) == ("heat", 1.0, "neumann")
    again = sirve.simulate("heat", trajectories=2, steps=5, system={"size": [8, 8]}, data=ONE)
    assert np.array_equal(again.x, data.x[:2])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sirve.fit(), "nothing to fit"),
        (lambda: sirve.fit(np.zeros((3, 50, 2))), "give dt="),
        (lambda: sirve.fit(sim="lorentz"), "unknown sim 'lorentz'"),
        (lambda: sirve.fit(sim="lorenz", trainer={"updatez": 3}), "did you mean"),
        (lambda: sirve.fit(sim="lorenz", fit="rigde"), "unknown fit 'rigde'"),
        (lambda: sirve.fit("nowhere.npy", dt=0.1), "nowhere.npy"),
        (lambda: sirve.simulate("lorenz", split="tests"), "split=tests is unknown"),
    ],
)
def test_wrong_input_gets_one_line(call: Any, message: str) -> None:
    with pytest.raises(sirve.UserError) as refused:
        call()
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
