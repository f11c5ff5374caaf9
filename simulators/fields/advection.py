"""Advection: a profile that travels as it is."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from simulators.base import require_positive
from simulators.line import Line


@dataclass(frozen=True)
class Advection(Line):
    """Transport at a constant velocity, round a periodic line.

        du/dt + velocity du/dx = 0

    Behaviour: u(x, t) = u(x - velocity t, 0). At the defaults and dt 1 each state is the one
    before, shifted by 4 of its 160 points: APEBench's diff_adv with gamma_1 = -4.

    Parameters: ``velocity``, towards larger x; ``size`` points to a ``length``; ``waves`` of an
    initial state. Solution and source: simulators/line.py.
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
        """Mean and mean square."""
        space = (-2, -1)
        return {"mean": x.mean(space), "mean square": (x**2).mean(space)}
