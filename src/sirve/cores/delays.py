"""Cores whose memory is the last few states themselves."""

import torch
from torch import Tensor

from sirve.cores.base import Core, require_positive


class Delayed(Core):
    """Reads ``delays`` states side by side: x_t, x_{t - stride}, ..., x_{t - (delays - 1) stride}.

    Its memory is the states that lie that far back, (B, (delays - 1) stride, *shape), zero before
    the first one that was read; with one delay there is none.
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
        """Channels of what ``stack`` gives."""
        return self.delays * self.shape[0] + self.covariates

    def stack(self, x: Tensor, past: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """(B, T, inputs, *space), what is known once and last, and the past after x."""
        reach = (self.delays - 1) * self.stride
        if reach == 0:
            return x, past
        own, length = self.predicted(x), x.shape[1]
        if past is None:
            past = own.new_zeros(len(x), reach, *own.shape[2:])
        whole = torch.cat([past, own], dim=1)
        starts = range(reach, -1, -self.stride)
        parts = [whole[:, start : start + length] for start in starts]
        covariates = [x[:, :, self.shape[0] :]] if self.covariates else []
        return torch.cat(parts + covariates, dim=2), whole[:, length:]


def require_vector(name: str, shape: tuple[int, ...], instead: str) -> None:
    """Raise ValueError for frames."""
    if len(shape) > 1:
        raise ValueError(
            f"{name} reads vectors, but a state here has shape {tuple(shape)}: take {instead}"
        )
