"""The observed training trajectories: held in memory, or read from the shards."""

import os
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from math import prod

import numpy as np
import torch
from torch import Tensor

from sirve.data.dataset import Dataset
from sirve.data.info import dtype_of
from sirve.data.observe import Observe
from sirve.data.shards import places
from sirve.errors import UserError

OPEN = 128  # most shards open at once


class States(ABC):
    """Observed training trajectories (n, T, *shape).

    Law: ``StatesInMemory`` and ``StatesOnDisk`` give the same windows and blocks, bit for bit.
    """

    shape: tuple[int, ...]

    @abstractmethod
    def windows(self, trajectory: Tensor, start: Tensor, length: int) -> Tensor:
        """Return windows (B, length, *shape) from their trajectories (B,) and first states (B,)."""

    @abstractmethod
    def blocks(self) -> Iterator[np.ndarray]:
        """Yield all trajectories, a few at a time."""

    def to(self, device: torch.device) -> "States":
        """Return the states on the training device, or where they are if that is better."""
        return self

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")


class StatesInMemory(States):
    """States in memory, as one tensor, so that a batch is one gather."""

    def __init__(self, x: Tensor, block: int = 16) -> None:
        self.x, self.shape, self.block = x, tuple(x.shape), block

    def windows(self, trajectory: Tensor, start: Tensor, length: int) -> Tensor:
        steps = torch.arange(length, device=self.x.device)
        return self.x[trajectory[:, None], start[:, None] + steps]

    def blocks(self) -> Iterator[np.ndarray]:
        for part in self.x.split(self.block):
            yield part.cpu().numpy()

    def to(self, device: torch.device) -> "StatesInMemory":
        """Move to ``device`` if the states take at most half of its free memory."""
        if device.type == "cuda" and self.x.nbytes > torch.cuda.mem_get_info(device)[0] / 2:
            return self
        return StatesInMemory(self.x.to(device), self.block)

    @property
    def device(self) -> torch.device:
        return self.x.device


class StatesOnDisk(States):
    """States on disk: a window is one read of each channel, so memory stays constant."""

    def __init__(
        self, dataset: Dataset, count: int, observe: Observe, std: np.ndarray, seed: int
    ) -> None:
        self.dataset, self.count, self.observe = dataset, count, observe
        self.std, self.seed = std, seed
        self.covariates = observe.covariates(dataset.parameters("train", count), count)
        self.paths = [path for path, _ in dataset.files("train", count)]
        self.raw = places(self.paths[0], dataset.info)[0].shape[1]
        observed = observe.info(dataset.info)
        channels = len(observed.channels) + len(observed.covariates)
        states = len(range(0, self.raw, observe.stride))
        self.shape = (count, states, channels, *observed.shape[1:])
        self._shards: OrderedDict[int, tuple[int, list[int]]] = OrderedDict()

    def windows(self, trajectory: Tensor, start: Tensor, length: int) -> Tensor:
        rows, starts = trajectory.numpy(), start.numpy()
        stride = self.observe.stride
        raw = self._read_raw(rows.tolist(), (starts * stride).tolist(), (length - 1) * stride + 1)
        clean = self.observe.clean(raw, self.dataset.info)
        return torch.as_tensor(self._observe(clean, rows, starts))

    def blocks(self) -> Iterator[np.ndarray]:
        first = 0
        for x in self.dataset.blocks("train", self.count):
            rows = np.arange(first, first + len(x))
            yield self._observe(self.observe.clean(x, self.dataset.info), rows, 0 * rows)
            first += len(x)

    def _observe(self, clean: np.ndarray, rows: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """Observe ``clean``, which begins at state ``starts`` of ``rows``, and add covariates."""
        seen = self.observe.seen(clean, self.std, rows, starts, self.shape[1], "train", self.seed)
        return with_covariates(seen, self.covariates[rows])

    def _read_raw(self, rows: list[int], starts: list[int], length: int) -> np.ndarray:
        """Read states (B, length, *shape) as they are stored."""
        cells, kind = self.dataset.info.shape[1:], dtype_of(self.dataset.info)
        x = np.empty((len(rows), self.dataset.info.shape[0], length, *cells), kind)
        state = prod(cells) * x.itemsize
        for i, (trajectory, start) in enumerate(zip(rows, starts, strict=True)):
            number, row = divmod(trajectory, self.dataset.manifest.block)
            descriptor, offsets = self._shard(number)
            skip = (row * self.raw + start) * state
            for part, offset in zip(x[i], offsets, strict=True):
                if os.preadv(descriptor, [part], offset + skip) != part.nbytes:
                    raise UserError(f"{self.paths[number]} was cut short; run the command again")
        return x.swapaxes(1, 2)

    def _shard(self, number: int) -> tuple[int, list[int]]:
        """Return a shard's open file, and the offset of each channel in it."""
        if number not in self._shards:
            if len(self._shards) == OPEN:
                os.close(self._shards.popitem(last=False)[1][0])
            offsets = [place.offset for place in places(self.paths[number], self.dataset.info)]
            # pread keeps no position, so a forked process can read from the same file.
            opened = os.open(self.paths[number], os.O_RDONLY | os.O_CLOEXEC)
            self._shards[number] = (opened, offsets)
        self._shards.move_to_end(number)
        return self._shards[number]

    def close(self) -> None:
        """Close the shards."""
        while self._shards:
            os.close(self._shards.popitem()[1][0])


def with_covariates(x: np.ndarray, covariates: np.ndarray) -> np.ndarray:
    """Append covariates (n, K) to x (n, T, C, *space) as constant channels."""
    if covariates.shape[1] == 0:
        return x
    columns = covariates.reshape(len(covariates), 1, covariates.shape[1], *[1] * (x.ndim - 3))
    shape = (*x.shape[:2], covariates.shape[1], *x.shape[3:])
    return np.concatenate([x, np.broadcast_to(columns, shape).astype(x.dtype)], axis=2)


def first(blocks: Iterable[np.ndarray], count: int) -> np.ndarray:
    """Return the first ``count`` trajectories of ``blocks``, or all if there are fewer."""
    found, held = [], 0
    for block in blocks:
        found.append(block)
        held += len(block)
        if held >= count:
            break
    return np.concatenate(found)[:count]
