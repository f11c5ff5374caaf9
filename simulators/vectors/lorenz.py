"""The Lorenz system, chaotic."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np

from simulators.base import Channel, Simulator, require_choice, require_positive
from simulators.lyapunov import exponents
from simulators.ode import METHODS, integrate, reference_method


@dataclass(frozen=True)
class Lorenz(Simulator):
    """The Lorenz-63 system, a three-mode model of convection.

        dx/dt = sigma (y - x),   dy/dt = x (rho - z) - y,   dz/dt = x y - beta z

    Behaviour: the classic parameters give a chaotic attractor with two lobes. Nearby states
    separate as exp(0.9056 t). Volumes shrink at the constant rate -(sigma + 1 + beta), the sum of
    the exponents. All quantities are dimensionless. Good time step of the data: dt 0.02.

    Args:
        sigma: Prandtl number, classic 10.
        rho: reduced Rayleigh number, classic 28.
        beta: aspect of the convection cell, classic 8/3.
        method: one of SciPy's solve_ivp.
        rtol: relative tolerance of the method.
        atol: absolute tolerance of the method.

    Source: E. N. Lorenz, Deterministic nonperiodic flow, J. Atmos. Sci. 20 (1963), eqs. 25-27;
    exponents J. C. Sprott, Chaos and Time-Series Analysis (2003), (0.9056, 0, -14.5723).
    """

    sigma: float = 10.0
    rho: float = 28.0
    beta: float = 8 / 3
    method: str = "DOP853"
    rtol: float = 1e-12
    atol: float = 1e-12

    channels: ClassVar = (Channel("x", "1"), Channel("y", "1"), Channel("z", "1"))
    varying: ClassVar = ("sigma", "rho", "beta")

    def __post_init__(self) -> None:
        require_positive(
            sigma=self.sigma, rho=self.rho, beta=self.beta, rtol=self.rtol, atol=self.atol
        )
        require_choice(METHODS, method=self.method)

    @property
    def shape(self) -> tuple[int, ...]:
        return (3,)

    @property
    def transient(self) -> float:
        return 20.0

    @property
    def solver(self) -> str:
        return self.method

    def reference_solver(self) -> Simulator:
        return replace(self, method=reference_method(self.method))

    @cached_property
    def lyapunov(self) -> float | None:
        """The exponent: 0.9056 for the classic parameters, else computed; None if not chaotic."""
        if (self.sigma, self.rho, self.beta) == (10.0, 28.0, 8 / 3):
            return 0.9056
        largest = exponents(self, 1)
        return float(largest.value[0]) if largest.value[0] > 0.02 else None

    def initial(self, rng: np.random.Generator) -> np.ndarray:
        return rng.normal(size=3) * 8.0 + np.array([0.0, 0.0, self.rho - 3.0])

    def rhs(self, t: float, u: np.ndarray) -> np.ndarray:
        """Return du/dt for u of shape (3, B)."""
        x, y, z = u
        return np.array([self.sigma * (y - x), x * (self.rho - z) - y, x * y - self.beta * z])

    def solve(self, x0: np.ndarray, t: np.ndarray) -> np.ndarray:
        return integrate(self.rhs, x0, t, self.rtol, self.atol, self.method)
