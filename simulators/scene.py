"""Drawings of the states of mechanical systems: bars and discs in a plane."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Scene:
    """Bodies in a square window of the plane, for states of the shape (...).

    Lengths are in the unit of the system; x points to the right and y upwards.

    Args:
        discs: (..., K, 3), the centre (x, y) and the radius of each disc.
        bars: (..., R, 5), the two ends (x, y, x, y) and half the thickness of each bar.
        window: left edge, bottom edge and side of the window.
    """

    discs: np.ndarray
    bars: np.ndarray
    window: tuple[float, float, float]
