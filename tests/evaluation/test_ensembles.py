"""Ensembles of a forecaster: array types, calibrated standard deviations, trust, scores."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from support import FEW, SMALL, Command, check_rescored, configure, quick
from torch import Tensor

import sirve
from simulators import Family, Lorenz
from sirve import metrics
from sirve.cores import GRU, Core, Linear, Recurrent
from sirve.cores.spread import Constant, set_spread
from sirve.data.simulated.recipe import describe
from sirve.errors import UserError
from sirve.evaluation import ensembles, rollouts
from sirve.forecasting import checkpoint
from sirve.forecasting.checkpoint import save
from sirve.forecasting.forecaster import Forecaster
from sirve.forecasting.normaliser import Normaliser
from sirve.training.calibration import calibrate
from sirve.training.least_squares import solve_readout

DT, CONTEXT, STEPS = 0.02, 20, 600
INFO = describe("lorenz", Family(Lorenz()), DT)


def of(core: Core, x: np.ndarray, node: dict[str, Any] | None = None) -> Forecaster:
    mean, std = x.mean((0, 1)), x.std((0, 1))
    normaliser = Normaliser(mean, std, 0)
    core.scale.copy_(torch.as_tensor(np.diff(x, axis=1).std((0, 1)) / std))
    return Forecaster(core, normaliser, node or {}, INFO, std.tolist()).eval()


@pytest.fixture(scope="module")
def lorenz() -> tuple[Forecaster, np.ndarray]:
    """A random GRU with its readout in closed form, and validation and test trajectories."""
    seeds = [np.random.default_rng(i) for i in range(40)]
    x = Lorenz(rtol=1e-9, atol=1e-9).simulate(seeds, DT, CONTEXT + STEPS)
    node = configure("model=gru", "fit=gradient")["model"]
    core = Recurrent((3,), GRU(), hidden=64).double()
    core.init_weights(0, input_scaling=0.1, spectral_radius=0.3)
    forecaster = of(core, x[:16], node)
    solve_readout(core, [forecaster.read(torch.as_tensor(x[:16]))], 1e-22)
    calibrate(forecaster, x[16:24], x[16:24], CONTEXT)
    return forecaster, x[24:]


@pytest.fixture
def small() -> Forecaster:
    x = np.random.default_rng(0).normal(size=(4, 9, 3))
    forecaster = of(
        Recurrent((3,), GRU(), hidden=4), x, configure("fit=gradient", "model.hidden=4")["model"]
    )
    set_spread(forecaster.core, "constant")
    return forecaster


def test_array_types(small: Forecaster) -> None:
    x = np.random.default_rng(1).normal(size=(4, 6, 3))
    future = small.ensemble(x, 5, members=3)
    assert (future.shape, future.dtype) == ((3, 4, 5, 3), np.float64)
    assert small.ensemble(x.astype("f4"), 5, members=3).dtype == np.float32
    assert np.array_equal(small.ensemble(x, 5, members=3), future)
    assert not np.array_equal(small.ensemble(x, 5, members=3, seed=1), future)
    as_tensor = small.ensemble(torch.as_tensor(x), 5, members=2)
    assert isinstance(as_tensor, Tensor)
    np.testing.assert_allclose(as_tensor.numpy(), future[:2])
    one = small.ensemble(x[0], 5, members=3)
    assert one.shape == (3, 5, 3)
    steps = small.trusted_steps(future)
    assert steps.shape == (4,)
    assert small.trusted_steps(future[:, 2]) == steps[2]
    assert small.trusted_steps(future[:, 2], threshold=1e9) == 5
    with pytest.raises(UserError, match="members=0 must be at least 1"):
        small.ensemble(x, 5, members=0)
    with pytest.raises(UserError, match="context has shape"):
        small.ensemble(x[0, 0], 5)
    small.core.spread = None
    with pytest.raises(UserError, match=r"ensemble.members=16, or with objective=log_likelihood"):
        small.ensemble(x, 5)


@pytest.mark.parametrize("kind", ["constant", "learned"])
def test_saved_and_loaded_it_gives_the_same_ensemble(
    small: Forecaster, kind: str, tmp_path: Path
) -> None:
    set_spread(small.core, kind)
    assert small.core.spread is not None
    for value in small.core.spread.state_dict().values():
        value.normal_(std=0.1)
    save(small, tmp_path / "model.ckpt")
    x = np.random.default_rng(1).normal(size=(2, 6, 3))
    loaded = sirve.load(tmp_path / "model.ckpt")
    assert np.array_equal(loaded.ensemble(x, 5), small.ensemble(x, 5))
    assert np.array_equal(loaded.forecast(x, 5), small.forecast(x, 5))


def test_a_checkpoint_with_an_unknown_spread_is_refused(
    small: Forecaster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    description = {**checkpoint.describe(small), "spread": ["constant"]}
    monkeypatch.setattr(checkpoint, "describe", lambda _: description)
    save(small, tmp_path / "model.ckpt")
    with pytest.raises(UserError, match="not a checkpoint of sirve"):
        sirve.load(tmp_path / "model.ckpt")


def test_calibration_finds_the_std_of_a_stochastic_system() -> None:
    """In x_{t+1} = A x_t + S normal, with known A, it finds S of each channel and a factor of 1."""
    rng = np.random.default_rng(0)
    a, s = 0.9, np.array([0.1, 0.2, 0.4])
    x = np.zeros((200, 60, 3))
    for t in range(59):
        x[:, t + 1] = a * x[:, t] + s * rng.normal(size=(200, 3))
    forecaster = of(Linear((3,)).double(), x)
    solve_readout(forecaster.core, [forecaster.read(torch.as_tensor(x))])
    factor = calibrate(forecaster, x, x, 10)
    assert factor == pytest.approx(1, abs=0.05)
    assert isinstance(forecaster.core.spread, Constant)
    log = forecaster.core.spread.log
    found = forecaster.core.scale * torch.exp(log) * forecaster.normaliser.std
    np.testing.assert_allclose(found.numpy(), s, rtol=0.06)


def test_the_ensemble_of_lorenz_knows_how_far_to_trust(
    lorenz: tuple[Forecaster, np.ndarray],
) -> None:
    """Its own horizon is the true valid time within a factor of 1.5, in the median over starts.

    That no start's own is off by more than 3 says that it is the start's, not the system's.
    """
    forecaster, test = lorenz
    context, truth = test[:, :CONTEXT], test[:, CONTEXT:]
    forecast = forecaster.forecast(context, STEPS)
    error = metrics.normalised_error(truth, forecast, np.asarray(forecaster.std))
    valid = metrics.valid_steps(error, metrics.THRESHOLD)
    ensemble = forecaster.ensemble(context, STEPS, members=12, seed=3)
    trusted = forecaster.trusted_steps(ensemble)
    assert np.median(valid) * DT / INFO.unit > 4
    ratio = trusted / valid
    assert 1 / 1.5 < np.median(ratio) < 1.5
    assert ((ratio > 1 / 3) & (ratio < 3)).all()


def test_scores_of_lorenz(lorenz: tuple[Forecaster, np.ndarray]) -> None:
    forecaster, x = lorenz
    test = rollouts.Test(x, x, CONTEXT, np.asarray(forecaster.std), INFO, None)
    result = rollouts.score(forecaster, test)
    ensemble = ensembles.judge(forecaster, test, result, 12, 0)
    entry, arrays = ensemble.entry, ensemble.arrays
    assert arrays["ensemble/mean"].shape == arrays["ensemble/spread"].shape == (16, STEPS, 3)
    assert arrays["ensemble/fan"].shape == (16, STEPS, 5)
    for horizon in ("1", "10", "100"):
        assert 0.5 < entry["spread_over_error"][horizon] < 2
        assert entry["crps"][horizon] < entry["absolute_error"][horizon]
    assert entry["coverage"]["0.9"]["1"] is None  # 12 members are too few
    assert 0.2 < entry["coverage"]["0.5"]["10"] < 0.95
    first = -np.log(np.sqrt(2 * np.pi) * entry["spread"]["1"]) - 0.5  # of a Gaussian, as spread
    assert entry["log_likelihood"]["1"] == pytest.approx(first, abs=1)
    assert entry["trusted_over_valid"]["low"] <= entry["trusted_over_valid"]["high"]
    json.dumps(entry, allow_nan=False)


def test_slices_of_the_rollouts_score_as_all_at_once(
    small: Forecaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every rollout is scored once, and rollouts in different slices have different samples."""
    x = np.tile(np.random.default_rng(1).normal(size=(1, 12, 3)), (3, 1, 1))
    test = rollouts.Test(x, x, 6, np.ones(3), INFO, None)
    result = rollouts.score(small, test)
    monkeypatch.setattr(ensembles, "NUMBERS", 1)
    arrays = ensembles.judge(small, test, result, 3, 0).arrays
    means = arrays["ensemble/mean"]
    assert means.shape == (3, 6, 3)
    assert len({m.tobytes() for m in means}) == 3


FITS = [["fit=ridge"], ["fit=gradient", "objective=log_likelihood"]]


@pytest.mark.parametrize("extra", quick(FITS, FITS[1]))
def test_a_run_with_an_ensemble(command: Command, tmp_path: Path, extra: list[str]) -> None:
    small = ["model.hidden=8", "ensemble.members=4", "logger=none", *SMALL["lorenz"], *FEW]
    done = command(*small, *extra)
    assert done.returncode == 0, done.stderr
    (run,) = (tmp_path / "runs" / "lorenz-gru").iterdir()
    entry = json.loads((run / "metrics.json").read_text())["ensemble"]
    check_rescored(run)
    assert entry["members"] == 4
    assert entry["spread_kind"] == ("learned" if len(extra) == 2 else "constant")
    with h5py.File(run / "rollouts.h5") as file:
        assert file["ensemble/mean"].shape == file["ensemble/spread"].shape == (4, 60, 3)
        context, mean = file["context"][:], file["ensemble/mean"][:]
    assert "Ensemble</h2>" in (run / "report.html").read_text()
    assert (run / "figures" / "ensemble.png").stat().st_size > 10_000
    assert "its 4 sampled forecasts stays below that error for" in done.stdout
    again = sirve.load(run).ensemble(context, 60, members=4)
    assert again.shape == (4, *mean.shape)
    if entry["spread_kind"] == "constant":
        sirve.export(run, tmp_path / "exported")
        exported = sirve.load(tmp_path / "exported").ensemble(context, 60, members=4)
        assert np.array_equal(exported, again)


def test_one_member_is_refused(command: Command) -> None:
    done = command("ensemble.members=1", "logger=none")
    assert done.returncode == 2
    assert "ensemble.members=1 has no spread" in done.stderr


@pytest.mark.usefixtures("blank_report")
def test_an_ensemble_of_frames_is_scored_again(command: Command, tmp_path: Path) -> None:
    small = ["model=convgru", "sim=heat", "model.hidden=2", "ensemble.members=6", "logger=none"]
    done = command(*small, *SMALL["heat"], *FEW)
    assert done.returncode == 0, done.stderr
    check_rescored(*(tmp_path / "runs" / "heat-convgru").iterdir())
