"""The methods that move recurrent weights: Levenberg-Marquardt for small cores, else SOAP."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

import pytorch_optimizer
import torch
from torch import Tensor, nn

from sirve.cores import Core
from sirve.cores.base import require_positive
from sirve.errors import UserError, one_line
from sirve.training.fits import Fit, ReadoutSearch
from sirve.training.varpro.problem import Batch, layer_of, put
from sirve.training.varpro.separable import LevenbergMarquardt, solve

LARGEST = 4096  # weights that Levenberg-Marquardt moves: its matrix has their square


class Mover(ABC):
    """Moves the weights of one core, a batch of windows at a time."""

    @abstractmethod
    def move(self, problem: Batch, step: int) -> float:
        """Update the weights in place. Returns the mean squared residual before the update."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Return what it remembers from update to update, in plain types."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what ``state_dict`` returned."""


@dataclass(frozen=True)
class VarPro(Fit):
    """Trains recurrent weights with the readout solved for at every update.

        min over theta of min over V of || phi(theta) V' - (x_next - base) / scale ||^2

    Args:
        trainable: "all" recurrent weights, or "inputs", W and its bias alone.
        input_scaling, spectral_radius, time_scale: of the initial random weights, see
            ``sirve.cores.reservoir``.
        updates: budget of training.
        batch: windows in an update.
        washout: states of a window that only warm the memory.
        scored: states of a window that count; their outputs should be several times more than
            the trainable weights.
        ridge: of the solve, on squared singular values of columns of length 1.
        validations: how often the validation set is forecast, evenly spread; the best weights
            are kept.
        readout_size: whole trajectories to which the readout is fitted for a validation.
        readout: the final fit of the readout, on all trajectories.

    Source: G. Golub, V. Pereyra, SIAM J. Numer. Anal. 10 (1973); their review, Inverse Problems 19
    (2003).
    """

    kind: ClassVar[str] = "varpro"
    trainable: str = "all"
    input_scaling: float = 0.03
    spectral_radius: float = 0.1
    time_scale: Sequence[float] = (1.1, 1.1)
    updates: int = 100
    batch: int = 1024
    washout: int = 12
    scored: int = 2
    ridge: float = 1e-26
    validations: int = 10
    readout_size: int = 64
    readout: ReadoutSearch = field(default_factory=ReadoutSearch)
    hidden: int = 64
    readout_kernel: int = 3

    def __post_init__(self) -> None:
        if self.trainable not in ("all", "inputs"):
            raise ValueError(f'trainable="{self.trainable}" is unknown: take "all" or "inputs"')
        for name in ("updates", "batch", "washout", "scored", "validations", "readout_size"):
            require_positive(**{name: getattr(self, name)})
        if self.validations > self.updates:
            raise ValueError(
                f"validations={self.validations} must be at most updates={self.updates}"
            )
        if not 0 <= self.ridge < float("inf"):
            raise ValueError(f"ridge={self.ridge} must not be negative")

    @property
    def length(self) -> int:
        """Number of states in a window."""
        return self.washout + self.scored + 1

    def require_suits(self, core: Core) -> None:
        try:
            self.mover(self.weights(core))
            self.init_weights(core, 0)
        except ValueError as error:
            raise UserError(f"fit=varpro: {one_line(str(error))}") from error

    def init_weights(self, core: Core, seed: int) -> None:
        """Set the initial weights in place; raise ValueError for numbers out of range."""
        core.init_weights(
            seed,
            input_scaling=self.input_scaling,
            spectral_radius=self.spectral_radius,
            time_scale=self.time_scale,
        )

    def weights(self, core: Core) -> list[nn.Parameter]:
        """Return the trainable weights of ``core``; raise ValueError for a core without any."""
        layer = layer_of(core)
        return list((layer.w if self.trainable == "inputs" else layer).parameters())

    def problem(self, core: Core, x: Tensor) -> Batch:
        """Return the least-squares problem of normalised windows x (batch, length, C)."""
        return Batch(core, x, self.weights(core), self.washout)

    @abstractmethod
    def mover(self, weights: Sequence[nn.Parameter]) -> Mover:
        """Return the method that moves the weights; raise ValueError where they are too many."""


@dataclass(frozen=True)
class LM(VarPro):
    """Variable projection by Levenberg-Marquardt with Kaufman's Jacobian.

    The Jacobian looks back ``reach`` steps; ``damping`` is that of the first update, see
    ``LevenbergMarquardt``.
    """

    trainable: str = "inputs"
    reach: int = 6
    damping: float = 1e-4

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(reach=self.reach)
        if self.reach > self.washout + 1:
            raise ValueError(f"reach={self.reach} must be at most washout + 1, {self.washout + 1}")
        if not 0 < self.damping < float("inf"):
            raise ValueError(f"damping={self.damping} must be positive")

    def problem(self, core: Core, x: Tensor) -> Batch:
        return Batch(core, x, self.weights(core), self.washout, self.reach)

    def mover(self, weights: Sequence[nn.Parameter]) -> Mover:
        count = sum(w.numel() for w in weights)
        if count > LARGEST:
            raise ValueError(
                f"trainable={self.trainable} are {count} weights, and Levenberg-Marquardt takes at "
                f"most {LARGEST}: give trainable=inputs, fewer units, or fit=varpro_soap"
            )
        return _Damped(weights, self)


class _Damped(Mover):
    def __init__(self, weights: Sequence[nn.Parameter], plan: LM) -> None:
        self.weights = weights
        self.method = LevenbergMarquardt(plan.ridge, plan.damping)

    def move(self, problem: Batch, step: int) -> float:
        theta = nn.utils.parameters_to_vector(self.weights).detach()
        theta, before = self.method.step(problem, theta)
        put(theta, self.weights)
        return before

    def state_dict(self) -> dict[str, Any]:
        return asdict(self.method)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.method = LevenbergMarquardt(**state)


@dataclass(frozen=True)
class SOAP(VarPro):
    """Variable projection by SOAP on the logarithm of the projected functional.

    The gradient goes through whole windows, but not through the solve: at the best V its
    derivative is zero. The logarithm keeps the size of the updates however small the error has
    become, where Adam's epsilon would stop them. The learning rate is ``lr`` after ``warmup``
    updates, then a cosine to zero.

    Source: N. Vyas et al., SOAP, ICLR 2025.
    """

    updates: int = 1500
    batch: int = 256
    scored: int = 4
    lr: float = 1e-2
    warmup: int = 50
    beta: float = 0.95

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(warmup=self.warmup)
        if not 0 < self.lr < float("inf"):
            raise ValueError(f"lr={self.lr} must be positive")

    def mover(self, weights: Sequence[nn.Parameter]) -> Mover:
        return _Soap(weights, self)

    def rate(self, step: int) -> float:
        """Return the learning rate of an update."""
        warm = min(1.0, (step + 1) / self.warmup)
        return self.lr * warm * 0.5 * (1 + math.cos(math.pi * step / self.updates))


class _Soap(Mover):
    def __init__(self, weights: Sequence[nn.Parameter], plan: SOAP) -> None:
        self.weights, self.plan = weights, plan
        self.optimizer = pytorch_optimizer.SOAP(
            weights, lr=plan.lr, betas=(plan.beta, plan.beta), weight_decay=0.0
        )

    def move(self, problem: Batch, step: int) -> float:
        for group in self.optimizer.param_groups:
            group["lr"] = self.plan.rate(step)
        columns = problem.rows()
        table = solve(columns.detach(), problem.targets, self.plan.ridge)
        loss = (columns @ table.T - problem.targets).square().mean()
        gradients = torch.autograd.grad(loss.log(), self.weights)
        for weight, gradient in zip(self.weights, gradients, strict=True):
            weight.grad = gradient
        self.optimizer.step()
        self.optimizer.zero_grad()
        return float(loss.detach())

    def state_dict(self) -> dict[str, Any]:
        return self.optimizer.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.optimizer.load_state_dict(state)
