"""What a model sees of the training trajectories: held in memory, or read from the shards."""

import os
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from math import prod

import numpy as np
import torch
from torch import Tensor

from sirve.data.dataset import Dataset
from sirve.data.observe import Observe
from sirve.data.shards import dtype_of, places
from sirve.errors import UserError

OPEN = 128  # shards at once


class States(ABC):
    """Trajectories (n, T, *shape) of training.

    Law: held or stored, the same windows and the same blocks, bit for bit.
    """

    shape: tuple[int, ...]

    @abstractmethod
    def windows(self, trajectory: Tensor, start: Tensor, length: int) -> Tensor:
        """(B, length, *shape), one from each trajectory (B,) and its first state (B,)."""

    @abstractmethod
    def blocks(self) -> Iterator[np.ndarray]:
        """All of it, a few trajectories at a time."""

    def to(self, device: torch.device) -> "States":
        """On the training device, where that is worth it."""
        return self

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")


class Held(States):
    """In memory, as one tensor: a batch is one gather."""

    def __init__(self, x: Tensor, block: int = 16) -> None:
        self.x, self.shape, self.block = x, tuple(x.shape), block

    def windows(self, trajectory: Tensor, start: Tensor, length: int) -> Tensor:
        steps = torch.arange(length, device=self.x.device)
        return self.x[trajectory[:, None], start[:, None] + steps]

    def blocks(self) -> Iterator[np.ndarray]:
        for part in self.x.split(self.block):
            yield part.cpu().numpy()

    def to(self, device: torch.device) -> "Held":
        """Where it takes at most half of what is free, else it stays."""
        if device.type == "cuda" and self.x.nbytes > torch.cuda.mem_get_info(device)[0] / 2:
            return self
        return Held(self.x.to(device), self.block)

    @property
    def device(self) -> torch.device:
        return self.x.device


class Stored(States):
    """On disk: a window is one read a channel, at its place in the shard. Memory does not grow."""

    def __init__(
        self, dataset: Dataset, count: int, observe: Observe, std: np.ndarray, seed: int
    ) -> None:
        self.dataset, self.count, self.observe = dataset, count, observe
        self.std, self.seed = std, seed
        self.covariates = observe.covariates(dataset.parameters("train", count), count)
        self.paths = [path for path, _ in dataset.files("train", count)]
        self.raw = places(self.paths[0], dataset.info)[0].shape[1]
        seen = observe.info(dataset.info)
        channels = len(seen.channels) + len(seen.covariates)
        states = len(range(0, self.raw, observe.stride))
        self.shape = (count, states, channels, *seen.shape[1:])
        self._shards: OrderedDict[int, tuple[int, list[int]]] = OrderedDict()

    def windows(self, trajectory: Tensor, start: Tensor, length: int) -> Tensor:
        rows, starts = trajectory.numpy(), start.numpy()
        stride = self.observe.stride
        raw = self._read(rows.tolist(), (starts * stride).tolist(), (length - 1) * stride + 1)
        clean = self.observe.clean(raw, self.dataset.info)
        return torch.as_tensor(self._seen(clean, rows, starts))

    def blocks(self) -> Iterator[np.ndarray]:
        first = 0
        for x in self.dataset.blocks("train", self.count):
            rows = np.arange(first, first + len(x))
            yield self._seen(self.observe.clean(x, self.dataset.info), rows, 0 * rows)
            first += len(x)

    def _seen(self, clean: np.ndarray, rows: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """States as the model sees them, of these trajectories and from these states on."""
        noise = self.observe.noise_of(rows, starts, clean.shape, self.shape[1], "train", self.seed)
        measured = self.observe.measured(clean, noise, self.std)
        return with_covariates(measured, self.covariates[rows])

    def _read(self, rows: list[int], starts: list[int], length: int) -> np.ndarray:
        """States (B, length, *shape) as they are stored."""
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
        """An open file, and where each channel begins in it."""
        if number not in self._shards:
            if len(self._shards) == OPEN:
                os.close(self._shards.popitem(last=False)[1][0])
            offsets = [place.offset for place in places(self.paths[number], self.dataset.info)]
            # pread has no position of its own: a process that forks may go on reading.
            opened = os.open(self.paths[number], os.O_RDONLY | os.O_CLOEXEC)
            self._shards[number] = (opened, offsets)
        self._shards.move_to_end(number)
        return self._shards[number]

    def close(self) -> None:
        """Let go of the shards."""
        while self._shards:
            os.close(self._shards.popitem()[1][0])


def with_covariates(x: np.ndarray, covariates: np.ndarray) -> np.ndarray:
    """x (n, T, C, *space) with the known parameters (n, K) as further, constant channels."""
    if covariates.shape[1] == 0:
        return x
    columns = covariates.reshape(len(covariates), 1, covariates.shape[1], *[1] * (x.ndim - 3))
    shape = (*x.shape[:2], covariates.shape[1], *x.shape[3:])
    return np.concatenate([x, np.broadcast_to(columns, shape).astype(x.dtype)], axis=2)


def first(blocks: Iterable[np.ndarray], count: int) -> np.ndarray:
    """The first ``count`` trajectories of ``blocks``, or all there are."""
    found, held = [], 0
    for block in blocks:
        found.append(block)
        held += len(block)
        if held >= count:
            break
    return np.concatenate(found)[:count]
