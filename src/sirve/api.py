"""The Python API: ``sirve.simulate``, ``sirve.fit`` and ``sirve.evaluate``.

The same settings give the same bits as the command line: both compose the same configuration and
run the same pipeline.
"""

import random
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sirve.cli.compose import configuration
from sirve.data.dataset import SPLITS
from sirve.data.observe import Observe
from sirve.data.open_source import open_source, wanted_of
from sirve.data.own.import_data import from_arrays
from sirve.data.shards import Info
from sirve.data.source import Source, Wanted
from sirve.errors import UserError
from sirve.evaluation import rollouts
from sirve.forecasting.checkpoint import load
from sirve.forecasting.forecaster import Forecaster
from sirve.io.instantiate import build
from sirve.pipeline.fit import fit as fit_job
from sirve.pipeline.prepare import prepare
from sirve.pipeline.run import run_in_folder
from sirve.pipeline.run import simulate as simulate_job
from sirve.runs import run_folder
from sirve.runs.metrics_log import record


@dataclass(frozen=True)
class Trajectories:
    """Trajectories in memory.

    Attributes:
        x: states (trajectory, time, channel[, x, y]) in float64, physical units.
        dt: time from one state to the next.
        name: of the system.
        channels, units: of each channel.
        boundary: of a field: neumann, dirichlet or periodic; None for vectors.
        time_unit, unit: in what times are given, and how long that is.
        parameters: of the system, (trajectory,) each.
        context: states that a test forecast reads.
    """

    x: np.ndarray
    dt: float
    name: str
    channels: tuple[str, ...]
    units: tuple[str, ...]
    boundary: str | None
    time_unit: str
    unit: float
    parameters: Mapping[str, np.ndarray]
    context: int


def simulate(
    sim: str = "lorenz",
    trajectories: int | None = None,
    steps: int | None = None,
    seed: int = 0,
    split: str = "train",
    system: Mapping[str, Any] | None = None,
    root: str | Path | None = None,
    **settings: Any,
) -> Trajectories:
    """Simulate a system.

    Args:
        sim: the system, a file name of conf/sim.
        trajectories: how many; None for the number in conf/sim.
        steps: states of each; None for the number in conf/sim.
        seed: of the initial states (data.seed on the command line).
        split: "train", "valid" or "test": their trajectories differ.
        system: parameters of the system, such as ``{"rho": 30}``; others are those of conf/sim.
        root: folder in which the dataset is kept for the next call; None keeps nothing.
        **settings: further settings, as for ``fit``.

    Returns:
        The trajectories, the same bits as those of the command line's dataset.
    """
    if split not in SPLITS:
        raise UserError(f"split={split} is unknown; give one of {', '.join(SPLITS)}")
    with _folder(root) as folder:
        base: dict[str, Any] = {"sim": sim, "data.seed": seed, "data.root": str(folder)}
        base |= {f"sim.system.{name}": value for name, value in (system or {}).items()}
        config, _ = configuration({**base, **settings})
        numbers = config["sim"]
        counts = dict.fromkeys(SPLITS, 1) | {split: trajectories or numbers["trajectories"][split]}
        changes: dict[str, Any] = {f"sim.trajectories.{name}": n for name, n in counts.items()}
        if steps is not None:
            read = 0 if split == "train" else numbers["context"]
            key = {"train": "states", "valid": "valid_steps", "test": "steps"}[split]
            changes[f"sim.{key}"] = steps - read
        config, _ = configuration({**base, **changes, **settings})
        source, wanted, config = _source(config)
        dataset = source.dataset(wanted)
        count, info = counts[split], source.infos[split]
        x = dataset.read(split, count)
        parameters = dataset.parameters(split, count)
    return _trajectories(x, info, parameters, config["sim"]["context"])


def fit(
    x: Any = None,
    /,
    *,
    dt: float | None = None,
    model: str | Mapping[str, Any] = "gru",
    runs: str | Path | None = None,
    **settings: Any,
) -> Forecaster:
    """Fit a network and return its forecaster.

    Data are read as by ``sim=file`` on the command line: 70 % of the trajectories (or of the time
    of a single one) train, 15 % validate, and the default is ``fit="gradient"`` with the numbers
    of conf/training/file.yaml.

    Args:
        x: an array (trajectory, time, channel[, x, y]), ``Trajectories``, or the path of a
            file. None simulates: give ``sim="lorenz"``.
        dt: time from one state to the next, for an array.
        model: a file name of conf/model, or a dict with it under "name" and its settings.
        runs: folder in which the run is kept with its scores and report, as by the command line;
            None keeps nothing.
        **settings: what the command line takes. A group is the name of one of its choices or a
            dict of values, with the choice under "name": ``fit="gradient"``,
            ``trainer={"updates": 500}``, ``observe={"channels": ["x"]}``, ``seed=1``.

    Returns:
        The fitted forecaster, bit for bit that of the command line with the same settings.

    Raises:
        UserError: for settings or data that cannot be used, before any work.
    """
    if x is None and "sim" not in settings:
        raise UserError('nothing to fit: give an array with dt=, or sim="lorenz"')
    with _folder(None) as scratch:
        chosen = {"logger": "none", "resume": "never", "model": model, **settings}
        chosen.setdefault("runs", str(runs or scratch / "runs"))
        if x is not None:
            chosen |= _as_file(x, dt, scratch, settings)
        if (x is not None or runs is None) and "root" not in settings.get("data", {}):
            chosen.setdefault("data.root", str(scratch / "data"))
        with _restored():
            if runs is not None:
                return _kept(chosen)
            return _fit({**chosen, "inside": False, "data.limits": False})


def evaluate(
    forecaster: Forecaster, test: Any, context: int | None = None, **covariates: Any
) -> dict[str, Any]:
    """Score the forecasts of test trajectories that were not used to fit.

    Args:
        forecaster: of ``fit`` or ``load``.
        test: ``Trajectories`` or an array (trajectory, time, channel[, x, y]), clean, in physical
            units, with at least the channels that the model sees.
        context: states that a forecast reads; None for that of ``test``, or 50 for an array.
        **covariates: of each trajectory, where the model was given some.

    Returns:
        The scores of the model as in metrics.json: nrmse, median_error, vrmse (fields),
        valid_time, diverged, and one_step.
    """
    info = forecaster.info
    if isinstance(test, Trajectories):
        missing = [name for name in info.channels if name not in test.channels]
        if missing:
            raise UserError(f"test has no channel {missing[0]}; it has {', '.join(test.channels)}")
        x = test.x[:, :, [test.channels.index(name) for name in info.channels]]
        context = context or test.context
        parameters = {**test.parameters, **covariates}
    else:
        x, context, parameters = np.asarray(test), context or 50, covariates
    if x.ndim != len(info.shape) + 2 or x.shape[1] <= context:
        raise UserError(
            f"test has shape {x.shape}; give (trajectory, time, {', '.join(map(str, info.shape))}) "
            f"with more than context={context} states"
        )
    each = {name: np.broadcast_to(np.asarray(v), len(x)) for name, v in parameters.items()}
    material = rollouts.Test(x, x, context, np.asarray(forecaster.std), info, None, each)
    scores = dict(rollouts.score(forecaster, material).scores)
    return {**scores, "one_step": rollouts.one_step(forecaster, material)}


def _source(config: dict[str, Any]) -> tuple[Source, Wanted, dict[str, Any]]:
    observe = build(config["observe"], Observe, place="observe")
    source, config = open_source(config, observe, None)
    return source, wanted_of(config, observe), config


def _trajectories(
    x: np.ndarray, info: Info, parameters: Mapping[str, np.ndarray], context: int
) -> Trajectories:
    return Trajectories(
        x.astype(np.float64),
        info.dt,
        info.name,
        info.channels,
        info.units,
        info.boundary,
        info.time_unit,
        info.unit,
        parameters,
        context,
    )


def _as_file(
    data: Any, dt: float | None, scratch: Path, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the settings that read ``data`` as ``sim=file`` does."""
    sim = dict(settings.get("sim") or {})  # settings of sim=file
    if dt is not None:
        sim["dt"] = dt
    if isinstance(data, str | Path):
        sim["path"] = str(data)
    elif isinstance(data, Trajectories):
        about: dict[str, Any] = {
            "channels": data.channels,
            "units": data.units,
            "boundary": data.boundary,
        }
        if data.time_unit != "step":
            about |= {"time_unit": data.time_unit, "unit": data.unit}
        sim.setdefault("context", data.context)
        folder = scratch / data.name
        sim["path"] = str(from_arrays(data.x, folder, dt=sim.pop("dt", data.dt), **about))
    else:
        if dt is None:
            raise UserError("an array does not say the time between its states; give dt=")
        x = data.numpy() if isinstance(data, torch.Tensor) else np.asarray(data)
        path = scratch / "array.npy"
        np.save(path, x)
        sim["path"] = str(path)
    return {"sim": "file", **{f"sim.{key}": value for key, value in sim.items()}}


def _fit(settings: Mapping[str, Any]) -> Forecaster:
    """Fit without a report, and let go of the folder."""
    config, config_yaml = configuration(settings)
    job = prepare(config, config_yaml)
    try:
        data, _ = simulate_job(job)
        rows = record(job.run / "metrics.jsonl", 0)
        fitted = fit_job(job, data, [rows])
    finally:
        run_folder.leave(job.run)
    assert fitted is not None, "a further rank does not return from here"
    return fitted.forecaster


def _kept(settings: Mapping[str, Any]) -> Forecaster:
    """Do the whole run, and load its forecaster."""
    config, config_yaml = configuration(settings)
    made, _ = run_in_folder(config, config_yaml)
    return load(made, tuple(config["trust"]))


@contextmanager
def _folder(root: str | Path | None) -> Iterator[Path]:
    """Give the folder ``root``, or a temporary one."""
    if root is not None:
        yield Path(root)
        return
    with tempfile.TemporaryDirectory(prefix="sirve-") as folder:
        yield Path(folder)


@contextmanager
def _restored() -> Iterator[None]:
    """Restore the random generators and the threads of the caller afterwards."""
    threads, python = torch.get_num_threads(), random.getstate()
    numbers = np.random.get_state()  # noqa: NPY002  (the pipeline seeds the global generator)
    with torch.random.fork_rng():
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            np.random.set_state(numbers)  # noqa: NPY002
            random.setstate(python)
