"""The interface of every forecasting model: ``Core``, with the helpers that build one."""

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
    """A model that reads a sequence of normalised states and predicts the next one at each step.

        y = base + scale * readout(phi),   phi, state = features(x, state)

    ``base`` is x (``residual``) or 0. ``scale`` is the standard deviation of the normalised
    increments of each channel. ``readout`` is linear. x and y are (B, T, *shape), and ``y[:, k]``
    predicts ``x[:, k + 1]``. ``state`` is the memory of the core, opaque to the caller; None is an
    empty memory. A subclass defines ``features`` and ``readout``:

        core = Recurrent((3,), GRU(), hidden=64)
        y, state = core(x)                       # x, y: (B, T, 3)
        future, state = core.roll(y[:, -1:], state, steps=100)

    With a ``spread`` (sirve.cores.spread) a core predicts a distribution of mean y.

    Laws, tested for every core (tests/cores/test_laws.py): a whole sequence gives the same as its
    pieces with the state passed on; predictions are causal; members of a batch are independent. A
    core can be built under ``torch.device("meta")``, which takes no memory: the sizes of a
    checkpoint are compared with it before the weights are loaded.

    Args:
        shape: of a state: (C,) for a vector, (C, N) on a line, (C, H, W) for a frame.
        residual: predict the increment of x rather than x itself.
        covariates: number of further channels of x after those of ``shape``. They are given, never
            predicted: y repeats them.
    """

    readout: nn.Module
    scale: Tensor
    closed_form: bool = False  # True if only the readout is ever fitted
    feedback: bool = False  # True if features depend on the readout: no closed form can fit it
    search_grid: ClassVar[Mapping[str, Sequence[Any]]] = {}  # settings of ``init_weights`` to try
    search_noises: ClassVar[Sequence[float]] = (0.0,)  # standard deviations of input noise to try
    step: ClassVar[str | None] = None  # method of tensors that trainer.compile=true compiles

    def __init__(self, shape: tuple[int, ...], residual: bool = True, covariates: int = 0) -> None:
        super().__init__()
        self.shape, self.covariates = tuple(shape), covariates
        self.residual = residual
        self.spread: nn.Module | None = None
        self.register_buffer("scale", torch.ones(shape[0], *[1] * (len(shape) - 1)))

    def init_weights(self, seed: int, **setting: Any) -> None:
        """Set the weights that a closed form does not fit to random values, in place.

        Args:
            seed: of the random numbers.
            setting: how to sample them, such as ``spectral_radius``; none for a core without such
                weights.

        Raises:
            ValueError: a setting is not valid.
        """

    def fit_statistics(self, sequences: Iterable[Tensor]) -> None:
        """Fit statistics of the training states that the features need, in place.

        It is called before a closed form fits the readout. Most cores need no statistics.

        Args:
            sequences: normalised states with covariates, (B, T, C + covariates, *space) each.
        """

    @abstractmethod
    def features(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Return the features phi (B, T, F, *space) of the readout, and the state after x."""

    def read(self, x: Tensor, state: Any = None) -> Any:
        """Return the state after x, without a prediction."""
        return self.features(x, state)[1]

    def predicted(self, x: Tensor) -> Tensor:
        """Return the predicted channels of x: all but the covariates."""
        return x[:, :, : self.shape[0]] if self.covariates else x

    def with_covariates(self, predicted: Tensor, x: Tensor) -> Tensor:
        """Return predicted channels together with the covariates of x."""
        if not self.covariates:
            return predicted
        return torch.cat([predicted, x[:, :, self.shape[0] :]], dim=2)

    def base(self, x: Tensor) -> Tensor:
        """Return what the output of the readout is added to."""
        predicted = self.predicted(x)
        return predicted if self.residual else torch.zeros_like(predicted)

    def accepts_shape(self, shape: tuple[int, ...]) -> bool:
        """Return True if the core can read states of this shape."""
        return tuple(shape) == self.shape

    def mean(self, x: Tensor, phi: Tensor) -> Tensor:
        """Return the prediction y from x and its features."""
        base = self.base(x)
        y = base + self.scale * self.readout(phi.flatten(0, 1)).reshape(base.shape)
        return self.with_covariates(y, x)

    def forward(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Return the predictions y (B, T, *shape), and the state after x."""
        phi, state = self.features(x, state)
        return self.mean(x, phi), state

    def distribution(self, x: Tensor, state: Any = None) -> tuple[Tensor, Tensor, Any]:
        """Return the mean y, log_std (B, T, *shape), and the state after x.

        p(x_{t+1} | x_1 ... x_t) = N(y, (scale * exp(log_std))^2), with components that are
        independent given the past.
        """
        assert self.spread is not None, "this core has no spread"
        phi, state = self.features(x, state)
        return self.mean(x, phi), self.spread(phi, self.predicted(x).shape), state

    def roll(self, x: Tensor, state: Any, steps: int) -> tuple[Tensor, Any]:
        """Forecast by feeding the core its own output.

        A subclass may override it with a faster method that gives the same numbers.

        Args:
            x: the first input (B, 1, *shape).
            state: the memory before x.
            steps: number of predictions.

        Returns:
            The predictions (B, steps, *shape), and the state after the last input.
        """
        out = []
        for _ in range(steps):
            x, state = self(x, state)
            out.append(x)
        return torch.cat(out, dim=1), state


class AnySize(Core):
    """A core that reads neighbours only, so it accepts fields of other sizes."""

    def accepts_shape(self, shape: tuple[int, ...]) -> bool:
        return len(shape) == len(self.shape) and shape[0] == self.shape[0]


class Zero(nn.Module):
    """A readout with nothing to learn: it returns 0 for each feature."""

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
    """Return a matrix for vectors (``dims`` 0), or a convolution for fields with a boundary."""
    if dims == 0:
        return Matrix(inputs, outputs, bias)
    if boundary is None:
        raise ValueError("a field needs a boundary: neumann, dirichlet or periodic")
    return Convolution(inputs, outputs, kernel, dims, boundary, bias, symmetric)


def zeroed(module: M) -> M:
    """Set all parameters to 0: a residual core with such a readout is persistence."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module


def cells_per_channel(shape: tuple[int, ...], instead: str) -> int:
    """Return the number of cells of each channel, and warn if a vector core reads frames."""
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
    """Raise ValueError if states are vectors."""
    if len(shape) == 1:
        raise ValueError(
            f"a convolutional core needs frames, but a state has the shape {tuple(shape)}: "
            "take a vector core, model=rnn, lstm or gru"
        )


def require_kernels_fit(shape: tuple[int, ...], **kernels: int) -> None:
    """Raise ValueError for a kernel that reaches beyond the whole field."""
    for name, kernel in kernels.items():
        if kernel // 2 > min(shape[1:], default=kernel):
            raise ValueError(f"{name}={kernel} is wider than the field, {tuple(shape[1:])} cells")


def require_output(output: str) -> None:
    """Raise ValueError if ``output`` is neither "increment" nor "absolute"."""
    if output not in ("increment", "absolute"):
        raise ValueError(f'output="{output}" is unknown: take "increment" or "absolute"')


def require_positive(**values: int) -> None:
    """Raise ValueError for the first value that is not a positive whole number."""
    for name, value in values.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ValueError(f"{name}={value} must be a positive whole number")


def require_not_negative(**values: float) -> None:
    """Raise ValueError for the first value that is negative or not finite."""
    for name, value in values.items():
        if not 0 <= value < float("inf"):
            raise ValueError(f"{name}={value} must be zero or a positive number")
