"""Burgers' equation: waves steepen into shocks that viscosity keeps smooth."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from simulators.base import Channel, require_positive, require_size
from simulators.etdrk import Spectral, growth, require_wavenumber


@dataclass(frozen=True)
class Burgers(Spectral):
    """Burgers' equation on a periodic line of length 2 pi: self-advection and diffusion.

        du/dt + u du/dx = viscosity d2u/dx2

    Behaviour: crests overtake troughs and form shocks between ramps after a time 1 / max(-du/dx). A
    shock of jump J is about 8 viscosity / J wide. Shocks merge, and the ramps flatten as 1/t. The
    mean of u is constant; its energy and its extremes never grow. All quantities are dimensionless.

    Solution: pseudo-spectral, ETDRK4 (simulators/etdrk.py). The default grid resolves space to 1e-3
    at worst; for half the viscosity take twice the points. Good time step of the data: dt 0.05.

    Args:
        size: number of points; good value 128.
        step: the longest step of time of the solver.
        viscosity: good value 0.1.
        amplitude: root mean square of an initial state; good value 1.
        waves: number of the longest sine waves in an initial state.

    Source: J. M. Burgers, Adv. Appl. Mech. 1 (1948) 171; closed form E. Hopf, Comm. Pure Appl.
    Math. 3 (1950), section 2.
    """

    size: tuple[int, ...] = (128,)
    step: float = 0.005
    viscosity: float = 0.1
    amplitude: float = 1.0
    waves: int = 4

    channels: ClassVar = (Channel("u", "1"),)
    varying: ClassVar = ("viscosity", "amplitude")

    def __post_init__(self) -> None:
        super().__post_init__()
        require_size(self.size, 1, least=8)
        require_positive(viscosity=self.viscosity, amplitude=self.amplitude)
        require_wavenumber(self.size, waves=self.waves)

    @property
    def linear(self) -> np.ndarray:
        (k,) = self.wavenumbers
        return -self.column(self.viscosity) * k**2

    def nonlinear(self, v: np.ndarray) -> np.ndarray:
        (k,) = self.wavenumbers
        return -0.5j * k * self.modes(self.field(v) ** 2)

    def initial(self, rng: np.random.Generator) -> np.ndarray:
        """Sample sine waves of random phases, the k-th of random amplitude proportional to 1/k."""
        k = np.arange(1, self.waves + 1)[:, None]
        phase = rng.uniform(0, 2 * np.pi, size=k.shape)
        waves = rng.normal(size=k.shape) / k * np.sin(k * self.coordinates["x"] + phase)
        field = waves.sum(0)
        return self.amplitude * (field / field.std())[None]

    def invariants(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """Return the mean of u and the growth of its energy, which is zero."""
        space = (-2, -1)
        return {"mean": x.mean(space), "energy growth": growth((x**2).mean(space) / 2)}
