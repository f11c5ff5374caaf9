"""The double pendulum, chaotic."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from simulators.base import Channel, Simulator, along, require_choice, require_positive
from simulators.lyapunov import exponents
from simulators.ode import METHODS, integrate, reference_method
from simulators.scene import Scene


@dataclass(frozen=True)
class DoublePendulum(Simulator):
    """A double pendulum: two point masses on rods in a plane, without friction.

        (m1 + m2) l1 a1 + m2 l2 a2 cos d + m2 l2 omega2^2 sin d + (m1 + m2) g sin theta1 = 0
        m2 l2 a2 + m2 l1 a1 cos d - m2 l1 omega1^2 sin d + m2 g sin theta2 = 0

    with angles theta from the vertical, d = theta1 - theta2 and a the angular accelerations. The
    state is (sin theta1, cos theta1, sin theta2, cos theta2, omega1, omega2).

    Behaviour: the energy is constant. The motion is two normal modes at small energy, chaos with
    some regular islands at medium energy, and regular again at large energy.

    Solution: the angles are integrated by a method of SciPy's solve_ivp. The initial states all
    have one energy, that of both rods held at the angle ``release``, and are sampled from its
    invariant (microcanonical) measure, so there is no transient. Good time step of the data: dt
    0.02 s.

    Args:
        m1: mass of the first bob, kg; good value 1.
        m2: mass of the second bob, kg; good value 1.
        l1: length of the first rod, m; good value 1.
        l2: length of the second rod, m; good value 1.
        g: gravity, m/s^2; good value 9.81.
        release: angle that sets the energy, rad, at most pi; good value 2.2.
        method: one of SciPy's solve_ivp.
        rtol: relative tolerance of the method.
        atol: absolute tolerance of the method.

    Source: L. D. Landau, E. M. Lifshitz, Mechanics, section 5, problem 1; P. H. Richter, H.-J.
    Scholz, Chaos in classical mechanics: the double pendulum, in Stochastic Phenomena and Chaotic
    Behaviour in Complex Systems (1984).
    """

    m1: float = 1.0
    m2: float = 1.0
    l1: float = 1.0
    l2: float = 1.0
    g: float = 9.81
    release: float = 2.2
    method: str = "DOP853"
    rtol: float = 1e-12
    atol: float = 1e-12

    channels: ClassVar = (
        Channel("sin1", "1"),
        Channel("cos1", "1"),
        Channel("sin2", "1"),
        Channel("cos2", "1"),
        Channel("omega1", "rad/s"),
        Channel("omega2", "rad/s"),
    )
    varying: ClassVar = ("m1", "m2", "l1", "l2", "g", "release")
    dimension: ClassVar = 4

    def __post_init__(self) -> None:
        require_positive(m1=self.m1, m2=self.m2, l1=self.l1, l2=self.l2, g=self.g)
        require_positive(release=self.release, rtol=self.rtol, atol=self.atol)
        if np.any(np.greater(self.release, np.pi)):
            raise ValueError(f"release={self.release} must be at most pi, both rods upright")
        require_choice(METHODS, method=self.method)

    @property
    def shape(self) -> tuple[int, ...]:
        return (6,)

    @property
    def period(self) -> float:
        """The period of the slower normal mode: det(K - W^2 M) = 0 for small angles."""
        sum_l, total = self.l1 + self.l2, self.m1 + self.m2
        root = np.sqrt((total * sum_l) ** 2 - 4 * self.m1 * total * self.l1 * self.l2)
        square = self.g * (total * sum_l - root) / (2 * self.m1 * self.l1 * self.l2)
        return float(2 * np.pi / np.sqrt(square))

    @property
    def solver(self) -> str:
        return self.method

    @cached_property
    def lyapunov(self) -> float | None:
        """The exponent of the chaotic sea: measured for the default parameters, else computed.

        Measured: 1.455 +- 0.006 by ``exponents(DoublePendulum(rtol=1e-10, atol=1e-10), 1,
        every=0.4, intervals=500, orbits=512)``. None below 0.2 per period: regular motion gives up
        to so much over the time of the computation.
        """
        if replace(self, method="DOP853", rtol=1e-12, atol=1e-12) == DoublePendulum():
            return 1.455
        largest = exponents(self, 1, every=self.period / 8, intervals=150).value[0]
        return float(largest) if largest > 0.2 / self.period else None

    def reference_solver(self) -> Simulator:
        return replace(self, method=reference_method(self.method))

    def potential(self, cos1: Any, cos2: Any) -> Any:
        """Return the potential energy above that of hanging at rest, J."""
        weight = (self.m1 + self.m2) * self.g * self.l1, self.m2 * self.g * self.l2
        return along(weight[0], cos1) * (1 - cos1) + along(weight[1], cos2) * (1 - cos2)

    def initial(self, rng: np.random.Generator) -> np.ndarray:
        """Sample angles of density sqrt(det M) that the energy allows, then a direction."""
        total = self.m1 + self.m2
        energy = self.potential(*np.cos([self.release, self.release]))
        alone = np.array([self.potential(-1.0, 1.0), self.potential(1.0, -1.0)])
        widest = np.arccos(np.maximum(1 - 2 * energy / alone, -1.0))
        while True:
            theta = rng.uniform(-widest, widest)
            kinetic = energy - self.potential(*np.cos(theta))
            share = (self.m1 + self.m2 * np.sin(theta[0] - theta[1]) ** 2) / total
            if kinetic >= 0 and rng.uniform() <= np.sqrt(share):
                break
        off = self.m2 * self.l1 * self.l2 * np.cos(theta[0] - theta[1])
        mass = np.array([[total * self.l1**2, off], [off, self.m2 * self.l2**2]])
        angle = rng.uniform(0, 2 * np.pi)
        direction = np.sqrt(2 * kinetic) * np.array([np.cos(angle), np.sin(angle)])
        omega = np.linalg.solve(np.linalg.cholesky(mass).T, direction)
        return _state(np.concatenate([theta, omega]))

    def invariants(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """Return the energy, J."""
        sin1, cos1, sin2, cos2, omega1, omega2 = np.moveaxis(x, -1, 0)
        v1, v2 = along(self.l1, omega1) * omega1, along(self.l2, omega2) * omega2
        m1, m2 = along(self.m1, v1), along(self.m2, v2)
        together = cos1 * cos2 + sin1 * sin2
        kinetic = (m1 + m2) * v1**2 / 2 + m2 * v2**2 / 2 + m2 * v1 * v2 * together
        return {"energy": kinetic + self.potential(cos1, cos2)}

    def rhs(self, t: float, u: np.ndarray) -> np.ndarray:
        """Return d(theta1, theta2, omega1, omega2)/dt for u of shape (4, B)."""
        theta1, theta2, omega1, omega2 = u
        sin1, sin2 = np.sin(theta1), np.sin(theta2)
        sin, cos = np.sin(theta1 - theta2), np.cos(theta1 - theta2)
        total = self.m1 + self.m2
        pull1, pull2 = self.l1 * omega1**2, self.l2 * omega2**2
        inertia = self.m1 + self.m2 * sin**2
        a1 = self.m2 * (self.g * sin2 * cos - sin * (pull1 * cos + pull2)) - total * self.g * sin1
        a2 = total * (pull1 * sin - self.g * sin2 + self.g * sin1 * cos)
        a2 = a2 + self.m2 * pull2 * sin * cos
        return np.array([omega1, omega2, a1 / (self.l1 * inertia), a2 / (self.l2 * inertia)])

    def solve(self, x0: np.ndarray, t: np.ndarray) -> np.ndarray:
        theta = np.arctan2(x0[:, (0, 2)], x0[:, (1, 3)])
        start = np.concatenate([theta, x0[:, 4:]], axis=-1)
        return _state(integrate(self.rhs, start, t, self.rtol, self.atol, self.method))

    def scene(self, x: np.ndarray) -> Scene:
        """Draw two rods and two bobs, hanging from the middle."""
        reach = float(np.max(self.l1 + self.l2))
        lengths = along(self.l1, x[..., 0]), along(self.l2, x[..., 0])
        first = np.stack([lengths[0] * x[..., 0], -lengths[0] * x[..., 1]], axis=-1)
        second = first + np.stack([lengths[1] * x[..., 2], -lengths[1] * x[..., 3]], axis=-1)
        centres = np.stack([first, second], axis=-2)
        pivots = np.stack([np.zeros_like(first), first], axis=-2)
        size = np.full_like(centres[..., :1], reach)
        return Scene(
            np.concatenate([centres, 0.12 * size], axis=-1),
            np.concatenate([pivots, centres, 0.035 * size], axis=-1),
            (-1.2 * reach, -1.2 * reach, 2.4 * reach),
        )


def _state(u: np.ndarray) -> np.ndarray:
    """Return the state of (theta1, theta2, omega1, omega2): sines, cosines and speeds."""
    sin, cos = np.sin(u[..., :2]), np.cos(u[..., :2])
    return np.concatenate([np.stack([sin, cos], -1).reshape(*u.shape[:-1], 4), u[..., 2:]], -1)
