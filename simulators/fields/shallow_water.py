"""The shallow-water equations in two dimensions, without rotation."""

from dataclasses import dataclass
from math import sqrt
from typing import ClassVar

import numpy as np

from simulators.base import Channel, along, require_positive, require_size
from simulators.etdrk import Spectral, growth, require_wavenumber


@dataclass(frozen=True)
class ShallowWater(Spectral):
    """Waves of a layer of water that is thin beside its width, periodic along x and y.

        d height/dt + div q = 0,   h = depth + height,   q = h u
        dq/dt + div(q u) + gravity h grad height = viscosity div(h grad u)

    Behaviour: small waves travel at the speed sqrt(gravity depth), whatever their length: omega =
    k sqrt(gravity depth). Crests are faster than troughs, so larger waves steepen, until the
    viscosity stops it. Mass and momentum are constant, energy decays. A frame of the height alone
    does not show the direction in which its waves travel.

    Solution: pseudo-spectral in height and q, ETDRK4 (simulators/etdrk.py). Only the viscosity of q
    is in the exact linear part. The products are dealiased by the 2/3 rule. The division by h is
    not a product, so its finest waves alias; the viscosity damps them. Twice the points change the
    height by 2 percent of its size after 50 s.

    Initially the waves travel in all directions: height and the flow along each wave are
    independent random fields of equal energy, without a mean, with an energy spectrum proportional
    to k^4 exp(-2 (k / peak)^2). Good values: the defaults with dt 0.5.

    Args:
        size: number of points along x and y.
        step: the longest step of time of the solver, s; stable while step sqrt(gravity depth) times
            the number of points along an axis is below ``length``.
        length: of the domain along each axis, m.
        depth: of the water at rest, m.
        gravity: m/s^2.
        viscosity: kinematic, m^2/s; it has to resolve the steepest waves.
        amplitude: root mean square of the initial height, as a share of the depth.
        peak: number of periods over ``length`` around which the initial energy lies.

    Source: G. K. Vallis, Atmospheric and Oceanic Fluid Dynamics, 2nd ed. (2017), section 3.1; the
    viscosity P. R. Gent, J. Atmos. Sci. 50 (1993) 1323, which loses energy only. S. Fotiadis
    et al., arXiv 2002.08981 (2020), forecast its height by recurrent networks and by others.
    """

    size: tuple[int, ...] = (32, 32)
    step: float = 0.0625
    length: float = 100.0
    depth: float = 1.0
    gravity: float = 9.81
    viscosity: float = 0.5
    amplitude: float = 0.04
    peak: int = 2

    channels: ClassVar = (
        Channel("height", "m"),
        Channel("velocity_x", "m/s"),
        Channel("velocity_y", "m/s"),
    )
    varying: ClassVar = ("depth", "gravity", "viscosity")

    def __post_init__(self) -> None:
        super().__post_init__()
        require_size(self.size, 2, least=8)
        require_positive(
            length=self.length,
            depth=self.depth,
            gravity=self.gravity,
            viscosity=self.viscosity,
            amplitude=self.amplitude,
        )
        require_wavenumber(self.size, peak=self.peak)

    @property
    def shape(self) -> tuple[int, ...]:
        return (3, *self.size)

    @property
    def side(self) -> float:
        return self.length

    @property
    def period(self) -> float:
        """The period of the longest wave, ``length`` / sqrt(gravity depth), s."""
        return float(self.length / sqrt(self.gravity * self.depth))

    @property
    def linear(self) -> np.ndarray:
        kx, ky = self.wavenumbers
        damping = -self.column(self.viscosity) * (kx**2 + ky**2)
        return np.concatenate([0 * damping, damping, damping], axis=1)

    def nonlinear(self, v: np.ndarray) -> np.ndarray:
        """Return minus the divergence of the fluxes of height and of q.

        As viscosity div(h grad u) = viscosity (lap q - div(u grad height)), its second part is
        here. The pressure, gravity h grad height, is the gradient of gravity (depth height +
        height^2 / 2).
        """
        kx, ky = self.wavenumbers
        slopes = np.stack([1j * kx * v[:, 0], 1j * ky * v[:, 0]], axis=1)
        height, qx, qy, slope_x, slope_y = np.moveaxis(
            self.field(np.concatenate([v, slopes], axis=1)), 1, 0
        )
        depth, gravity, nu = (
            along(value, height) for value in (self.depth, self.gravity, self.viscosity)
        )
        ux, uy = qx / (depth + height), qy / (depth + height)
        pressure = gravity * (depth + height / 2) * height
        fluxes = (
            qx * ux + pressure + nu * ux * slope_x,
            qx * uy + nu * ux * slope_y,
            qy * ux + nu * uy * slope_x,
            qy * uy + pressure + nu * uy * slope_y,
        )
        xx, xy, yx, yy = np.moveaxis(self.modes(np.stack(fluxes, axis=1)), 1, 0)
        change = (kx * v[:, 1] + ky * v[:, 2], kx * xx + ky * xy, kx * yx + ky * yy)
        return -1j * np.stack(change, axis=1)

    def solve(self, x0: np.ndarray, t: np.ndarray) -> np.ndarray:
        x = super().solve(self._scaled(x0, 1), t)
        return self._scaled(x, -1)

    def _scaled(self, x: np.ndarray, power: int) -> np.ndarray:
        """Return states x (B, ..., 3, H, W) whose last two channels are multiplied by h^power."""
        height = x[..., :1, :, :]
        factor = (along(self.depth, height) + height) ** power
        return np.concatenate([height, factor * x[..., 1:, :, :]], axis=-3)

    def initial(self, rng: np.random.Generator) -> np.ndarray:
        kx, ky = self.wavenumbers
        k = np.sqrt(kx**2 + ky**2)
        peak = 2 * np.pi * self.peak / self.length
        spectrum = (k / peak) ** 1.5 * np.exp(-((k / peak) ** 2))
        height, flow = self.modes(rng.normal(size=(2, *self.size))) * spectrum
        speed = sqrt(self.gravity * self.depth)
        flow = 1j * speed * flow / np.where(k > 0, k, 1)  # along the wave, odd under a reflection
        x = self.field(np.stack([height, kx * flow, ky * flow]))
        x *= self.amplitude * self.depth / sqrt((x**2)[0].mean())
        return self._scaled(x[None], -1)[0]

    def invariants(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """Return the means of height, m, and of momentum per mass and area, m^2/s, and the growth
        of energy, m^3/s^2, which is zero.
        """
        height, ux, uy = np.moveaxis(x, 2, 0)
        h = along(self.depth, height) + height
        space = (-2, -1)
        energy = (h * (ux**2 + uy**2) + along(self.gravity, height) * height**2) / 2
        return {
            "mean height": height.mean(space),
            "momentum along x": (h * ux).mean(space),
            "momentum along y": (h * uy).mean(space),
            "energy growth": growth(energy.mean(space)),
        }
