"""The contract of everything that forecasts."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn

from sirve.cores.lift import Boundary, Convolution, Lift, Matrix

M = TypeVar("M", bound=nn.Module)

log = logging.getLogger(__name__)


class Core(nn.Module, ABC):
    """Reads a sequence of normalised states and predicts, at each of them, the next one.

        y = base + scale * readout(phi),   phi, state = features(x, state)

    ``base`` is x (``residual``) or 0; ``scale`` is the standard deviation of the normalised
    increments of each channel; ``readout`` is linear. x and y are (B, T, *shape) and ``y[:, k]``
    predicts ``x[:, k + 1]``. ``state`` is the core's memory, opaque to the caller; None is blank.
    With a ``spread`` (sirve.cores.spread) it gives a distribution for the next state, of mean y.
    The last ``covariates`` channels of x, beyond those of ``shape``, are given and never predicted: y
    has them as they are.

    Laws (tests/cores/test_laws.py, over every member): a whole sequence equals its pieces with
    the state passed on; causal; batch members independent. It can be built without memory, under
    ``torch.device("meta")``: so a checkpoint's sizes are compared before any is taken.
    """

    readout: nn.Module
    scale: Tensor
    closed_form: bool = False  # whether nothing but the readout is ever fitted
    feedback: bool = False  # whether features depend on the readout: then no closed form finds it
    search_grid: ClassVar[
        Mapping[str, Sequence[Any]]
    ] = {}  # values worth trying of what ``init_weights`` takes
    search_noises: ClassVar[Sequence[float]] = (0.0,)  # ... and of noise on what is read

    def __init__(self, shape: tuple[int, ...], residual: bool = True, covariates: int = 0) -> None:
        super().__init__()
        self.shape, self.covariates = tuple(shape), covariates
        self.residual = residual
        self.spread: nn.Module | None = None
        self.register_buffer("scale", torch.ones(shape[0], *[1] * (len(shape) - 1)))

    def init_weights(self, seed: int, **setting: Any) -> None:
        """Draw at random what a closed form does not fit, in place; raises ValueError.

        A core that has no such weights takes no ``setting``.
        """

    def fit_statistics(self, sequences: Iterable[Tensor]) -> None:
        """Find in the training states what a closed form needs before its readout, in place.

        ``sequences`` (B, T, *shape + known), normalised. Most cores need nothing of them.
        """

    @abstractmethod
    def features(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """phi (B, T, F, *space) and the state after x."""

    def read(self, x: Tensor, state: Any = None) -> Any:
        """The state after x, where nothing is to be predicted."""
        return self.features(x, state)[1]

    def predicted(self, x: Tensor) -> Tensor:
        """The channels that are predicted."""
        return x[:, :, : self.shape[0]] if self.covariates else x

    def with_covariates(self, predicted: Tensor, x: Tensor) -> Tensor:
        """``own`` with the known channels of x."""
        if not self.covariates:
            return predicted
        return torch.cat([predicted, x[:, :, self.shape[0] :]], dim=2)

    def base(self, x: Tensor) -> Tensor:
        """What the readout's output is added to."""
        own = self.predicted(x)
        return own if self.residual else torch.zeros_like(own)

    def accepts_shape(self, shape: tuple[int, ...]) -> bool:
        """Whether it can read states of another shape than those it was made for."""
        return tuple(shape) == self.shape

    def mean(self, x: Tensor, phi: Tensor) -> Tensor:
        """y from x and its features."""
        base = self.base(x)
        y = base + self.scale * self.readout(phi.flatten(0, 1)).reshape(base.shape)
        return self.with_covariates(y, x)

    def forward(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        phi, state = self.features(x, state)
        return self.mean(x, phi), state

    def distribution(self, x: Tensor, state: Any = None) -> tuple[Tensor, Tensor, Any]:
        """y, the log of the deviation of what is predicted in units of ``scale``, the state.

        p(x_{t+1} | x_1 ... x_t) = N(y, (scale * exp(log_deviation))^2), components independent
        given the past. The log deviation is (B, T, *shape).
        """
        assert self.spread is not None, "this core has no spread"
        phi, state = self.features(x, state)
        return self.mean(x, phi), self.spread(phi, self.predicted(x).shape), state

    def roll(self, x: Tensor, state: Any, steps: int) -> tuple[Tensor, Any]:
        """Its own output fed back from x (B, 1, *shape) on: (B, steps, *shape), the state after.

        A core that can do this sooner, to the same numbers, has a ``roll`` of its own.
        """
        out = []
        for _ in range(steps):
            x, state = self(x, state)
            out.append(x)
        return torch.cat(out, dim=1), state


class AnySize(Core):
    """A core that looks at neighbours only, so that fields of other sizes suit it as well."""

    def accepts_shape(self, shape: tuple[int, ...]) -> bool:
        return len(shape) == len(self.shape) and shape[0] == self.shape[0]


class Zero(nn.Module):
    """The readout of a core that has nothing to learn: 0 for each of ``phi``'s entries."""

    def forward(self, phi: Tensor) -> Tensor:
        return torch.zeros_like(phi)


def make_lift(
    inputs: int,
    outputs: int,
    dims: int,
    kernel: int,
    boundary: Boundary | None,
    bias: bool = True,
    symmetric: bool = False,
) -> Lift:
    """A matrix for vectors (``dims`` 0), a convolution that matches the walls for fields."""
    if dims == 0:
        return Matrix(inputs, outputs, bias)
    if boundary is None:
        raise ValueError("a field needs a boundary: neumann, dirichlet or periodic")
    return Convolution(inputs, outputs, kernel, dims, boundary, bias, symmetric)


def zeroed(module: M) -> M:
    """The same, all its parameters 0: a residual core with such a readout is persistence."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module


def flattened(shape: tuple[int, ...], instead: str) -> int:
    """Cells of each channel, to a core that reads all of them as one vector: it warns of frames."""
    if len(shape) > 1:
        log.warning(
            "a vector core reads frames of shape %s flattened to %d numbers: it does not know "
            "which cells are neighbours (%s does)",
            tuple(shape),
            prod(shape),
            instead,
        )
    return prod(shape[1:])


def require_frames(shape: tuple[int, ...]) -> None:
    """Raise ValueError for vectors."""
    if len(shape) == 1:
        raise ValueError(
            f"a convolutional core needs frames, but a state here has shape {tuple(shape)}: "
            "take a vector core, model=rnn, lstm or gru"
        )


def require_fits(shape: tuple[int, ...], **kernels: int) -> None:
    """Raise ValueError for a kernel that reaches over a whole field and beyond."""
    for name, kernel in kernels.items():
        if kernel // 2 > min(shape[1:], default=kernel):
            raise ValueError(f"{name}={kernel} is wider than the field, {tuple(shape[1:])} cells")


def require_positive(**values: int) -> None:
    """Raise ValueError for the first value that is not a positive whole number."""
    for name, value in values.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ValueError(f"{name}={value} must be a positive whole number")


def require_not_negative(**values: float) -> None:
    """Raise ValueError for the first value that is negative or no number."""
    for name, value in values.items():
        if not 0 <= value < float("inf"):
            raise ValueError(f"{name}={value} must be a number, not negative")
