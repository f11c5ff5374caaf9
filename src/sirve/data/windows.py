"""Batches of windows by one gather from memory."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from sirve.errors import UserError


class Windows:
    """An endless sequence of batches (batch / ranks, length, *shape) cut from x (n, T, *shape).

    Batch number s is a function of (seed, s) alone: epochs are permutations of all windows, each
    drawn from (seed, epoch); of an incomplete last batch the rest is dropped. ``batch`` is global:
    ranks share it evenly, so that any number of ranks trains on the same windows. ``position``
    says which batch comes next; it is asked whenever iteration starts.
    """

    def __init__(
        self,
        x: Tensor,
        length: int,
        batch: int,
        seed: int,
        position: Callable[[], int] = lambda: 0,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        trajectories, states = x.shape[:2]
        self.starts = states - length + 1
        self.x, self.length, self.seed, self.position = x, length, seed, position
        self.offsets = torch.arange(length, device=x.device)
        count = trajectories * max(self.starts, 0)
        if batch > count or batch % ranks:
            raise UserError(f"batch={batch} must be shared by {ranks} ranks and is at most {count}")
        self.batch, self.count = batch, count
        self.mine = slice(rank * batch // ranks, (rank + 1) * batch // ranks)

    def __iter__(self) -> Iterator[Tensor]:
        per_epoch = self.count // self.batch
        step, epoch, order = self.position(), -1, torch.empty(0)
        while True:
            if step // per_epoch != epoch:
                epoch = step // per_epoch
                order = self._order(epoch)
            offset = step % per_epoch * self.batch
            yield self._gather(order[offset : offset + self.batch][self.mine])
            step += 1

    def _order(self, epoch: int) -> Tensor:
        # NumPy mixes (seed, epoch) whole; torch's CPU generator looks at 32 bits of a seed only.
        rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(epoch,)))
        return torch.as_tensor(rng.permutation(self.count)).to(self.x.device)

    def _gather(self, index: Tensor) -> Tensor:
        trajectory = torch.div(index, self.starts, rounding_mode="floor")
        start = index % self.starts
        return self.x[trajectory[:, None], start[:, None] + self.offsets]
