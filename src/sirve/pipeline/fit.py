"""Fit the forecaster of a job, and the baselines that it is compared with."""

import copy
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import Logger

from sirve.cores import Climatology, Core, Linear, MeanState, Persistence
from sirve.data.gather import Data
from sirve.forecasting.checkpoint import restore, save
from sirve.forecasting.forecaster import Forecaster
from sirve.forecasting.normaliser import Normaliser
from sirve.io.checkpoints import BEST, LAST
from sirve.metrics.validation import log_error
from sirve.pipeline.job import Fitted, Job
from sirve.training.calibration import calibrate
from sirve.training.curve import Doubling
from sirve.training.fits import Gradient, GradientRidge, NotFitted, ReadoutSearch, Ridge
from sirve.training.gradient import TrainingData, train
from sirve.training.least_squares import solve_readout
from sirve.training.lightning import device
from sirve.training.module import TrainingModule
from sirve.training.ridge_search import Search
from sirve.training.varpro import VarPro
from sirve.training.varpro.run import Projection


def fit(job: Job, data: Data, loggers: list[Logger]) -> Fitted | None:
    """Fit the job's core and the baselines, and save the checkpoints.

    Returns None on every rank but the first, which only helped to train.
    """
    initial = copy.deepcopy(job.core) if isinstance(job.fit, Gradient | GradientRidge) else None
    forecaster = make_forecaster(job, data, job.core, job.model)
    if isinstance(job.fit, NotFitted | Ridge):
        fitted = _closed_form(job, data, forecaster)
    elif isinstance(job.fit, VarPro):
        fitted = _varpro(job, data, forecaster, job.fit, loggers)
    else:
        found = _gradient(job, data, forecaster, loggers)
        if found is None:
            return None
        fitted = found
    best, seconds, details = fitted
    if job.members and not job.plan.objective.spread:
        calibrate(best, data.seen["valid"], data.clean["valid"], job.context, job.seed)
        save(best, job.run / "checkpoints" / BEST)
    return Fitted(best, _baselines(job, data), seconds, details, initial)


_Found = tuple[Forecaster, float, dict[str, Any]]  # forecaster, seconds, details


def _closed_form(job: Job, data: Data, forecaster: Forecaster) -> _Found:
    """Search for the random weights and the readout, where there is something to fit."""
    start = time.perf_counter()
    details: dict[str, Any] = {"kind": job.fit.kind}
    if isinstance(job.fit, Ridge):
        settings = job.fit.settings(job.core)
        details |= _search(job, data, forecaster, job.fit).run(settings)
    else:
        forecaster.core.fit_statistics(_normalised(data, forecaster))
    for name in (BEST, LAST):
        save(forecaster, job.run / "checkpoints" / name)
    return forecaster.eval(), time.perf_counter() - start, details


def _gradient(job: Job, data: Data, forecaster: Forecaster, loggers: list[Logger]) -> _Found | None:
    """Train by gradient, and then, for fit=gradient_ridge, solve for the readout."""
    best = job.run / "checkpoints" / BEST
    details: dict[str, Any] = {"kind": job.fit.kind}

    def refit(trainer: pl.Trainer) -> None:
        assert isinstance(job.fit, GradientRidge)
        trainer.strategy.barrier()  # the first rank has written the best checkpoint
        trained = restore(best, trust=None)
        ranks = (trainer.global_rank, trainer.world_size)
        details.update(_search(job, data, trained, job.fit, *ranks).run([{}]))
        if trainer.is_global_zero:
            save(trained, best)

    doubling = _bounded(job, data)
    # What is on disk is scored; its classes were trusted when the job was prepared.
    if job.saved and job.saved.done:
        details |= {"valid_log_error": job.saved.best, "seconds": job.saved.processor}
        details |= doubling.summary(job.saved.points) if doubling else {}
        return restore(best, trust=None).to(device(job.hardware)), job.saved.seconds, details
    trained = train(
        TrainingModule(forecaster, job.plan),
        TrainingData(data.train, *_validation(job, data)),
        job.run,
        job.hardware,
        loggers,
        job.batch,
        job.monitoring,
        job.saved,
        refit if isinstance(job.fit, GradientRidge) else None,
        doubling,
    )
    if not trained.trainer.is_global_zero:
        return None
    details.setdefault("valid_log_error", trained.saver.best)
    seconds, details["seconds"] = trained.seconds
    details |= doubling.summary(trained.curve.points) if doubling and trained.curve else {}
    return restore(best, trust=None).to(device(job.hardware)), seconds, details


def _bounded(job: Job, data: Data) -> Doubling | None:
    """Return the job's learning curve, with the validation error of the mean training state."""
    if job.doubling is None:
        return None
    still = make_forecaster(job, data, MeanState(job.info.shape, len(job.info.covariates)), {})
    still.core.fit_statistics(_normalised(data, still))
    context, truth = _validation(job, data)
    return replace(job.doubling, bound=log_error(still.errors(torch.as_tensor(context), truth)))


def _varpro(
    job: Job, data: Data, forecaster: Forecaster, fit: VarPro, loggers: list[Logger]
) -> _Found:
    """Train by variable projection, and then solve for the readout on all trajectories."""
    folder = job.run / "checkpoints"
    details: dict[str, Any] = {"kind": fit.kind}
    if job.saved and job.saved.done:
        details["valid_log_error"] = job.saved.best
        return restore(folder / BEST, trust=None), job.saved.seconds, details
    projection = Projection(
        fit,
        forecaster,
        data.train,
        _validation(job, data),
        job.seed,
        folder,
        job.monitoring.checkpoint_every,
        loggers,
    )
    seconds = projection.run(job.saved.path if job.saved else None, details)
    start = time.perf_counter()
    details["readout"] = _search(job, data, forecaster, fit.readout).run([{}])
    details["valid_log_error"] = details["readout"]["valid_log_error"]
    seconds += time.perf_counter() - start
    save(forecaster, folder / BEST)
    projection.finish(seconds)
    return forecaster.eval(), seconds, details


def _search(
    job: Job,
    data: Data,
    forecaster: Forecaster,
    readout: ReadoutSearch,
    rank: int = 0,
    ranks: int = 1,
) -> Search:
    valid = _validation(job, data)
    return Search(readout, forecaster, data.train, valid, job.steps, job.seed, rank, ranks)


def _validation(job: Job, data: Data) -> tuple[np.ndarray, np.ndarray]:
    """Return the observed contexts of the validation set and the clean truth after them."""
    return data.seen["valid"][:, : job.context], data.clean["valid"][:, job.context :]


def make_forecaster(job: Job, data: Data, core: Core, model: dict[str, Any]) -> Forecaster:
    """Return a forecaster whose normaliser and scale are those of the training data."""
    states, increments = data.moments
    own = job.info.shape[0]
    mean, std, delta = states.mean, states.std, increments.std[:own]
    scale = np.where((std[:own] > 0) & (delta > 0), delta / np.where(std > 0, std, 1.0)[:own], 1.0)
    core.scale.copy_(torch.as_tensor(scale).reshape(core.scale.shape))
    normaliser = Normaliser(mean, std, len(job.info.shape) - 1)
    return Forecaster(core, normaliser, model, job.info, data.std.tolist())


def _normalised(data: Data, forecaster: Forecaster) -> Iterator[torch.Tensor]:
    """Yield the training states as the core reads them."""
    return (forecaster.read(torch.as_tensor(x)) for x in data.train.blocks())


def _baselines(job: Job, data: Data) -> dict[str, Forecaster]:
    """Fit persistence, means and least squares, with which every model is compared.

    The mean state is left out for vectors, where it is climatology.
    """
    shape, covariates = job.info.shape, len(job.info.covariates)
    cores: dict[str, Core] = {
        "persistence": Persistence(shape, covariates),
        "climatology": Climatology(shape, covariates),
        **({"mean_state": MeanState(shape, covariates)} if len(shape) > 1 else {}),
        "linear": Linear(shape, job.info.boundary, covariates=covariates),
    }
    found = {name: make_forecaster(job, data, core, {}) for name, core in cores.items()}
    for forecaster in found.values():
        if forecaster.core.closed_form:
            forecaster.core.double()
            solve_readout(forecaster.core, _normalised(data, forecaster))
        else:
            forecaster.core.fit_statistics(_normalised(data, forecaster))
    return found
