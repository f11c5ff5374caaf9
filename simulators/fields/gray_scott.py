"""The Gray-Scott reaction with diffusion: spots, stripes and spirals of two chemicals."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from simulators.base import Channel, require_positive, require_size
from simulators.etdrk import Spectral


@dataclass(frozen=True)
class GrayScott(Spectral):
    """The Gray-Scott system: a chemical v turns the chemical u into more v.

        du/dt = diffusivity_u lap u - u v^2 + feed (1 - u)
        dv/dt = diffusivity_v lap v + u v^2 - (feed + kill) v

    Here u is fed and v is removed.

    Behaviour: u = 1, v = 0 is always a stable state of rest. Large enough patches of v spread as
    spots that divide, growing worms, mazes, spirals or travelling gliders, depending on ``feed``
    and ``kill``: see ``PATTERNS``. All quantities are dimensionless. Good time step of the data: dt
    10.

    Initially u is 1 minus a sum of Gaussian bells and v another sum of bells, each sum scaled to
    the range from 0 to 1. There are between 10 and 100 bells on an area of 4, as in The Well; on
    small domains a pattern may die out.

    Solution: pseudo-spectral, ETDRK4 (simulators/etdrk.py), with all modes of the grid but the
    shortest wave, of two cells: diffusion damps the aliased ones, and the 2/3 rule would cost a
    digit at this resolution. Dropping the shortest wave subtracts a sum over whole rows of cells at
    each step. Where the grid does not resolve the pattern, every cell then acts on cells far away,
    which no network of few convolutions can see: keep it there, with ``shortest_wave``.

    Args:
        size: number of points along x and y; 32 on a length of 0.5 resolve a pattern to about one
            percent, 48 to 0.1 percent.
        step: the longest step of time of the solver.
        length: of the domain along each axis.
        feed: rate.
        kill: rate.
        diffusivity_u: of u.
        diffusivity_v: of v.
        shortest_wave: keep the wave of two cells too.

    Source: J. E. Pearson, Science 261 (1993) 189, eq. 2; patterns and initial states R. Ohana et
    al., The Well, NeurIPS (2024), gray_scott_reaction_diffusion, on 128 points to a length of 2.
    """

    size: tuple[int, ...] = (32, 32)
    step: float = 0.5
    length: float = 0.5
    feed: float = 0.029
    kill: float = 0.057
    diffusivity_u: float = 2e-5
    diffusivity_v: float = 1e-5
    shortest_wave: bool = False

    channels: ClassVar = (Channel("u", "1"), Channel("v", "1"))
    varying: ClassVar = ("feed", "kill", "diffusivity_u", "diffusivity_v")

    PATTERNS: ClassVar[dict[str, dict[str, float]]] = {
        "gliders": {"feed": 0.014, "kill": 0.054},
        "bubbles": {"feed": 0.098, "kill": 0.057},
        "maze": {"feed": 0.029, "kill": 0.057},
        "worms": {"feed": 0.058, "kill": 0.065},
        "spirals": {"feed": 0.018, "kill": 0.051},
        "spots": {"feed": 0.03, "kill": 0.062},
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        require_size(self.size, 2, least=8)
        require_positive(
            length=self.length,
            feed=self.feed,
            kill=self.kill,
            diffusivity_u=self.diffusivity_u,
            diffusivity_v=self.diffusivity_v,
        )

    @property
    def shape(self) -> tuple[int, ...]:
        return (2, *self.size)

    @property
    def side(self) -> float:
        return self.length

    @property
    def transient(self) -> float:
        """The time until the bells have become fronts."""
        return 100.0

    def kept(self, points: int) -> int:
        return points // 2 if self.shortest_wave else (points - 1) // 2

    @property
    def linear(self) -> np.ndarray:
        kx, ky = self.wavenumbers
        k2, feed = kx**2 + ky**2, self.column(self.feed)
        u = -self.column(self.diffusivity_u) * k2 - feed
        v = -self.column(self.diffusivity_v) * k2 - feed - self.column(self.kill)
        return np.concatenate(np.broadcast_arrays(u, v), axis=1)

    def nonlinear(self, v: np.ndarray) -> np.ndarray:
        x = self.field(v)
        reaction = self.modes(x[:, :1] * x[:, 1:] ** 2)
        return reaction * self._signs + self._fed

    @cached_property
    def _signs(self) -> np.ndarray:
        """The sign of the reaction in each channel."""
        return np.array([-1.0, 1.0])[:, None, None]

    @cached_property
    def _fed(self) -> np.ndarray:
        """The modes of the feed, which is uniform, (1, 2, *modes) or (B, 2, *modes)."""
        modes = np.broadcast_shapes(*(k.shape for k in self.wavenumbers))
        fed = np.zeros((np.size(self.feed), 2, *modes))
        fed[:, 0, 0, 0] = self.feed * np.prod(self.size)
        return fed

    def initial(self, rng: np.random.Generator) -> np.ndarray:
        u, v = (self._bells(rng) for _ in range(2))
        return self.field(self.modes(np.stack([1 - u, v])))

    def _bells(self, rng: np.random.Generator) -> np.ndarray:
        """Sample bells of random places, heights and widths, periodic and scaled to 0 ... 1."""
        few, many = (max(1, round(count * self.length**2 / 4)) for count in (10, 100))
        count = rng.integers(few, many, endpoint=True)
        height, sharpness = rng.uniform(1, 3, count), rng.uniform(150, 300, count)
        images = self.length * np.arange(-1, 2)

        def profile(axis: np.ndarray) -> Any:
            centre = rng.uniform(0, self.length, count)[:, None] + images
            return np.exp(-sharpness[:, None] * (axis[:, None, None] - centre) ** 2).sum(-1)

        x, y = (profile(axis) for axis in self.coordinates.values())
        field = (x * height) @ y.T
        return (field - field.min()) / np.ptp(field)

    def invariants(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """Return how far the mean of u + v exceeds its first value and 1, that of the feed."""
        total = x.sum(2).mean((-2, -1))
        return {"excess of u + v": np.maximum(total - np.maximum(total[:, :1], 1.0), 0.0)}
