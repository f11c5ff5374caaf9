"""Forecasts that copy what has followed before: in the training set, or in the context itself."""

from collections.abc import Iterable
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from sirve.cores.base import AnySize, Core, require_positive

LIBRARY = 2**23  # most numbers of the states that an analogue keeps
CONTEXT = 2**19  # most numbers of a context that a parrot keeps


class Copying(Core):
    """A core whose next state is a copy of one that it has seen; before it has, y = x.

    Distances are squares of norms of normalised states, without covariates. (The code has
    x.shape[0], because len(x) would fix the batch of an exported step.)

    Args:
        shape: of a state.
        frames: states that are matched, m below.
        covariates: number of further channels of x, which are not read.
    """

    def __init__(self, shape: tuple[int, ...], frames: int, covariates: int) -> None:
        super().__init__(shape, residual=False, covariates=covariates)
        require_positive(frames=frames)
        self.frames = frames
        self.readout = nn.Identity()

    def _copied(self, x: Tensor, seen: Tensor, distance: Tensor) -> Tensor:
        """Return for each x (B, T, F) the state after the nearest of ``seen`` (B, S, F), or x.

        ``distance`` (B, T, S) is infinite for states that nothing follows. Of equally near states
        the last one is taken.
        """
        count = seen.shape[1]
        nearest = distance <= distance.amin(2, keepdim=True)
        number = torch.arange(count, device=x.device).expand_as(distance)
        last = torch.where(nearest, number, -1).amax(2)
        after = (last + 1).clamp(max=count - 1)[..., None].expand(*last.shape, x.shape[2])
        found = torch.isfinite(distance).any(2, keepdim=True)
        return torch.where(found, seen.expand(x.shape[0], -1, -1).gather(1, after), x)


class Analogue(Copying):
    """Nearest analogue: the next state is what followed the nearest states of the training set.

        y_t = X_{s+1},   s = argmin over s of sum over k < m of |x_{t-k} - X_{s-k}|^2

    X are trajectories of the training set. At the start of a sequence, fewer than m states are
    matched. In a free rollout it matches its own output, which is a copy, so it goes along one
    training trajectory until that ends, and then along another.

    Args:
        shape: of a state.
        frames: states that are matched, m.
        states: most states of the training set that are kept, fewer where a state is large. Whole
            trajectories are kept, from the first one on.
        covariates: number of further channels of x, which are not read.

    Raises:
        ValueError: a number is not positive.

    Source: E. Lorenz, Journal of the Atmospheric Sciences 26 (1969), 636-646.
    """

    library: Tensor
    age: Tensor

    def __init__(
        self, shape: tuple[int, ...], frames: int = 4, states: int = 10_000, covariates: int = 0
    ) -> None:
        super().__init__(shape, frames, covariates)
        require_positive(states=states)
        states = max(2, min(states, LIBRARY // prod(shape)))
        self.register_buffer("library", torch.zeros(states, *shape))
        # How many states of its trajectory are before each one; -1 where nothing follows it.
        self.register_buffer("age", -torch.ones(states))

    @torch.no_grad()
    def fit_statistics(self, sequences: Iterable[Tensor]) -> None:
        self.age.fill_(-1)
        first, room = 0, len(self.library)
        for sequence in (one for x in sequences for one in self.predicted(x)):
            length = min(len(sequence), room - first)
            self.library[first : first + length] = sequence[:length]
            self.age[first : first + length - 1] = torch.arange(length - 1)
            first += length
            if first == room:
                return

    def features(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        own, library = self.predicted(x).flatten(2), self.library.flatten(1)
        products = own @ library.T
        rows = (own**2).sum(2, keepdim=True) - 2 * products + (library**2).sum(1)
        if state is None:
            blank = rows.new_zeros(x.shape[0], self.frames - 1, len(library))
            state = blank, rows.new_zeros(x.shape[0], 1)
        rows, known = torch.cat([state[0], rows], dim=1), state[1]
        length, total = x.shape[1], torch.zeros_like(products)
        ages = known + torch.arange(length, device=x.device)  # (B, T): states before this one
        for k in range(self.frames):
            moved = rows[:, self.frames - 1 - k :][:, :length].roll(k, 2)  # (x_{t-k}, X_{s-k})
            total = total + torch.where((ages >= k)[..., None], moved, 0.0)
        usable = self.age >= ages.clamp(max=self.frames - 1)[..., None]
        total = torch.where(usable, total, torch.inf)
        y = self._copied(own, library[None], total).reshape(self.predicted(x).shape)
        return y / self.scale, (rows[:, length:], known + length)


class Parrot(Copying, AnySize):
    """Context parroting: the next state is what followed the nearest states of the context itself.

        y_t = x_{s+1},   s = argmin over s <= t - m of sum over k < m of |x_{t-k} - x_{s-k}|^2

    The two sets of m states do not overlap, else a smooth sequence would match itself one step
    before; of n states so far at most n / 2 are matched. Its own output belongs to what it has
    seen, so a free rollout repeats the context from s on. Nothing is fitted.

    Args:
        shape: of a state.
        frames: states that are matched, m.
        memory: most states that are kept, fewer where a state is large.
        covariates: number of further channels of x, which are not read.

    Raises:
        ValueError: a number is not positive.

    Source: Y. Zhang, W. Gilpin, arXiv:2505.11349 (2025).
    """

    def __init__(
        self, shape: tuple[int, ...], frames: int = 5, memory: int = 512, covariates: int = 0
    ) -> None:
        super().__init__(shape, frames, covariates)
        require_positive(memory=memory)
        self.memory = max(2, min(memory, CONTEXT // prod(shape)))

    def features(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        own = self.predicted(x).flatten(2)
        if state is None:
            state = (
                own.new_zeros(x.shape[0], self.memory, own.shape[2]),
                own.new_zeros(x.shape[0], 1),
            )
        seen, length = torch.cat([state[0], own], dim=1), x.shape[1]
        now = self.memory + torch.arange(length, device=x.device)  # places of x in ``seen``
        place = torch.arange(seen.shape[1], device=x.device)
        # The first place that is known, and kept, at the time of each x (B, T).
        first = torch.maximum(self.memory - state[1], now - self.memory)
        matched = ((now + 1 - first) // 2).clamp(max=self.frames)
        total = own.new_zeros(x.shape[0], length, len(place))
        for k in range(min(self.frames, self.memory)):
            earlier = seen[:, self.memory - k :][:, :length]
            apart = torch.cdist(earlier, seen, compute_mode="donot_use_mm_for_euclid_dist") ** 2
            total = total + torch.where((matched > k)[..., None], apart.roll(k, 2), 0.0)
        begins = place - matched[..., None] + 1 >= first[..., None]
        ends = place <= now[:, None] - matched[..., None]
        usable = begins & ends & (matched > 0)[..., None]
        y = self._copied(own, seen, torch.where(usable, total, torch.inf))
        counts = (state[1] + length).clamp(max=self.memory)
        return y.reshape(self.predicted(x).shape) / self.scale, (seen[:, length:], counts)
