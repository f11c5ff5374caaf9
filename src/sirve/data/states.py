"""What a model sees of the training trajectories: held in memory, or read from the shards."""

import os
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sirve.data.dataset import Dataset
from sirve.data.observe import Observe
from sirve.data.shards import Place, places
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
        self.known = observe.known(dataset.parameters("train", count))
        self.paths = [path for path, _ in dataset.files("train", count)]
        self.raw = places(self.paths[0], dataset.info)[0].shape[1]
        seen = observe.info(dataset.info)
        channels = len(seen.channels) + len(seen.known)
        states = len(range(0, self.raw, observe.stride))
        self.shape = (count, states, channels, *seen.shape[1:])
        self._shards: OrderedDict[Path, tuple[int, list[Place]]] = OrderedDict()

    def windows(self, trajectory: Tensor, start: Tensor, length: int) -> Tensor:
        pairs = zip(trajectory.tolist(), start.tolist(), strict=True)
        return torch.as_tensor(np.stack([self._window(i, t, length) for i, t in pairs]))

    def blocks(self) -> Iterator[np.ndarray]:
        first = 0
        for x in self.dataset.blocks("train", self.count):
            yield self._seen(self.observe.clean(x, self.dataset.info), first)
            first += len(x)

    def _window(self, trajectory: int, start: int, length: int) -> np.ndarray:
        stride = self.observe.stride
        raw = self._read(trajectory, start * stride, (length - 1) * stride + 1)
        return self._seen(self.observe.clean(raw[None], self.dataset.info), trajectory, start)[0]

    def _seen(self, clean: np.ndarray, first: int, start: int = 0) -> np.ndarray:
        noisy = self.observe.noisy(clean, self.std, "train", self.seed, first, start, self.shape[1])
        return with_known(noisy, self.known[first : first + len(clean)])

    def _read(self, trajectory: int, start: int, length: int) -> np.ndarray:
        """States (length, *shape) as they are stored."""
        number, row = divmod(trajectory, self.dataset.manifest.block)
        descriptor, fields = self._shard(self.paths[number])
        space = fields[0].shape[2:]
        x = np.empty((len(fields), length, *space), fields[0].dtype)
        state = int(np.prod(space, dtype=int)) * x.itemsize
        for part, place in zip(x, fields, strict=True):
            offset = place.offset + (row * self.raw + start) * state
            if os.preadv(descriptor, [part.data.cast("B")], offset) != part.nbytes:
                raise UserError(f"{self.paths[number]} has become shorter; run the command again")
        return x.swapaxes(0, 1)

    def _shard(self, path: Path) -> tuple[int, list[Place]]:
        if path in self._shards:
            self._shards.move_to_end(path)
            return self._shards[path]
        if len(self._shards) == OPEN:
            os.close(self._shards.popitem(last=False)[1][0])
        found = places(path, self.dataset.info)
        # pread has no position of its own: a process that forks may go on reading.
        self._shards[path] = (os.open(path, os.O_RDONLY | os.O_CLOEXEC), found)
        return self._shards[path]

    def close(self) -> None:
        """Let go of the shards."""
        while self._shards:
            os.close(self._shards.popitem()[1][0])


def with_known(x: np.ndarray, known: np.ndarray) -> np.ndarray:
    """x (n, T, C, *space) with the known parameters (n, K) as further, constant channels."""
    if known.shape[1] == 0:
        return x
    columns = known.reshape(len(known), 1, known.shape[1], *[1] * (x.ndim - 3))
    shape = (*x.shape[:2], known.shape[1], *x.shape[3:])
    return np.concatenate([x, np.broadcast_to(columns, shape).astype(x.dtype)], axis=2)
