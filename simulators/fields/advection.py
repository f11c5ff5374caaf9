"""Advection: a profile that travels without changing."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from simulators.base import require_positive
from simulators.line import Line


@dataclass(frozen=True)
class Advection(Line):
    """Transport at a constant velocity on a periodic line.

        du/dt + velocity du/dx = 0

    Behaviour: u(x, t) = u(x - velocity t, 0). With the defaults and dt 1 each state is the previous
    one, shifted by 4 of its 160 points: APEBench's diff_adv with gamma_1 = -4. Solution, initial
    states and source: simulators/line.py.

    Args:
        size: number of points.
        length: of the domain.
        waves: number of Fourier modes of an initial state.
        decay: exponent with which their amplitudes fall with the wavenumber.
        scaled_by: "largest" or "rms", which is 1 in an initial state.
        velocity: positive towards larger x.
    """

    velocity: float = 0.025

    varying: ClassVar = ("velocity",)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(velocity=self.velocity)

    @property
    def rates(self) -> np.ndarray:
        return -1j * np.reshape(self.velocity, (-1, 1, 1)) * self.wavenumbers

    def invariants(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """Return the mean and the mean square."""
        space = (-2, -1)
        return {"mean": x.mean(space), "mean square": (x**2).mean(space)}
