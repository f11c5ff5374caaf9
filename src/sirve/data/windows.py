"""Batches of training windows, in an order that the seed fixes."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from sirve.data.states import States
from sirve.errors import UserError

HELD = 2**22  # most windows whose order is held in memory; a longer order is computed
ROUNDS = 6  # of the Feistel network


class Windows(Dataset[Tensor]):
    """Endless batches (batch / ranks, length, *shape), cut from trajectories x (n, T, *shape).

    Batch number s is a function of (seed, s) alone: each epoch is a permutation of all windows,
    fixed by (seed, epoch), and an incomplete last batch is dropped. ``batch`` is the global size:
    ranks share it evenly, so that any number of ranks trains on the same windows. Raises UserError
    for a batch that is larger than all windows, or that the ranks cannot share.
    """

    def __init__(
        self, x: States, length: int, batch: int, seed: int, rank: int = 0, ranks: int = 1
    ) -> None:
        trajectories, states = x.shape[:2]
        self.starts = states - length + 1
        self.x, self.seed, self.length = x, seed, length
        count = trajectories * max(self.starts, 0)
        if batch > count or batch % ranks:
            raise UserError(f"batch={batch} must be shared by {ranks} ranks and is at most {count}")
        self.batch, self.count = batch, count
        self.mine = slice(rank * batch // ranks, (rank + 1) * batch // ranks)
        self._epoch, self._order = -1, torch.empty(0)

    def __getitem__(self, step: int) -> Tensor:
        epoch, number = divmod(step, self.count // self.batch)
        offset = number * self.batch
        index = self._window_numbers(epoch, offset, offset + self.batch)[self.mine]
        trajectory = torch.div(index, self.starts, rounding_mode="floor")
        return self.x.windows(trajectory, index % self.starts, self.length)

    def _window_numbers(self, epoch: int, first: int, last: int) -> Tensor:
        """Return entries ``first`` to ``last`` of the epoch's permutation."""
        # NumPy mixes all of (seed, epoch); torch's CPU generator uses only 32 bits of a seed.
        seed = np.random.SeedSequence(self.seed, spawn_key=(epoch,))
        if self.count > HELD:
            return torch.as_tensor(permuted(np.arange(first, last), self.count, seed))
        if epoch != self._epoch:
            order = np.random.default_rng(seed).permutation(self.count)
            self._epoch, self._order = epoch, torch.as_tensor(order).to(self.x.device)
        return self._order[first:last]


def permuted(index: np.ndarray, count: int, seed: np.random.SeedSequence) -> np.ndarray:
    """Map some numbers by a random permutation of ``count`` numbers that is not held in memory.

    It is a Feistel network over the next even number of bits, repeated until the result is below
    ``count``.
    Source: J. Black, P. Rogaway, Ciphers with arbitrary finite domains, CT-RSA 2002, section 3.
    """
    half = np.uint64(((count - 1).bit_length() + 1) // 2)
    mask = (np.uint64(1) << half) - np.uint64(1)
    keys = seed.generate_state(ROUNDS, np.uint64)
    index = index.astype(np.uint64)
    outside = np.ones(len(index), bool)
    while outside.any():
        left, right = index[outside] >> half, index[outside] & mask
        for key in keys:
            left, right = right, left ^ (_mix(right ^ key) & mask)
        index[outside] = (left << half) | right
        outside = index >= count
    return index.astype(np.int64)


def _mix(x: np.ndarray) -> np.ndarray:
    """Apply the finaliser of SplitMix64 (S. Vigna, prng.di.unimi.it)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


class StepSampler(Sampler[int]):
    """The batch numbers from ``position()`` on.

    ``position`` is called whenever iteration starts, because a DataLoader with workers starts more
    than once.
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
    """Return the batches from number ``position()`` on, gathered by ``workers`` processes."""
    return DataLoader(
        windows,
        batch_size=None,  # an item is a batch already
        sampler=StepSampler(position),
        num_workers=workers,
        worker_init_fn=in_worker,
    )
