"""Cores of fields that read the last few frames, with any network."""

from abc import abstractmethod

import torch
from torch import Tensor

from sirve.cores.base import AnySize
from sirve.cores.cells import State


class Stacked(AnySize):
    """A core of fields whose memory is the last frames.

        y = x + scale * readout(maps(x_t, ..., x_{t - frames + 1}))

    Earlier frames are read as increments divided by their scale. Before the first frame the field
    is taken to be at rest. A subclass defines ``maps``.
    """

    step = "maps"
    frames: int  # including the present one; 1 is no memory

    @property
    def inputs(self) -> int:
        """Number of channels of the stacked frames."""
        return self.frames * self.shape[0] + self.covariates

    @abstractmethod
    def maps(self, stack: Tensor) -> Tensor:
        """Return the features phi (N, F, *space) of stacked frames (N, inputs, *space)."""

    def read(self, x: Tensor, state: State | None = None) -> State:
        return self._history(x, state)[:, x.shape[1] :], mark_of(x)

    def features(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        history, length = self._history(x, state), x.shape[1]
        steps = history.diff(dim=1) / self.scale
        stack = [x] + [steps[:, k : k + length] for k in range(self.frames - 1)]
        phi = self.maps(torch.cat(stack, dim=2).flatten(0, 1)).unflatten(0, x.shape[:2])
        return phi, (history[:, length:], mark_of(x))

    def _history(self, x: Tensor, state: State | None) -> Tensor:
        """Return the ``frames`` - 1 frames before x, then x: (B, frames - 1 + T, C, *space)."""
        present = self.predicted(x)
        before = present[:, :1].expand(-1, self.frames - 1, *present.shape[2:])
        if state is not None:
            before = where_marked(state, before)
        return torch.cat([before, present], dim=1)


def mark_of(x: Tensor) -> Tensor:
    """Return the mark (B, 1) of ones of a state that is not empty; an empty state is all zeros."""
    return x.new_ones(x.shape[0], 1)


def where_marked(state: State, blank: Tensor) -> Tensor:
    """Return ``state[0]`` where the mark ``state[1]`` is set, else ``blank``."""
    remembered, mark = state
    return torch.where(mark.reshape(-1, *[1] * (blank.ndim - 1)) > 0, remembered, blank)
