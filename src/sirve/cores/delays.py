"""Cores whose memory is the last few states themselves."""

import torch
from torch import Tensor

from sirve.cores.base import Core, require_positive


class Delayed(Core):
    """A core that reads several past states: x_t, x_{t - stride}, ..., x_{t - (delays - 1) stride}.

    Its memory is the last states (B, (delays - 1) stride, *shape), zero before the first input.

    Args:
        shape: of a state.
        delays: number of states, including the present one; 1 is no memory.
        stride: steps between them.
        residual: predict the increment of x rather than x itself.
        covariates: number of further channels of x that are given and never predicted.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        delays: int = 1,
        stride: int = 1,
        residual: bool = True,
        covariates: int = 0,
    ) -> None:
        super().__init__(shape, residual, covariates)
        require_positive(delays=delays, stride=stride)
        self.delays, self.stride = delays, stride

    @property
    def inputs(self) -> int:
        """Number of channels that ``stack`` returns."""
        return self.delays * self.shape[0] + self.covariates

    def stack(self, x: Tensor, past: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Return stacked states (B, T, inputs, *space), covariates last, and the past after x."""
        reach = (self.delays - 1) * self.stride
        if reach == 0:
            return x, past
        present, length = self.predicted(x), x.shape[1]
        if past is None:
            past = present.new_zeros(len(x), reach, *present.shape[2:])
        whole = torch.cat([past, present], dim=1)
        starts = range(reach, -1, -self.stride)
        parts = [whole[:, start : start + length] for start in starts]
        covariates = [x[:, :, self.shape[0] :]] if self.covariates else []
        return torch.cat(parts + covariates, dim=2), whole[:, length:]


def require_vector(name: str, shape: tuple[int, ...], instead: str) -> None:
    """Raise ValueError if states are frames; ``instead`` names the models to take."""
    if len(shape) > 1:
        raise ValueError(
            f"{name} reads vectors, but a state has the shape {tuple(shape)}: take {instead}"
        )
