"""Measure a finished run from its folder alone."""

from pathlib import Path

import numpy as np
import torch

from sirve.evaluation.inside.measurements import Inside, Material, measure_exponents
from sirve.forecasting.forecaster import Forecaster
from sirve.io.hdf5 import reading

_REMEDY = "give the folder of a finished run"


def load_material(run: Path, forecaster: Forecaster) -> Material:
    """Load the test states of a run. Raises UserError."""
    with reading(run / "rollouts.h5", _REMEDY) as file:
        context, truth = np.asarray(file["context"]), np.asarray(file["truth"])
        covariates = {
            name: np.asarray(file["parameters"][name]) for name in forecaster.info.covariates
        }
    states = np.concatenate([context, truth], axis=1)
    return Material(states, states, context.shape[1], covariates)


def long_exponents(
    forecaster: Forecaster, material: Material, count: int, orbits: int, time: float
) -> Inside:
    """Measure ``count`` Lyapunov exponents of ``orbits`` orbits, averaged over ``time`` of each.

    A quarter of ``time`` passes before the averaging. The orbits start from different trajectories
    and, where there are too few trajectories, also from different times of them.
    """
    n, length = material.seen.shape[:2]
    starts = np.linspace(0, length - material.context, -(-orbits // n)).astype(int)
    pieces = []
    for first in starts:
        window = material.seen[:, first : first + material.context]
        pieces.append(forecaster.states(window, material.covariates))
    context = torch.cat(pieces)[:orbits]
    inside = Inside({}, {})
    steps = round(1.25 * time / forecaster.info.dt)
    inside.summary["exponents"] = measure_exponents(forecaster, context, count, steps, inside)
    return inside
