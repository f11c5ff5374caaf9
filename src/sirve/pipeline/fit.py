"""From the training data to a fitted forecaster, by whichever fit was asked for."""

import time
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch

from sirve.cores import Core
from sirve.data.gather import Data
from sirve.export.load import restore
from sirve.forecasting.forecaster import Forecaster
from sirve.forecasting.normaliser import Normaliser
from sirve.io.checkpoints import BEST, LAST
from sirve.pipeline.prepare import Job
from sirve.training.gradient import Seen, device, fit
from sirve.training.least_squares import solve_readout
from sirve.training.ridge_search import Search
from sirve.training.saver import Saver
from sirve.training.varpro.run import Projection


def learn(
    job: Job, data: Data, loggers: list[Any]
) -> tuple[Forecaster | None, float, dict[str, Any]]:
    """The fitted forecaster, from its best checkpoint, the seconds it took, and how it was fitted.

    No forecaster on every rank but the first.
    """
    forecaster = make_forecaster(job, data, job.core, job.config["model"])
    if job.fit.kind in ("none", "ridge"):
        start = time.perf_counter()
        how = {"kind": job.fit.kind}
        if job.fit.kind == "ridge":
            how |= search(job, data, forecaster).run(job.fit.settings)
        for name in (BEST, LAST):
            forecaster.save(job.run / "checkpoints" / name)
        return forecaster.eval(), time.perf_counter() - start, how
    if job.fit.kind == "varpro":
        return project(job, data, forecaster, loggers)
    return train(job, data, forecaster, loggers)


def train(
    job: Job, data: Data, forecaster: Forecaster, loggers: list[Any]
) -> tuple[Forecaster | None, float, dict[str, Any]]:
    """By gradient, and then, where it is asked for, the readout in closed form."""
    best = job.run / "checkpoints" / BEST
    how: dict[str, Any] = {"kind": job.fit.kind}

    def refit(trainer: pl.Trainer) -> None:
        trained = restore(best, trust=None)
        ranks = (trainer.global_rank, trainer.world_size)
        how.update(search(job, data, trained, *ranks).run(job.fit.settings))
        if trainer.is_global_zero:
            trained.save(best)

    # What is on disk is what is scored; its classes were trusted when the job was prepared.
    if job.saved and job.saved.done:
        how |= {"valid_log_error": job.saved.best, "seconds": job.saved.processor}
        return restore(best, trust=None).to(device(job.hardware)), job.saved.seconds, how
    trainer, seconds = fit(
        forecaster,
        Seen(data.train, *valid(job, data)),
        job.run,
        job.hardware,
        loggers,
        job.config["data"]["batch"],
        job.rhythm,
        job.saved.path if job.saved else None,
        refit if "ridge" in job.fit.kind else None,
    )
    if not trainer.is_global_zero:
        return None, seconds, how
    (saver,) = (c for c in trainer.callbacks if isinstance(c, Saver))  # type: ignore[attr-defined]
    how.setdefault("valid_log_error", saver.best)
    how["seconds"] = saver.processor
    return restore(best, trust=None).to(device(job.hardware)), seconds, how


def project(
    job: Job, data: Data, forecaster: Forecaster, loggers: list[Any]
) -> tuple[Forecaster, float, dict[str, Any]]:
    """By variable projection, and then the readout in closed form on all trajectories."""
    folder = job.run / "checkpoints"
    how: dict[str, Any] = {"kind": job.fit.kind}
    if job.saved and job.saved.done:
        how["valid_log_error"] = job.saved.best
        return restore(folder / BEST, trust=None), job.saved.seconds, how
    projection = Projection(
        job.fit.varpro,
        forecaster,
        data.train,
        valid(job, data),
        job.config["seed"],
        folder,
        job.rhythm.checkpoint_every,
        loggers,
    )
    seconds = projection.run(job.saved.path if job.saved else None, how)
    start = time.perf_counter()
    how["readout"] = search(job, data, forecaster).run(job.fit.settings)
    how["valid_log_error"] = how["readout"]["valid_log_error"]
    seconds += time.perf_counter() - start
    forecaster.save(folder / BEST)
    projection.finish(seconds)
    return forecaster.eval(), seconds, how


def search(job: Job, data: Data, forecaster: Forecaster, rank: int = 0, ranks: int = 1) -> Search:
    """The choice of a closed form on this job's data."""
    steps, seed = job.config["sim"]["steps"], job.config["seed"]
    return Search(job.fit.ridge, forecaster, data.train, valid(job, data), steps, seed, rank, ranks)


def valid(job: Job, data: Data) -> tuple[np.ndarray, np.ndarray]:
    """Contexts of the validation set as seen, and the clean truth after them."""
    context = job.config["sim"]["context"]
    return data.seen["valid"][:, :context], data.clean["valid"][:, context:]


def make_forecaster(job: Job, data: Data, core: Core, model: dict[str, Any]) -> Forecaster:
    """Put a core into a forecaster whose normaliser and scale are those of the training data."""
    states, increments = data.moments
    own = job.info.shape[0]
    mean, std, delta = states.mean, states.std, increments.std[:own]
    scale = np.where((std[:own] > 0) & (delta > 0), delta / np.where(std > 0, std, 1.0)[:own], 1.0)
    core.scale.copy_(torch.as_tensor(scale).reshape(core.scale.shape))
    normaliser = Normaliser(mean, std, len(job.info.shape) - 1)
    return Forecaster(core, normaliser, model, job.info, data.std.tolist(), job.training)


def solve(forecaster: Forecaster, data: Data) -> None:
    """Fit a core's readout in closed form, in float64, on all training trajectories."""
    forecaster.core.double()
    blocks = (torch.as_tensor(x) for x in data.train.blocks())
    solve_readout(forecaster.core, (forecaster.read(x) for x in blocks))
