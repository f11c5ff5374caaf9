"""The observation: the part of the physical state that a model is given."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sirve.data.dataset import SPLITS
from sirve.data.info import Info
from sirve.errors import UserError, nearest

View = Callable[[np.ndarray], Any]  # maps states (..., *shape) to a simulators.scene.Scene


@dataclass(frozen=True, kw_only=True)
class Observe(ABC):
    """An observation: every ``stride``-th state with Gaussian noise, and some known parameters.

    ``noise`` is the standard deviation of the noise divided by that of the channel over the clean
    training states. The noise of trajectory i is a function of the data's seed, the split and i,
    so it is the same in every epoch, like a measurement. Scores compare with the clean states.
    ``parameters`` are names of system parameters that the model is given as covariates.

    Law: observing a part of a trajectory gives that part of the observed trajectory.
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
        """Return the observed states of x (n, T, *shape), without noise."""

    @abstractmethod
    def info(self, info: Info) -> Info:
        """Describe the observed states; raises UserError for what the system does not have."""

    def of(self, scene: View | None) -> "Observe":
        """Return the observation of a system with this scene, if any; raises UserError."""
        return self

    def _describe(self, info: Info, **changes: Any) -> Info:
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
        """Return the covariates of ``count`` trajectories, (count, K)."""
        columns = [parameters[name] for name in self.parameters]
        return np.stack(columns, axis=1) if columns else np.empty((count, 0))

    def noisy(self, clean: np.ndarray, std: np.ndarray, split: str, seed: int) -> np.ndarray:
        """Add noise to ``clean`` (n, T, C, *space), the first trajectories of a split."""
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
        """Return standard normal numbers (B, length, C, *space) for windows, None without noise.

        Window b is cut from trajectory ``rows[b]`` of ``states`` states, from state ``starts[b]``
        on. ``shape`` is that of the result.
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
        """Add standard normal ``noise`` to ``clean``; ``std`` (C,) is of the clean channels."""
        if noise is None:
            return clean
        amplitude = self.noise * std.reshape(-1, *[1] * (clean.ndim - 3))
        return (clean + amplitude * noise).astype(clean.dtype)


@dataclass(frozen=True, kw_only=True)
class Channels(Observe):
    """Observation of some ``channels``, given by their names, or of all (None)."""

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
        return self._describe(
            info,
            shape=(len(names), *info.shape[1:]),
            channels=names,
            units=tuple(info.units[i] for i in index),
        )
