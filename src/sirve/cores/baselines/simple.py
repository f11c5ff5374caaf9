"""The baselines, by the same contract as the networks: no gradient, no memory but of states."""

from typing import Any

import torch
from torch import Tensor, nn

from sirve.cores.base import AnySize, Zero, make_lift, require_fits, require_positive, zeroed
from sirve.cores.delays import Delayed
from sirve.cores.lift import Boundary


class Memoryless(AnySize):
    """A core whose features are the state itself."""

    def features(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        return self.predicted(x), state


class Persistence(Memoryless):
    """Tomorrow is as today: y = x."""

    def __init__(self, shape: tuple[int, ...], covariates: int = 0) -> None:
        super().__init__(shape, residual=True, covariates=covariates)
        self.readout = Zero()


class Climatology(Memoryless):
    """Tomorrow is as the average day: y = the training mean, 0 in normalised units."""

    def __init__(self, shape: tuple[int, ...], covariates: int = 0) -> None:
        super().__init__(shape, residual=False, covariates=covariates)
        self.readout = Zero()


class ContextMean(AnySize):
    """Tomorrow is as the days that were seen: y_t = the mean of x_0, ..., x_t.

    Free steps read that mean, and so keep it. The memory is the mean and how many it is of.
    """

    def __init__(self, shape: tuple[int, ...], covariates: int = 0) -> None:
        super().__init__(shape, residual=False, covariates=covariates)
        self.readout = nn.Identity()

    def features(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        own = self.predicted(x)
        if state is None:
            state = torch.zeros_like(own[:, 0]), x.new_zeros(len(x), 1)
        mean, count = state
        counts = count + torch.arange(1, x.shape[1] + 1, device=x.device)
        off = (own - mean[:, None]).cumsum(1)
        means = mean[:, None] + off / counts.reshape(*counts.shape, *[1] * len(self.shape))
        return means / self.scale, (means[:, -1], counts[:, -1:])


class Linear(Delayed, AnySize):
    """y = x + A z + b by least squares in closed form: a matrix, or on fields a convolution.

    z is the last ``delays`` states, ``stride`` apart. ``kernel`` is the width of that
    convolution; ``symmetric``: it looks the same turned and mirrored.
    """

    closed_form = True

    def __init__(
        self,
        shape: tuple[int, ...],
        boundary: Boundary | None = None,
        kernel: int = 3,
        symmetric: bool = False,
        delays: int = 1,
        stride: int = 1,
        covariates: int = 0,
    ) -> None:
        super().__init__(shape, delays, stride, covariates=covariates)
        require_positive(kernel=kernel)
        require_fits(shape, kernel=kernel)
        dims = len(shape) - 1
        lift = make_lift(self.inputs, shape[0], dims, kernel, boundary, symmetric=symmetric)
        self.readout = zeroed(lift)

    def features(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        return self.stack(x, state)
