"""Cores of fields whose memory is the last frames, whatever network reads them."""

from abc import abstractmethod

import torch
from torch import Tensor

from sirve.cores.base import AnySize
from sirve.cores.cells import State


class Stacked(AnySize):
    """y = x + scale * readout(maps(x_t, ..., x_{t - frames + 1})): memory is what was seen.

    ``frames`` 1 has none. Earlier frames are read as increments over their scale; before the
    first frame the field was at rest.
    """

    frames: int

    @property
    def inputs(self) -> int:
        """Channels that are stacked."""
        return self.frames * self.shape[0] + self.covariates

    @abstractmethod
    def maps(self, stack: Tensor) -> Tensor:
        """phi (N, F, *space) of stacked frames (N, inputs, *space)."""

    def read(self, x: Tensor, state: State | None = None) -> State:
        return self._seen(x, state)[:, x.shape[1] :], begun(x)

    def features(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        seen, length = self._seen(x, state), x.shape[1]
        steps = seen.diff(dim=1) / self.scale
        stack = [x] + [steps[:, k : k + length] for k in range(self.frames - 1)]
        phi = self.maps(torch.cat(stack, dim=2).flatten(0, 1)).unflatten(0, x.shape[:2])
        return phi, (seen[:, length:], begun(x))

    def _seen(self, x: Tensor, state: State | None) -> Tensor:
        """The ``frames`` - 1 frames before x, and x: (B, frames - 1 + T, C, *space)."""
        own = self.predicted(x)
        before = own[:, :1].expand(-1, self.frames - 1, *own.shape[2:])
        if state is not None:
            before = where_begun(state, before)
        return torch.cat([before, own], dim=1)


def begun(x: Tensor) -> Tensor:
    """1 for each of the batch: what tells a state from a blank one, which is all zeros."""
    return x.new_ones(x.shape[0], 1)


def where_begun(state: State, blank: Tensor) -> Tensor:
    """``state[0]`` where ``state[1]`` says so, else what is there before the first frame."""
    remembered, since = state
    return torch.where(since.reshape(-1, *[1] * (blank.ndim - 1)) > 0, remembered, blank)
