"""The wave equation on a rectangle."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from simulators.base import Boundary, Channel, Simulator, along, require_positive
from simulators.laplacian import Laplacian


@dataclass(frozen=True)
class Wave(Simulator):
    """Small vibrations of a membrane in two dimensions, as frames of displacement and velocity.

        du/dt = v
        dv/dt = speed^2 (d2u/dx2 + d2u/dy2)

    Behaviour: waves cross, reflect at the walls (upright at free edges, Neumann; upside down at
    fixed ones, Dirichlet) and never die: energy is constant, and so is the momentum where nothing
    holds the membrane. A frame of displacement alone does not tell where its waves are going.

    Solution: exact in time. Each mode of the discrete Laplacian, of eigenvalue -k^2, turns in the
    plane (u, v) at the angular frequency omega = speed k; the uniform one moves at constant v.

    Parameters: ``speed`` m/s; ``size`` cells along x and y; ``spacing`` h in m; ``walls``;
    ``laplacian`` "5-point" or "spectral"; ``smoothness`` s of the initial spectrum exp(-s |k|^2),
    k in radians per cell. The initial state is one of the stationary random waves of that
    spectrum: u and v/omega are alike and independent, without a mean where the walls leave one
    free, and u has unit standard deviation over a long time. Good value: speed dt / h 0.5.

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
        _ = self.operator  # which refuses a bad grid

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
        """Of the slowest mode."""
        k = self.wavenumber
        return 2 * np.pi / (self.speed * float(k[k > 0].min()))

    @cached_property
    def operator(self) -> Laplacian:
        return Laplacian(self.size, self.spacing, self.boundary, self.laplacian)

    @cached_property
    def wavenumber(self) -> np.ndarray:
        """Root of the eigenvalue of each mode, omega / speed, (H, W), in 1/m."""
        return np.sqrt(-self.operator.eigenvalues)

    def initial(self, rng: np.random.Generator) -> np.ndarray:
        moving = self.wavenumber > 0
        u, w = (self.operator.noise(rng, self.smoothness) * moving for _ in range(2))
        level = np.sqrt((np.abs(u) ** 2 + np.abs(w) ** 2).mean() / 2)
        v = self.speed * self.wavenumber * w
        return self.operator.inverse(np.stack([u, v]) / level)

    def invariants(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """Energy per mass, m^2/s^2, and momentum per mass, m/s, where nothing holds the membrane.

        Energy is the mean of v^2/2 + speed^2 |grad u|^2/2, by Parseval over the modes; |grad u|^2
        is the quadratic form of the discrete Laplacian, -u (Laplacian u).
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
        shift = elapsed * np.sinc(omega * elapsed / np.pi)  # sin(omega t) / omega, t where omega 0
        return self.operator.inverse(np.stack([u * cos + v * shift, v * cos - u * omega * sin], 2))
