"""The Lorenz-96 system, chaotic in many dimensions."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np

from simulators.base import Channel, Simulator, along, require_choice, require_positive
from simulators.lyapunov import exponents
from simulators.ode import METHODS, integrate, reference_method


@dataclass(frozen=True)
class Lorenz96(Simulator):
    """The Lorenz-96 system: a quantity on a circle of latitude, advected, damped and forced.

        dx_j/dt = (x_{j+1} - x_{j-2}) x_{j-1} - x_j + forcing,   j modulo sites

    Behaviour: the quadratic terms conserve sum x^2 / 2, so no state leaves the ball of root mean
    square ``forcing``. The rest state x = forcing is stable below forcing 8/9. Above it waves run
    westward, and from forcing about 5 on they are chaotic, with a number of growing directions in
    proportion to sites. For the classic parameters nearby states separate as exp(1.68 t). All
    quantities are dimensionless; one unit of time stands for five days. Good time step of the data:
    dt 0.05.

    Args:
        sites: number of components, at least 4, classic 40.
        forcing: classic 8.
        method: one of SciPy's solve_ivp.
        rtol: relative tolerance of the method.
        atol: absolute tolerance of the method.

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
        return replace(self, method=reference_method(self.method))

    @cached_property
    def lyapunov(self) -> float | None:
        """The exponent: 1.68 for the classic parameters, else computed; None if not chaotic."""
        if (self.sites, self.forcing) == (40, 8.0):
            return 1.68
        largest = exponents(self, 1)
        return float(largest.value[0]) if largest.value[0] > 0.02 else None

    def initial(self, rng: np.random.Generator) -> np.ndarray:
        return self.forcing * rng.uniform(-1.0, 1.0, size=self.sites)

    def invariants(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """Return how far a state is outside the ball of root mean square ``forcing``."""
        size = np.sqrt((x**2).mean(-1))
        ball = np.maximum(size[:, :1], along(self.forcing, size))
        return {"absorbing ball": np.maximum(size - ball, 0.0)}

    def rhs(self, t: float, u: np.ndarray) -> np.ndarray:
        """Return du/dt for u of shape (sites, B)."""
        around = np.concatenate([u[-2:], u, u[:1]])
        return (around[3:] - around[:-3]) * around[1:-2] - u + self.forcing

    def solve(self, x0: np.ndarray, t: np.ndarray) -> np.ndarray:
        return integrate(self.rhs, x0, t, self.rtol, self.atol, self.method)
