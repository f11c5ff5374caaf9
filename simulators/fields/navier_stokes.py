"""The incompressible Navier-Stokes equations in two dimensions, as vorticity."""

from dataclasses import dataclass
from functools import cached_property
from math import sqrt
from typing import ClassVar

import numpy as np

from simulators.base import (
    Channel,
    require_choice,
    require_not_negative,
    require_positive,
    require_size,
)
from simulators.etdrk import Spectral, growth, require_wavenumber


@dataclass(frozen=True)
class NavierStokes(Spectral):
    """A viscous fluid in the plane, periodic over 2 pi along x and y, forced or decaying.

        d omega/dt + u . grad omega = viscosity lap omega - drag omega + curl f
        u = (d psi/dy, -d psi/dx),  lap psi = -omega,  f = (amplitude sin(wavenumber y), 0)

    Behaviour: without forcing, vortices of one sign merge, and energy and enstrophy decay. With
    ``forcing="kolmogorov"`` the shear flow of the force is unstable if the Reynolds number
    sqrt(amplitude) / viscosity is more than a few: its layers roll up and burst, and at the
    default, 20, chaotically. The velocity at a point depends on the vorticity everywhere. The mean
    vorticity is zero. All quantities are dimensionless.

    Solution: pseudo-spectral, ETDRK4 (simulators/etdrk.py), with two transforms each way: C.
    Basdevant, J. Comput. Phys. 50 (1983) 209. Good values: the defaults with dt 1; for a decaying
    flow size (64, 64), viscosity 0.005, peak 4, dt 1.

    Args:
        size: number of points along x and y.
        step: the longest step of time of the solver, stable while its product with the fastest
            speed and the number of points along an axis is below 5.
        viscosity: kinematic.
        drag: linear, 1/time.
        forcing: "kolmogorov" or "none".
        amplitude: of the force.
        wavenumber: of the force.
        peak: wavenumber around which the initial energy lies.
        speed: root mean square of the initial velocity.

    Source: G. J. Chandler, R. R. Kerswell, J. Fluid Mech. 722 (2013), section 2, in whose units the
    amplitude is 1 and a time is sqrt(amplitude) times ours; at wavenumber 2, on 32 x 32 points, C.
    E. Pérez De Jesús, M. D. Graham, Phys. Rev. Fluids 8 (2023) 044402.
    """

    size: tuple[int, ...] = (32, 32)
    step: float = 0.0625
    viscosity: float = 0.01
    drag: float = 0.0
    forcing: str = "kolmogorov"
    amplitude: float = 0.04
    wavenumber: int = 2
    peak: int = 2
    speed: float = 0.3

    channels: ClassVar = (Channel("vorticity", "1"),)
    varying: ClassVar = ("viscosity", "drag")

    def __post_init__(self) -> None:
        super().__post_init__()
        require_size(self.size, 2, least=8)
        require_positive(viscosity=self.viscosity, amplitude=self.amplitude, speed=self.speed)
        require_not_negative(drag=self.drag)
        require_choice(("none", "kolmogorov"), forcing=self.forcing)
        require_wavenumber(self.size, wavenumber=self.wavenumber, peak=self.peak)

    @property
    def forced(self) -> bool:
        return self.forcing != "none"

    @property
    def transient(self) -> float:
        """The time in which the force sets the fluid in motion, ten times 1 / sqrt(amplitude)."""
        return 10 / sqrt(self.amplitude) if self.forced else 0.0

    @property
    def lyapunov(self) -> float | None:
        """The exponent of the default flow, 0.0281 +- 0.0008; else None: it takes minutes.

        Computed by ``exponents(NavierStokes(step=0.1), 1, every=5.0, intervals=400)``.
        """
        flow = (self.viscosity, self.drag, self.forcing, self.amplitude, self.wavenumber)
        return 0.0281 if flow == (0.01, 0.0, "kolmogorov", 0.04, 2) else None

    @property
    def linear(self) -> np.ndarray:
        kx, ky = self.wavenumbers
        return -self.column(self.viscosity) * (kx**2 + ky**2) - self.column(self.drag)

    def nonlinear(self, v: np.ndarray) -> np.ndarray:
        """Return the modes of curl f - u . grad omega.

        It is computed as curl f + (d2/dy2 - d2/dx2) u_x u_y + d2/dxdy (u_x^2 - u_y^2).
        """
        kx, ky = self.wavenumbers
        ux, uy = self.velocity(v)
        stress = (kx**2 - ky**2) * self.modes(ux * uy)
        return stress - kx * ky * self.modes(ux**2 - uy**2) + self.curl

    def initial(self, rng: np.random.Generator) -> np.ndarray:
        """Sample random phases with an energy spectrum proportional to k^4 exp(-2 (k / peak)^2)."""
        kx, ky = self.wavenumbers
        k2 = kx**2 + ky**2
        v = self.modes(rng.normal(size=self.shape)) * k2 ** (5 / 4) * np.exp(-k2 / self.peak**2)
        ux, uy = self.velocity(v)
        return self.speed / np.sqrt((ux**2 + uy**2).mean()) * self.field(v)

    def invariants(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """Return the mean vorticity; without forcing also the growth of energy and enstrophy."""
        space = (-3, -2, -1)
        found = {"mean vorticity": x.mean(space)}
        if not self.forced:
            ux, uy = self.velocity(self.modes(x))
            found["energy growth"] = growth((ux**2 + uy**2).mean(space) / 2)
            found["enstrophy growth"] = growth((x**2).mean(space) / 2)
        return found

    def velocity(self, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the velocity (u_x, u_y) on the grid from modes v of the vorticity."""
        along_x, along_y = self._biot_savart
        return self.field(along_x * v), self.field(along_y * v)

    @cached_property
    def _biot_savart(self) -> tuple[np.ndarray, np.ndarray]:
        kx, ky = self.wavenumbers
        k2 = kx**2 + ky**2
        k2[0, 0] = np.inf  # a mean vorticity has no periodic velocity
        return 1j * ky / k2, -1j * kx / k2

    @cached_property
    def curl(self) -> np.ndarray:
        """The modes of the curl of the force, -amplitude wavenumber cos(wavenumber y)."""
        wave = np.cos(self.wavenumber * self.coordinates["y"])
        strength = self.amplitude * self.wavenumber if self.forced else 0.0
        return self.modes(np.broadcast_to(-strength * wave, self.size))
