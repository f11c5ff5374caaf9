"""A finished run, looked at again from its folder alone, and for longer."""

from pathlib import Path

import numpy as np
import torch

from sirve.evaluation.inside.measurements import Inside, Material, spectrum
from sirve.forecasting.forecaster import Forecaster
from sirve.io.hdf5 import reading

_REMEDY = "give the folder of a finished run"


def material_of(run: Path, forecaster: Forecaster) -> Material:
    """The run's own test states. Raises UserError."""
    with reading(run / "rollouts.h5", _REMEDY) as file:
        context, truth = np.asarray(file["context"]), np.asarray(file["truth"])
        covariates = {
            name: np.asarray(file["parameters"][name]) for name in forecaster.info.covariates
        }
    states = np.concatenate([context, truth], axis=1)
    return Material(states, states, context.shape[1], covariates)


def settle(
    forecaster: Forecaster, material: Material, count: int, orbits: int, time: float
) -> Inside:
    """``count`` exponents over ``orbits`` averaged over ``time``, after a quarter as much.

    The orbits begin at different trajectories and, where there are fewer, at different times.
    """
    n, length = material.seen.shape[:2]
    starts = np.linspace(0, length - material.context, -(-orbits // n)).astype(int)
    pieces = []
    for first in starts:
        window = material.seen[:, first : first + material.context]
        pieces.append(forecaster.states(window, material.covariates))
    context = torch.cat(pieces)[:orbits]
    found = Inside({}, {})
    steps = round(1.25 * time / forecaster.info.dt)
    found.summary["exponents"] = spectrum(forecaster, context, count, steps, found)
    return found
