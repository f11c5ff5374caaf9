"""The observation: the part of the physical state that a model is given."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sirve.data.cells import behind_bar, coarse, coarse_size
from sirve.data.dataset import SPLITS
from sirve.data.info import Info
from sirve.errors import UserError, nearest

Sample = Callable[[int], np.ndarray | None]
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
        """Observe ``clean`` (n, T, C, *space), the first trajectories of a split; see ``seen``."""
        rows = np.arange(len(clean))
        return self.seen(clean, std, rows, 0 * rows, clean.shape[1], split, seed)

    def seen(
        self,
        clean: np.ndarray,
        std: np.ndarray,
        rows: np.ndarray,
        starts: np.ndarray,
        states: int,
        split: str,
        seed: int,
    ) -> np.ndarray:
        """Return windows ``clean`` (B, length, C, *space) with noise, and NaN where hidden.

        ``std`` (C,) is of the clean channels; the other arguments are those of ``noise_of``.
        """
        noise = self.noise_of(rows, starts, clean.shape, states, split, seed)
        x = self.measured(clean, noise, std)
        hidden = self.hidden(rows, starts, clean.shape, split, seed)
        return x if hidden is None else np.where(hidden, x.dtype.type(np.nan), x)

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

    def hidden(
        self, rows: np.ndarray, starts: np.ndarray, shape: tuple[int, ...], split: str, seed: int
    ) -> np.ndarray | None:
        """Return which cells of windows (B, length, C, *space) are hidden, None if none is.

        The arguments are those of ``noise_of``. A hidden cell is stored as NaN in the training
        states: a model reads the training mean there, and no loss is taken.
        """
        return None

    @property
    def hides(self) -> bool:
        """Is true where a bar hides cells of the field."""
        return False

    def require_opens(self, context: int, info: Info, sample: Sample) -> None:
        """Raise UserError if what is hidden is hidden in all ``context`` states of a context.

        ``info`` describes the observed states; ``sample`` simulates a few physical trajectories of
        so many states (n, T, *shape), or returns None.
        """
        return

    def measured(self, clean: np.ndarray, noise: np.ndarray | None, std: np.ndarray) -> np.ndarray:
        """Add standard normal ``noise`` to ``clean``; ``std`` (C,) is of the clean channels."""
        if noise is None:
            return clean
        amplitude = self.noise * std.reshape(-1, *[1] * (clean.ndim - 3))
        return (clean + amplitude * noise).astype(clean.dtype)


@dataclass(frozen=True, kw_only=True)
class Channels(Observe):
    """Observation of some ``channels``, given by their names, or of all (None).

    Fields may be seen coarsely and behind a bar:

    - ``coarsen``: a seen cell stands for so many cells along each axis. ``coarsen_by`` is "mean",
      their mean, or "subsample", the first of them. The forecast is scored on the coarse field, in
      standard deviations of the coarse field, and so is the noise.
    - ``bar``: share of the width (the last axis) that a bar hides. It moves by ``bar_speed`` seen
      cells from one seen state to the next, leaves at one edge and comes back at the other, and
      starts at a place of its own in each trajectory. The forecast is scored on the whole field.
    """

    channels: Sequence[str] | None = None
    coarsen: int = 1
    coarsen_by: str = "mean"
    bar: float = 0.0
    bar_speed: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        names = self.channels
        if names is not None and (
            isinstance(names, str) or not all(isinstance(name, str) for name in names)
        ):
            raise ValueError(f"channels={names} must be a list of names, such as [x]")
        if type(self.coarsen) is not int or self.coarsen < 1:
            raise ValueError(f"coarsen={self.coarsen} must be a positive whole number of cells")
        if self.coarsen_by not in ("mean", "subsample"):
            raise ValueError(f'coarsen_by="{self.coarsen_by}" is unknown: give mean or subsample')
        if not 0 <= self.bar < 1:
            raise ValueError(f"bar={self.bar} is a share of the width: take 0 to below 1")
        if type(self.bar_speed) is not int or self.bar_speed < 1:
            raise ValueError(f"bar_speed={self.bar_speed} must be a positive whole number of cells")

    def clean(self, x: np.ndarray, info: Info) -> np.ndarray:
        names = info.channels if self.channels is None else self.channels
        x = x[:, :: self.stride, [info.channels.index(name) for name in names]]
        return x if self.coarsen == 1 else coarse(x, self.coarsen, self.coarsen_by)

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
            shape=(len(names), *self._cells(info)),
            channels=names,
            units=tuple(info.units[i] for i in index),
        )

    def _cells(self, info: Info) -> tuple[int, ...]:
        """Return the number of seen cells along each axis; raises UserError where it is none."""
        for key, value, off in (("coarsen", self.coarsen, 1), ("bar", self.bar, 0)):
            if value != off and len(info.shape) == 1:
                raise UserError(
                    f"observe.{key}={value} is for fields, and {info.name} is a vector; "
                    f"take observe.{key}={off}"
                )
        return coarse_size(info.shape[1:], self.coarsen)

    @property
    def hides(self) -> bool:
        return self.bar > 0

    def hidden(
        self, rows: np.ndarray, starts: np.ndarray, shape: tuple[int, ...], split: str, seed: int
    ) -> np.ndarray | None:
        if not self.hides:
            return None
        first = np.empty((len(rows), 1), int)
        for i, row in enumerate(rows.tolist()):
            key = np.random.SeedSequence(seed, spawn_key=(SPLITS.index(split), row, 2))
            first[i] = np.random.default_rng(key).integers(shape[-1])
        times = starts[:, None] + np.arange(shape[1])
        behind = behind_bar(first + self.bar_speed * times, self.bar, shape[-1])
        return behind.reshape(*shape[:2], *[1] * (len(shape) - 3), shape[-1])

    def require_opens(self, context: int, info: Info, sample: Sample) -> None:
        if not self.hides:
            return
        places = self.bar_speed * np.arange(context)
        if behind_bar(places, self.bar, info.shape[-1]).all(0).any():
            raise UserError(
                f"observe.bar={self.bar} hides a cell in all {context} states of sim.context; take "
                "a narrower bar, a larger observe.bar_speed or a longer sim.context"
            )
