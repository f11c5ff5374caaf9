"""sirve: can a recurrent network roll my simulation forward, how far, and is it worth it?

import sirve
forecaster = sirve.load("runs/lorenz-gru/2026-11-23_10-00-00")
future = forecaster.forecast(context, steps=500)
sirve.from_arrays(x, "mine", dt=0.02)  # for python train.py sim=file sim.path=mine
"""

from importlib.metadata import version
from typing import Any

__version__ = version("sirve")


def __getattr__(name: str) -> Any:
    # torch and Lightning take seconds to import: only when a forecaster is asked for.
    if name in ("load", "export"):
        from sirve.export import export

        return getattr(export, name)
    if name == "Forecaster":
        from sirve.forecasting import forecaster

        return forecaster.Forecaster
    if name == "from_arrays":
        from sirve.data.own import import_data

        return import_data.from_arrays
    raise AttributeError(f"module 'sirve' has no attribute {name!r}")
