"""What a model is allowed to see of the physical state."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sirve.data.dataset import SPLITS
from sirve.data.shards import Info
from sirve.errors import UserError, nearest

View = Callable[[np.ndarray], Any]  # from states (..., *shape) to a simulators.scene.Scene


@dataclass(frozen=True, kw_only=True)
class Observe(ABC):
    """Every ``stride``-th state, under Gaussian noise, and what ``parameters`` are known.

    ``noise`` is its standard deviation in units of each channel's own, over the clean training
    states. The noise of trajectory i is drawn once, from the data's seed, the split and i: a
    measurement, the same in every epoch. The truth that scores stays clean.

    Law: what is seen of a part of a trajectory is that part of what is seen of the whole.
    """

    stride: int = 1
    noise: float = 0.0
    parameters: Sequence[str] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.stride, int) or self.stride < 1:
            raise ValueError(f"stride={self.stride} must be a positive whole number")
        if not self.noise >= 0:
            raise ValueError(f"noise={self.noise} must not be negative")
        if isinstance(self.parameters, str):
            raise ValueError(f"parameters={self.parameters} must be a list of names, such as [rho]")

    @abstractmethod
    def clean(self, x: np.ndarray, info: Info) -> np.ndarray:
        """What is seen of x (n, T, *shape), without noise."""

    @abstractmethod
    def info(self, info: Info) -> Info:
        """What is seen, described; UserError for what the system does not have."""

    def of(self, scene: View | None) -> "Observe":
        """The same of a system that shows this scene, if any; raises UserError."""
        return self

    def _described(self, info: Info, **changes: Any) -> Info:
        for name in self.parameters:
            value = info.parameters.get(name)
            if not isinstance(value, int | float | dict) or isinstance(value, bool):
                raise UserError(
                    f"observe.parameters: {info.name} has no number '{name}'; "
                    + nearest(name, info.parameters)
                )
        return replace(
            info,
            dt=info.dt * self.stride,
            unit=info.dt * self.stride if info.time_unit == "step" else info.unit,
            covariates=tuple(self.parameters),
            **changes,
        )

    def covariates(self, parameters: Mapping[str, np.ndarray], count: int) -> np.ndarray:
        """Those that the model is given, of each of ``count`` trajectories: (count, K)."""
        columns = [parameters[name] for name in self.parameters]
        return np.stack(columns, axis=1) if columns else np.empty((count, 0))

    def noisy(self, clean: np.ndarray, std: np.ndarray, split: str, seed: int) -> np.ndarray:
        """``clean``, the first trajectories of a split, as measured."""
        rows = np.arange(len(clean))
        noise = self.noise_of(rows, 0 * rows, clean.shape, clean.shape[1], split, seed)
        return self.measured(clean, noise, std)

    def noise_of(
        self,
        rows: np.ndarray,
        starts: np.ndarray,
        shape: tuple[int, ...],
        states: int,
        split: str,
        seed: int,
    ) -> np.ndarray | None:
        """Standard normal numbers of windows ``shape``, (B, length, C, *space), None without noise.

        They are of the trajectories ``rows`` (B,), from the states ``starts`` (B,) of ``states``.
        """
        if self.noise == 0:
            return None
        noise = np.empty(shape)
        for part, row, start in zip(noise, rows.tolist(), starts.tolist(), strict=True):
            key = np.random.SeedSequence(seed, spawn_key=(SPLITS.index(split), row, 1))
            whole = np.random.default_rng(key).normal(size=(states, *shape[2:]))
            part[:] = whole[start : start + shape[1]]
        return noise

    def measured(self, clean: np.ndarray, noise: np.ndarray | None, std: np.ndarray) -> np.ndarray:
        """``clean`` with that noise; ``std`` (C,) is the deviation of each clean channel."""
        if noise is None:
            return clean
        amplitude = self.noise * std.reshape(-1, *[1] * (clean.ndim - 3))
        return (clean + amplitude * noise).astype(clean.dtype)


@dataclass(frozen=True, kw_only=True)
class Channels(Observe):
    """Some ``channels`` by their names, or all."""

    channels: Sequence[str] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        names = self.channels
        if names is not None and (
            isinstance(names, str) or not all(isinstance(name, str) for name in names)
        ):
            raise ValueError(f"channels={names} must be a list of names, such as [x]")

    def clean(self, x: np.ndarray, info: Info) -> np.ndarray:
        names = info.channels if self.channels is None else self.channels
        return x[:, :: self.stride, [info.channels.index(name) for name in names]]

    def info(self, info: Info) -> Info:
        names = info.channels if self.channels is None else tuple(self.channels)
        for name in names:
            if name not in info.channels:
                raise UserError(
                    f"observe.channels: {info.name} has no channel '{name}'; "
                    + nearest(name, info.channels)
                )
        if not names:
            raise UserError("observe.channels is empty; name at least one channel, or null for all")
        index = [info.channels.index(name) for name in names]
        return self._described(
            info,
            shape=(len(names), *info.shape[1:]),
            channels=names,
            units=tuple(info.units[i] for i in index),
        )
