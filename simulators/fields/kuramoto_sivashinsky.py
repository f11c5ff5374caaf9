"""The Kuramoto-Sivashinsky equation, chaotic in space and time."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from simulators.base import Channel, require_positive, require_size
from simulators.etdrk import Spectral
from simulators.lyapunov import exponents


@dataclass(frozen=True)
class KuramotoSivashinsky(Spectral):
    """The Kuramoto-Sivashinsky equation, a model of flame fronts and thin films.

        du/dt + u du/dx + d2u/dx2 + viscosity d4u/dx4 = 0,   periodic over ``length``

    Behaviour: waves with k^2 < 1/viscosity grow at the rate k^2 - viscosity k^4, until steepening
    transfers their energy to short waves, which are damped. Cells of a length near
    2 pi sqrt(2 viscosity) drift, merge and split for ever. The number of positive exponents grows
    with the length. The mean of u is constant. All quantities are dimensionless.

    Solution: pseudo-spectral, ETDRK4 (simulators/etdrk.py). At the default step the finest waves
    are stiff, so half the step reduces the error by less than 2^4. Good time step of the data: dt
    0.5.

    Args:
        size: number of points; good values 64 for length 22, 128 for length 44.
        step: the longest step of time of the solver.
        length: of the domain.
        viscosity: factor of the fourth derivative.

    Source: P. Cvitanović, R. L. Davidchack, E. Siminos, SIAM J. Appl. Dyn. Syst. 9 (2010), section
    2, whose exponent is 0.048; 0.043 in R. A. Edson et al., ANZIAM J. 61 (2019).
    """

    size: tuple[int, ...] = (64,)
    step: float = 0.025
    length: float = 22.0
    viscosity: float = 1.0

    channels: ClassVar = (Channel("u", "1"),)
    varying: ClassVar = ("viscosity",)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_size(self.size, 1, least=8)
        require_positive(length=self.length, viscosity=self.viscosity)

    @property
    def side(self) -> float:
        return self.length

    @property
    def transient(self) -> float:
        return 100.0

    @property
    def linear(self) -> np.ndarray:
        (k,) = self.wavenumbers
        return k**2 - self.column(self.viscosity) * k**4

    def nonlinear(self, v: np.ndarray) -> np.ndarray:
        (k,) = self.wavenumbers
        return -0.5j * k * self.modes(self.field(v) ** 2)

    def initial(self, rng: np.random.Generator) -> np.ndarray:
        """Sample long waves of random phases, of unit standard deviation."""
        (k,) = self.wavenumbers
        noise = self.modes(rng.normal(size=self.shape))
        noise[..., 0] = 0
        field = self.field(noise * np.exp(-(k**2)))
        return field / field.std()

    @cached_property
    def lyapunov(self) -> float | None:
        """The exponent: 0.048 for length 22 and viscosity 1, else computed; None if not chaotic."""
        if (self.length, self.viscosity) == (22.0, 1.0):
            return 0.048
        largest = exponents(self, 1, every=2.0)
        return float(largest.value[0]) if largest.value[0] > 0.01 else None

    def invariants(self, x: np.ndarray) -> dict[str, np.ndarray]:
        return {"mean": x.mean((-2, -1))}
