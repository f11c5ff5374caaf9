"""The baselines persistence, means of the training set and the context, and linear regression."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from sirve.cores.base import (
    AnySize,
    Core,
    Zero,
    make_lift,
    require_kernels_fit,
    require_positive,
    zeroed,
)
from sirve.cores.delays import Delayed
from sirve.cores.lift import Boundary


class Memoryless(AnySize):
    """A core whose features are the state itself."""

    def features(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        return self.predicted(x), state


class Persistence(Memoryless):
    """Persistence: the next state is the present one, y = x."""

    def __init__(self, shape: tuple[int, ...], covariates: int = 0) -> None:
        super().__init__(shape, residual=True, covariates=covariates)
        self.readout = Zero()


class Climatology(Memoryless):
    """Climatology: the next state is the training mean, y = 0 in normalised units."""

    def __init__(self, shape: tuple[int, ...], covariates: int = 0) -> None:
        super().__init__(shape, residual=False, covariates=covariates)
        self.readout = Zero()


class MeanState(Core):
    """Mean training state: the next state is, in each cell, the mean over the training set.

        y_t = mean over all training trajectories and times of X

    For vectors it is climatology. For fields and films climatology is one number for each channel,
    and this is a picture: what never moves, such as a wall or the ground, is right in it.

    Args:
        shape: of a state.
        covariates: number of further channels of x, which are not read.
    """

    state: Tensor

    def __init__(self, shape: tuple[int, ...], covariates: int = 0) -> None:
        super().__init__(shape, residual=False, covariates=covariates)
        self.readout = nn.Identity()
        self.register_buffer("state", torch.zeros(shape))

    @torch.no_grad()
    def fit_statistics(self, sequences: Iterable[Tensor]) -> None:
        total, count = torch.zeros_like(self.state, dtype=torch.float64), 0
        for x in sequences:
            total += self.predicted(x).double().sum((0, 1))
            count += x.shape[0] * x.shape[1]
        self.state.copy_(total / count)

    def features(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        return (self.state / self.scale).expand_as(self.predicted(x)), state


class ContextMean(AnySize):
    """Mean of the context: the next state is the mean of those observed so far.

        y_t = mean(x_0, ..., x_t)

    In a free rollout it reads its own mean and so keeps it. The memory is the mean and the number
    of states.
    """

    def __init__(self, shape: tuple[int, ...], covariates: int = 0) -> None:
        super().__init__(shape, residual=False, covariates=covariates)
        self.readout = nn.Identity()

    def features(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        observed = self.predicted(x)
        if state is None:
            state = torch.zeros_like(observed[:, 0]), x.new_zeros(len(x), 1)
        mean, count = state
        counts = count + torch.arange(1, x.shape[1] + 1, device=x.device)
        off = (observed - mean[:, None]).cumsum(1)
        means = mean[:, None] + off / counts.reshape(*counts.shape, *[1] * len(self.shape))
        return means / self.scale, (means[:, -1], counts[:, -1:])


class Linear(Delayed, AnySize):
    """Linear regression on the last states, for vectors and fields, in closed form.

        y = x + A z + b

    z is the last ``delays`` states, and A a matrix, or on fields a convolution.

    Args:
        shape: of a state.
        boundary: of a field, "neumann", "dirichlet" or "periodic".
        kernel: width of the convolution, in cells.
        symmetric: the convolution is invariant under turns and mirrors.
        delays: number of states, including the present one.
        stride: steps between them.
        covariates: number of further channels of x that are given and never predicted.

    Raises:
        ValueError: a number is not positive.
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
        require_kernels_fit(shape, kernel=kernel)
        dims = len(shape) - 1
        lift = make_lift(self.inputs, shape[0], dims, kernel, boundary, symmetric=symmetric)
        self.readout = zeroed(lift)

    def features(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        return self.stack(x, state)
