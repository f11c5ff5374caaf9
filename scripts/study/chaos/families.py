"""The networks that are compared, and the ranges of their random settings."""

from math import exp, log
from typing import Any

import numpy as np

from sirve.cores import GRU, LSTM, EchoState, Recurrent

from .search import Family

HIDDEN = 150


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return exp(rng.uniform(log(low), log(high)))


def _gated(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "input_scaling": _log_uniform(rng, 0.01, 3.0),
        "spectral_radius": _log_uniform(rng, 0.1, 1.0),
        "bias": rng.uniform(0.0, 1.0),
        "time_scale": (1.05, _log_uniform(rng, 1.1, 60.0)),
    }


def _leaky(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "input_scaling": _log_uniform(rng, 0.01, 3.0),
        "spectral_radius": _log_uniform(rng, 0.1, 1.0),
        "bias": rng.uniform(0.0, 1.0),
        "leak": 1 / _log_uniform(rng, 1.0, 60.0),
    }


FAMILIES = {
    "gru": Family(Recurrent((1,), GRU(), HIDDEN, squares=True).double(), _gated),
    "lstm": Family(Recurrent((1,), LSTM(), HIDDEN, squares=True).double(), _gated),
    "esn": Family(EchoState((1,), HIDDEN, connectivity=None, squares=True).double(), _leaky),
}
