"""The Lorenz system, chaotic."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from simulators.base import Channel, Simulator, require_positive
from simulators.lyapunov import spectrum
from simulators.ode import integrate


@dataclass(frozen=True)
class Lorenz(Simulator):
    """Lorenz-63: a three-mode model of convection.

        dx/dt = sigma (y - x),   dy/dt = x (rho - z) - y,   dz/dt = x y - beta z

    Behaviour: for the classic parameters a chaotic attractor of two lobes; nearby states part as
    exp(0.9056 t). Volumes shrink at the constant rate -(sigma + 1 + beta), the sum of the
    exponents. Everything is dimensionless.

    Parameters: ``sigma`` Prandtl number, ``rho`` reduced Rayleigh number, ``beta`` aspect of the
    cell; ``rtol`` and ``atol`` of DOP853. Good values: 10, 28, 8/3; dt 0.02.

    Source: E. N. Lorenz, Deterministic nonperiodic flow, J. Atmos. Sci. 20 (1963), eqs. 25-27;
    exponents J. C. Sprott, Chaos and Time-Series Analysis (2003), (0.9056, 0, -14.5723).
    """

    sigma: float = 10.0
    rho: float = 28.0
    beta: float = 8 / 3
    rtol: float = 1e-12
    atol: float = 1e-12

    channels: ClassVar = (Channel("x", "1"), Channel("y", "1"), Channel("z", "1"))

    def __post_init__(self) -> None:
        require_positive(
            sigma=self.sigma, rho=self.rho, beta=self.beta, rtol=self.rtol, atol=self.atol
        )

    @property
    def shape(self) -> tuple[int, ...]:
        return (3,)

    @property
    def transient(self) -> float:
        return 20.0

    @property
    def solver(self) -> str:
        return "DOP853"

    @cached_property
    def lyapunov(self) -> float | None:
        """0.9056 for the classic parameters, else computed; None where motion is not chaotic."""
        if (self.sigma, self.rho, self.beta) == (10.0, 28.0, 8 / 3):
            return 0.9056
        largest = float(self.exponents()[0])
        return largest if largest > 0.02 else None

    def exponents(self, trajectories: int = 64, time: float = 50.0, seed: int = 0) -> np.ndarray:
        """All three Lyapunov exponents, by tangent-space QR along ``trajectories`` orbits."""
        rng = np.random.default_rng(seed)
        x0 = np.stack([self.initial(rng) for _ in range(trajectories)])
        x0 = self.trajectories(x0, np.array([0.0, self.transient]))[:, -1]
        return spectrum(lambda x: self.rhs(0.0, x), self.jacobian, x0, time)

    def initial(self, rng: np.random.Generator) -> np.ndarray:
        return rng.normal(size=3) * 8.0 + np.array([0.0, 0.0, self.rho - 3.0])

    def rhs(self, t: float, u: np.ndarray) -> np.ndarray:
        """du/dt for u of shape (3, B)."""
        x, y, z = u
        return np.stack([self.sigma * (y - x), x * (self.rho - z) - y, x * y - self.beta * z])

    def jacobian(self, u: np.ndarray) -> np.ndarray:
        """d(rhs)/du at u (3, B): (B, 3, 3)."""
        x, y, z = u
        jac = np.zeros((u.shape[1], 3, 3))
        jac[:, 0, 0], jac[:, 0, 1] = -self.sigma, self.sigma
        jac[:, 1, 0], jac[:, 1, 1], jac[:, 1, 2] = self.rho - z, -1.0, -x
        jac[:, 2, 0], jac[:, 2, 1], jac[:, 2, 2] = y, x, -self.beta
        return jac

    def solve(self, x0: np.ndarray, t: np.ndarray) -> np.ndarray:
        return integrate(self.rhs, x0, t, self.rtol, self.atol)
