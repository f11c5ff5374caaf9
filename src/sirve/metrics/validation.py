"""The score by which models and settings are chosen on validation forecasts."""

import numpy as np


def log_error(error: np.ndarray) -> float:
    """Return the mean of log10 of e_k over rollouts and steps, clipped to 1e-12 and 10.

    Lower is better. It grows with every step at which a forecast is worse, whether the error
    explodes as in chaos or creeps as in diffusion; the one-step loss can fall while it rises.
    """
    return float(np.log10(np.clip(error, 1e-12, 10.0)).mean())
