"""Bouncing balls in a box."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from simulators.base import (
    Channel,
    SimulationError,
    Simulator,
    along,
    require_not_negative,
    require_positive,
)
from simulators.lyapunov import exponents
from simulators.scene import Scene

EVENTS = 10_000  # the most events per unit of time
TRIES = 100_000  # to find initial positions without overlap


@dataclass(frozen=True)
class Balls(Simulator):
    """Hard discs that fly freely in a square box and bounce off its walls and off each other.

        d2x/dt2 = 0,   d2y/dt2 = -g,   in 0 <= x, y <= side

    A wall reverses the velocity perpendicular to it. Two balls that touch exchange the impulse
    2 m1 m2 / (m1 + m2) (v2 - v1) . n along the line n between their centres.

    Behaviour: energy is conserved, and momentum between collisions with the walls. Discs disperse:
    an error of the point of contact turns their directions, so two or more are chaotic; one alone
    is not. The state is (x, y, vx, vy) of each ball in turn, always in the same order.

    Solution: exact in time, from event to event: the time of the next collision of each pair and
    wall is known in closed form. The only error is rounding, which grows as fast as the distance of
    two nearby states.

    Initial states are sampled uniformly from those without overlap and of the given kinetic energy,
    the invariant measure if g is 0. Good time step of the data: dt 0.02 s.

    Args:
        radii: radius of each ball, m; good values three of 0.12.
        masses: mass of each ball, kg; good values three of 1.
        side: of the box, m; good value 1.
        speed: root mean square of the initial velocities, weighted by mass, m/s; good value 1.
        g: gravity, m/s^2, downwards.

    Source: B. J. Alder, T. E. Wainwright, Studies in molecular dynamics. I. General method, J.
    Chem. Phys. 31 (1959) 459-466.
    """

    radii: tuple[float, ...] = (0.12, 0.12, 0.12)
    masses: tuple[float, ...] = (1.0, 1.0, 1.0)
    side: float = 1.0
    speed: float = 1.0
    g: float = 0.0

    varying: ClassVar = ("speed", "g")

    def __post_init__(self) -> None:
        object.__setattr__(self, "radii", tuple(self.radii))
        object.__setattr__(self, "masses", tuple(self.masses))
        require_positive(side=self.side, speed=self.speed)
        require_not_negative(g=self.g)
        for radius, mass in zip(self.radii, self.masses, strict=False):
            require_positive(radii=radius, masses=mass)
        if not len(self.radii) == len(self.masses) > 0:
            raise ValueError(f"masses={self.masses} must be as many as radii={self.radii}")
        if 2 * max(self.radii) >= self.side:
            raise ValueError(f"radii={self.radii} must be below half of side={self.side}")

    @property
    def channels(self) -> tuple[Channel, ...]:  # type: ignore[override]
        units = {"x": "m", "y": "m", "vx": "m/s", "vy": "m/s"}
        return tuple(
            Channel(f"{name}{k + 1}", unit)
            for k in range(len(self.radii))
            for name, unit in units.items()
        )

    @property
    def shape(self) -> tuple[int, ...]:
        return (4 * len(self.radii),)

    @property
    def solver(self) -> str:
        return "exact, from event to event"

    @cached_property
    def lyapunov(self) -> float | None:
        """The exponent, a mean over initial states: measured for the defaults, else computed.

        Measured: 3.21 +- 0.01 by ``exponents(Balls(), 1, every=0.5, intervals=400,
        orbits=512)``. None below 0.1 speed / side: one ball gives up to so much over the time of
        the computation.
        """
        if self == Balls():
            return 3.21
        crossing = self.side / self.speed
        largest = exponents(self, 1, every=crossing / 2, intervals=200).value[0]
        return float(largest) if largest > 0.1 / crossing else None

    @property
    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """The indices of the first and of the second ball of each pair."""
        first, second = np.triu_indices(len(self.radii), 1)
        return first, second

    def initial(self, rng: np.random.Generator) -> np.ndarray:
        radii, masses = np.array(self.radii)[:, None], np.array(self.masses)[:, None]
        chunk = 100
        for _ in range(TRIES // chunk):
            centres = rng.uniform(radii, self.side - radii, size=(chunk, len(radii), 2))
            apart = self._gaps(centres).min(-1, initial=np.inf) >= 0
            if apart.any():
                break
        else:
            raise SimulationError(
                f"no arrangement of radii={self.radii} in side={self.side} found in {TRIES} tries; "
                "take smaller radii or a larger side"
            )
        velocity = rng.normal(size=(len(radii), 2)) / np.sqrt(masses)
        velocity *= self.speed * np.sqrt(masses.sum() / (masses * velocity**2).sum())
        return np.concatenate([centres[np.argmax(apart)], velocity], axis=-1).ravel()

    def invariants(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """Return the energy, J, and how far balls overlap or are outside of the box, m."""
        centre, velocity = _split(x)
        masses, radii = np.array(self.masses), np.array(self.radii)[:, None]
        kinetic = (masses * (velocity**2).sum(-1)).sum(-1) / 2
        height = (masses * centre[..., 1]).sum(-1)
        outside = np.maximum(radii - centre, centre + radii - self.side)
        found = {
            "energy": kinetic + along(self.g, height) * height,
            "outside": np.maximum(outside.max((-2, -1)), 0.0),
        }
        if len(radii) > 1:
            found["overlap"] = np.maximum(-self._gaps(centre).min(-1), 0.0)
        return found

    def scene(self, x: np.ndarray) -> Scene:
        """Draw the balls in their box."""
        centre, _ = _split(x)
        radii = np.broadcast_to(np.array(self.radii)[:, None], centre[..., :1].shape)
        margin = 0.02 * self.side
        return Scene(
            np.concatenate([centre, radii], axis=-1),
            np.zeros((*x.shape[:-1], 0, 5)),
            (-margin, -margin, self.side + 2 * margin),
        )

    def solve(self, x0: np.ndarray, t: np.ndarray) -> np.ndarray:
        """Move each trajectory from its own event to its next one, all in one loop."""
        x = np.empty((len(x0), len(t), *_split(x0)[0].shape[1:-1], 4))
        row, clock = np.arange(len(x0)), np.full(len(x0), t[0])
        centre, velocity = _split(x0)
        g = np.broadcast_to(np.asarray(self.g, dtype=float), len(x0))
        for _ in range(int(EVENTS * (1 + t[-1] - t[0]))):
            wait = np.concatenate(
                [self._to_walls(centre, velocity, g), self._to_meet(centre, velocity)], axis=-1
            )
            event = wait.argmin(-1)
            until = clock + wait.min(-1)
            i, k = np.nonzero((clock[:, None] <= t) & (t < until[:, None]))
            x[row[i], k] = np.concatenate(
                _fly(centre[i], velocity[i], g[i], t[k] - clock[i]), axis=-1
            )
            on = until <= t[-1]
            if not on.any():
                return x.reshape(len(x0), len(t), -1)
            row, event, g = row[on], event[on], g[on]
            centre, velocity = _fly(centre[on], velocity[on], g, (until - clock)[on])
            clock = until[on]
            self._bounce(centre, velocity, event)
        raise SimulationError(
            f"more than {EVENTS} events per unit of time, at t={clock[0]:g}", int(row[0])
        )

    def _to_walls(self, centre: np.ndarray, velocity: np.ndarray, g: np.ndarray) -> np.ndarray:
        """Return the time until each ball hits a wall along x and along y, (B, 2 K).

        It is the smaller root of gap = -+v s +- g s^2 / 2, in a form without cancellation.
        """
        radii = np.array(self.radii)[:, None]
        pull = g[:, None, None] * np.array([0.0, 1.0])
        low, high = centre - radii, self.side - radii - centre
        up = velocity > 0
        with np.errstate(all="ignore"):
            root = np.sqrt(np.maximum(velocity**2 + 2 * pull * low, 0.0))
            to_low = np.where(up, (velocity + root) / pull, 2 * low / (root - velocity))
            square = velocity**2 - 2 * pull * high
            to_high = 2 * high / (velocity + np.sqrt(np.maximum(square, 0.0)))
        at_rest = np.where(pull > 0, 0.0, np.inf)  # on the floor, or along an axis without gravity
        to_low = np.where(root > 0, to_low, at_rest)
        to_high = np.where(up & (square >= 0), to_high, np.inf)
        return np.maximum(np.minimum(to_low, to_high), 0.0).reshape(len(centre), -1)

    def _to_meet(self, centre: np.ndarray, velocity: np.ndarray) -> np.ndarray:
        """Return the time until each pair touches, (B, pairs); gravity accelerates both alike."""
        i, j = self.pairs
        apart, relative = centre[:, j] - centre[:, i], velocity[:, j] - velocity[:, i]
        reach = np.array(self.radii)[i] + np.array(self.radii)[j]
        closing = -(apart * relative).sum(-1)
        room = (apart**2).sum(-1) - reach**2
        square = closing**2 - (relative**2).sum(-1) * room
        hit = (closing > 0) & (square >= 0)
        wait = np.maximum(room, 0.0) / np.where(hit, closing + np.sqrt(np.abs(square)), 1.0)
        return np.where(hit, wait, np.inf)

    def _bounce(self, centre: np.ndarray, velocity: np.ndarray, event: np.ndarray) -> None:
        """Update the velocities in place; ``event`` is the column of the shortest time."""
        walls = 2 * len(self.radii)
        (row,) = np.nonzero(event < walls)
        velocity[row, event[row] // 2, event[row] % 2] *= -1
        (row,) = np.nonzero(event >= walls)
        i, j = (ball[event[row] - walls] for ball in self.pairs)
        mass = np.array(self.masses)[:, None]
        normal = centre[row, j] - centre[row, i]
        normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
        speed = ((velocity[row, j] - velocity[row, i]) * normal).sum(-1, keepdims=True)
        impulse = 2 * mass[i] * mass[j] / (mass[i] + mass[j]) * speed * normal
        velocity[row, i] += impulse / mass[i]
        velocity[row, j] -= impulse / mass[j]

    def _gaps(self, centre: np.ndarray) -> np.ndarray:
        """Return the gap of each pair, (..., pairs), negative where the balls overlap."""
        i, j = self.pairs
        radii = np.array(self.radii)
        distance = np.linalg.norm(centre[..., j, :] - centre[..., i, :], axis=-1)
        return distance - radii[i] - radii[j]


def _split(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return centres and velocities (..., K, 2) of states (..., 4 K)."""
    balls = x.reshape(*x.shape[:-1], -1, 4)
    return balls[..., :2], balls[..., 2:]


def _fly(
    centre: np.ndarray, velocity: np.ndarray, g: np.ndarray, time: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return centres and velocities (B, K, 2) after a ``time`` (B,) without events."""
    time = time[:, None, None]
    pull = g[:, None, None] * np.array([0.0, 1.0])
    return centre + velocity * time - pull * time**2 / 2, velocity - pull * time
