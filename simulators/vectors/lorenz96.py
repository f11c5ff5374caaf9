"""The Lorenz-96 system, chaotic in many dimensions."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np

from simulators.base import Channel, Simulator, along, require_choice, require_positive
from simulators.lyapunov import exponents
from simulators.ode import METHODS, integrate, other


@dataclass(frozen=True)
class Lorenz96(Simulator):
    """A quantity on a circle of latitude, advected, damped and forced.

        dx_j/dt = (x_{j+1} - x_{j-2}) x_{j-1} - x_j + forcing,   j modulo sites

    Behaviour: the quadratic terms conserve sum x^2 / 2, so no state leaves the ball of root mean
    square ``forcing``. The rest state x = forcing is stable below forcing 8/9, then waves run
    westward, from forcing about 5 on in chaos, with growing directions in proportion to sites.
    For the classic parameters nearby states part as exp(1.68 t). Dimensionless; one unit of time
    stands for five days.

    Parameters: ``sites`` >= 4; ``forcing``; ``method`` of SciPy's solve_ivp with ``rtol`` and
    ``atol``. Good values: 40, 8; dt 0.05.

    Source: E. N. Lorenz, Predictability: a problem partly solved, ECMWF Seminar (1996); E. N.
    Lorenz, K. A. Emanuel, J. Atmos. Sci. 55 (1998), eq. 1 (Kaplan-Yorke dimension 27.1); exponent
    P. R. Vlachas et al., Neural Networks 126 (2020).
    """

    sites: int = 40
    forcing: float = 8.0
    method: str = "DOP853"
    rtol: float = 1e-12
    atol: float = 1e-12

    varying: ClassVar = ("forcing",)

    def __post_init__(self) -> None:
        require_positive(forcing=self.forcing, rtol=self.rtol, atol=self.atol)
        if type(self.sites) is not int or self.sites < 4:
            raise ValueError(f"sites={self.sites} must be a whole number of at least 4")
        require_choice(METHODS, method=self.method)

    @property
    def channels(self) -> tuple[Channel, ...]:  # type: ignore[override]
        return tuple(Channel(f"x{j}", "1") for j in range(self.sites))

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.sites,)

    @property
    def transient(self) -> float:
        return 10.0

    @property
    def solver(self) -> str:
        return self.method

    def reference_solver(self) -> Simulator:
        return replace(self, method=other(self.method))

    @cached_property
    def lyapunov(self) -> float | None:
        """1.68 for the classic parameters, else computed; None where motion is not chaotic."""
        if (self.sites, self.forcing) == (40, 8.0):
            return 1.68
        largest = exponents(self, 1)
        return float(largest.value[0]) if largest.value[0] > 0.02 else None

    def initial(self, rng: np.random.Generator) -> np.ndarray:
        return self.forcing * rng.uniform(-1.0, 1.0, size=self.sites)

    def invariants(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """By how much the ball that no state leaves, of root mean square ``forcing``, is left."""
        size = np.sqrt((x**2).mean(-1))
        ball = np.maximum(size[:, :1], along(self.forcing, size))
        return {"absorbing ball": np.maximum(size - ball, 0.0)}

    def rhs(self, t: float, u: np.ndarray) -> np.ndarray:
        """du/dt for u of shape (sites, B)."""
        around = np.concatenate([u[-2:], u, u[:1]])
        return (around[3:] - around[:-3]) * around[1:-2] - u + self.forcing

    def solve(self, x0: np.ndarray, t: np.ndarray) -> np.ndarray:
        return integrate(self.rhs, x0, t, self.rtol, self.atol, self.method)
