"""What a camera could see of a low-dimensional state: bars and discs in a plane."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Scene:
    """Bodies in a square window of the plane, for states (...).

    ``discs`` (..., K, 3) are centres x, y and radii; ``bars`` (..., R, 5) are the two ends x, y and
    x, y and half of the thickness; ``window`` is (left, bottom, side). Lengths are in the system's
    own unit; x goes right, y goes up.
    """

    discs: np.ndarray
    bars: np.ndarray
    window: tuple[float, float, float]
