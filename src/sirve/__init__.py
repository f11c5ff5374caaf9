"""sirve: can a recurrent network roll my simulation forward, how far, and is it worth it?

import sirve

forecaster = sirve.fit(x, dt=0.02, model="gru")  # x (trajectory, time, channel[, x, y])
future = forecaster.forecast(context, steps=500)
scores = sirve.evaluate(forecaster, test)
data = sirve.simulate("lorenz", trajectories=64, steps=1000)
"""

from importlib import import_module
from importlib.metadata import version
from typing import Any

__version__ = version("sirve")

# Each name and the module that defines it. Importing torch takes seconds: only when one is used.
_PUBLIC = {
    "fit": "sirve.api",
    "evaluate": "sirve.api",
    "simulate": "sirve.api",
    "Trajectories": "sirve.api",
    "score": "sirve.evaluation.score",
    "load": "sirve.exporting.folder",
    "export": "sirve.exporting.folder",
    "from_arrays": "sirve.data.own.import_data",
    "Forecaster": "sirve.forecasting.forecaster",
    "UserError": "sirve.errors",
}
__all__ = [*_PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'sirve' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
