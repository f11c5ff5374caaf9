"""The wave equation on a rectangle."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from simulators.base import Boundary, Channel, Simulator, along, require_positive
from simulators.laplacian import Laplacian


@dataclass(frozen=True)
class Wave(Simulator):
    """The wave equation of a membrane, as frames of displacement u and velocity v.

        du/dt = v
        dv/dt = speed^2 (d2u/dx2 + d2u/dy2)

    Behaviour: waves cross, are reflected at the boundary (upright at free edges, Neumann; inverted
    at fixed edges, Dirichlet) and never decay: energy is constant, and so is the momentum if no
    edge is fixed. A frame of displacement alone does not show the direction in which its waves
    travel.

    Solution: exact in time. Each mode of the discrete Laplacian, of eigenvalue -k^2, rotates in the
    plane (u, v) at the angular frequency omega = speed k; the uniform mode moves at constant v.

    An initial state is a stationary random wave: u and v/omega are independent and have the same
    distribution, without a mean if the boundary leaves it free, and u has unit standard deviation
    over a long time. Good time step of the data: speed dt / spacing = 0.5.

    Args:
        speed: m/s.
        size: number of cells along x and y.
        spacing: width h of a cell, m.
        boundary: "neumann", "dirichlet" or "periodic".
        laplacian: "5-point" or "spectral".
        smoothness: s of the initial spectrum exp(-s |k|^2), k in radians per cell.

    Source: P. M. Morse, K. U. Ingard, Theoretical Acoustics (1968), chapter 5, the membrane.
    """

    speed: float = 1.0
    size: tuple[int, int] = (32, 32)
    spacing: float = 1.0
    boundary: Boundary = "neumann"
    laplacian: str = "5-point"
    smoothness: float = 2.0

    channels: ClassVar = (Channel("displacement", "m"), Channel("velocity", "m/s"))
    varying: ClassVar = ("speed", "smoothness")

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", tuple(self.size))
        require_positive(speed=self.speed, smoothness=self.smoothness)
        _ = self.operator  # raises for an invalid grid

    @property
    def shape(self) -> tuple[int, ...]:
        return (2, *self.size)

    @property
    def coordinates(self) -> dict[str, np.ndarray]:
        return self.operator.coordinates

    @property
    def solver(self) -> str:
        return f"exact in time, {self.laplacian} Laplacian"

    @property
    def period(self) -> float:
        """The period of the slowest mode."""
        k = self.wavenumber
        return 2 * np.pi / (self.speed * float(k[k > 0].min()))

    @cached_property
    def operator(self) -> Laplacian:
        return Laplacian(self.size, self.spacing, self.boundary, self.laplacian)

    @cached_property
    def wavenumber(self) -> np.ndarray:
        """The wavenumber k = omega / speed of each mode, (H, W), in 1/m."""
        return np.sqrt(-self.operator.eigenvalues)

    def initial(self, rng: np.random.Generator) -> np.ndarray:
        moving = self.wavenumber > 0
        u, w = (self.operator.sample_modes(rng, self.smoothness) * moving for _ in range(2))
        level = np.sqrt((np.abs(u) ** 2 + np.abs(w) ** 2).mean() / 2)
        v = self.speed * self.wavenumber * w
        return self.operator.inverse(np.stack([u, v]) / level)

    def invariants(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """Return the energy per mass, m^2/s^2, and, if no edge is fixed, momentum per mass, m/s.

        The energy is the mean of v^2/2 + speed^2 |grad u|^2/2, by Parseval over the modes; |grad
        u|^2 is the quadratic form of the discrete Laplacian, -u (Laplacian u).
        """
        u, v = np.moveaxis(np.abs(self.operator.forward(x)) ** 2, 2, 0)
        omega2 = (along(self.speed, u) * self.wavenumber) ** 2
        found = {"energy": (v + omega2 * u).mean((-2, -1)) / 2}
        if self.boundary != "dirichlet":
            found["momentum"] = x[:, :, 1].mean((-2, -1))
        return found

    def solve(self, x0: np.ndarray, t: np.ndarray) -> np.ndarray:
        u, v = np.moveaxis(self.operator.forward(x0)[:, None], 2, 0)
        omega = along(self.speed, u) * self.wavenumber
        elapsed = (t - t[0])[:, None, None]
        cos, sin = np.cos(omega * elapsed), np.sin(omega * elapsed)
        shift = elapsed * np.sinc(omega * elapsed / np.pi)  # sin(omega t) / omega, t if omega is 0
        return self.operator.inverse(np.stack([u * cos + v * shift, v * cos - u * omega * sin], 2))
