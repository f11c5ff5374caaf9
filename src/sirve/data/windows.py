"""Batches of windows by one gather from memory."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from sirve.errors import UserError


class Windows(Dataset[Tensor]):
    """Batches (batch / ranks, length, *shape), numbered without end, cut from x (n, T, *shape).

    Batch number s is a function of (seed, s) alone: epochs are permutations of all windows, each
    drawn from (seed, epoch); of an incomplete last batch the rest is dropped. ``batch`` is global:
    ranks share it evenly, so that any number of ranks trains on the same windows.
    """

    def __init__(
        self, x: Tensor, length: int, batch: int, seed: int, rank: int = 0, ranks: int = 1
    ) -> None:
        trajectories, states = x.shape[:2]
        self.starts = states - length + 1
        self.x, self.seed = x, seed
        self.offsets = torch.arange(length, device=x.device)
        count = trajectories * max(self.starts, 0)
        if batch > count or batch % ranks:
            raise UserError(f"batch={batch} must be shared by {ranks} ranks and is at most {count}")
        self.batch, self.count = batch, count
        self.mine = slice(rank * batch // ranks, (rank + 1) * batch // ranks)
        self._epoch, self._order = -1, torch.empty(0)

    def __getitem__(self, step: int) -> Tensor:
        epoch, number = divmod(step, self.count // self.batch)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self._permutation(epoch)
        offset = number * self.batch
        index = self._order[offset : offset + self.batch][self.mine]
        trajectory = torch.div(index, self.starts, rounding_mode="floor")
        start = index % self.starts
        return self.x[trajectory[:, None], start[:, None] + self.offsets]

    def _permutation(self, epoch: int) -> Tensor:
        # NumPy mixes (seed, epoch) whole; torch's CPU generator looks at 32 bits of a seed only.
        rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(epoch,)))
        return torch.as_tensor(rng.permutation(self.count)).to(self.x.device)


class Onward(Sampler[int]):
    """The numbers from ``position()`` on, asked whenever iteration starts.

    A number kept from before, or counted off once, would be wrong: a DataLoader with workers
    starts to iterate more often than once.
    """

    def __init__(self, position: Callable[[], int]) -> None:
        self.position = position

    def __iter__(self) -> Iterator[int]:
        step = self.position()
        while True:
            yield step
            step += 1


def load(
    windows: Windows,
    position: Callable[[], int],
    workers: int = 0,
    in_worker: Callable[[int], None] | None = None,
) -> DataLoader[Tensor]:
    """The batches from number ``position()`` on, gathered here or by ``workers`` processes."""
    return DataLoader(
        windows,
        batch_size=None,  # a window is drawn as a batch already
        sampler=Onward(position),
        num_workers=workers,
        worker_init_fn=in_worker,
    )
