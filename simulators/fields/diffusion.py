"""Diffusion on a line: the heat equation in one dimension."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from simulators.base import require_positive
from simulators.etdrk import growth
from simulators.line import Line


@dataclass(frozen=True)
class Diffusion(Line):
    """The heat equation on a periodic line.

        du/dt = diffusivity d2u/dx2

    Behaviour: the wave of k periods decays as exp(-diffusivity (2 pi k / length)^2 t). The defaults
    with dt 1 are APEBench's diff_diff with gamma_2 = 4: per step the longest wave loses 0.3 % and
    the fifth 7.4 %. Solution, initial states and source: simulators/line.py.

    Args:
        size: number of points.
        length: of the domain.
        waves: number of Fourier modes of an initial state.
        decay: exponent with which their amplitudes fall with the wavenumber.
        scaled_by: "largest" or "rms", which is 1 in an initial state.
        diffusivity: positive.
    """

    diffusivity: float = 7.8125e-5

    varying: ClassVar = ("diffusivity",)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(diffusivity=self.diffusivity)

    @property
    def rates(self) -> np.ndarray:
        return -np.reshape(self.diffusivity, (-1, 1, 1)) * self.wavenumbers**2

    def invariants(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """Return the mean of u and the growth of its mean square, which is zero."""
        space = (-2, -1)
        return {"mean": x.mean(space), "mean square's growth": growth((x**2).mean(space))}
