"""Burgers' equation: waves steepen into shocks, which viscosity keeps smooth."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from simulators.base import Channel, require_positive, require_size
from simulators.etdrk import Spectral, growth, require_wavenumber


@dataclass(frozen=True)
class Burgers(Spectral):
    """Advection of a velocity by itself, against diffusion, on a periodic line of length 2 pi.

        du/dt + u du/dx = viscosity d2u/dx2

    Behaviour: crests overtake troughs, so that after a time 1 / max(-du/dx) shocks stand between
    ramps; a shock of jump J is about 8 viscosity / J wide. Shocks merge, and the ramps flatten as
    1/t. The mean of u is constant, its energy and its extremes never grow. Dimensionless.

    Parameters: ``viscosity``; ``amplitude``, the initial root mean square; ``waves``, how many of
    the longest sine waves an initial state is made of; ``size`` points; ``step`` of time. Good
    values: amplitude 1, viscosity 0.1 on 128 points, where space is resolved to 1e-3 at worst (at
    half that viscosity take twice the points), dt 0.05.

    Solution: pseudo-spectral, ETDRK4 (simulators/etdrk.py).

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
        """Sine waves of random phases, the k-th of random amplitude proportional to 1/k."""
        k = np.arange(1, self.waves + 1)[:, None]
        phase = rng.uniform(0, 2 * np.pi, size=k.shape)
        waves = rng.normal(size=k.shape) / k * np.sin(k * self.coordinates["x"] + phase)
        field = waves.sum(0)
        return self.amplitude * (field / field.std())[None]

    def invariants(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """Mean of u, and by how much its energy has grown, which it never does."""
        space = (-2, -1)
        return {"mean": x.mean(space), "energy growth": growth((x**2).mean(space) / 2)}
