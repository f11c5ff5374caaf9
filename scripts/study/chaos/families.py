"""The networks that take part, and the ranges that their settings are drawn from."""

from math import exp, log
from typing import Any

import numpy as np

from sirve.cores import GRU, LSTM, EchoState, Recurrent

from .search import Family

HIDDEN = 150


def _between(rng: np.random.Generator, low: float, high: float) -> float:
    """Log-uniform."""
    return exp(rng.uniform(log(low), log(high)))


def _gated(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "input_scaling": _between(rng, 0.01, 3.0),
        "spectral_radius": _between(rng, 0.1, 1.0),
        "bias": rng.uniform(0.0, 1.0),
        "time_scale": (1.05, _between(rng, 1.1, 60.0)),
    }


def _leaky(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "input_scaling": _between(rng, 0.01, 3.0),
        "spectral_radius": _between(rng, 0.1, 1.0),
        "bias": rng.uniform(0.0, 1.0),
        "leak": 1 / _between(rng, 1.0, 60.0),
    }


FAMILIES = {
    "gru": Family(Recurrent((1,), GRU(), HIDDEN, squares=True).double(), _gated),
    "lstm": Family(Recurrent((1,), LSTM(), HIDDEN, squares=True).double(), _gated),
    "esn": Family(EchoState((1,), HIDDEN, connectivity=None, squares=True).double(), _leaky),
}
