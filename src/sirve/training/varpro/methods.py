"""How the recurrent weights move: Levenberg-Marquardt for small cores, SOAP for larger ones."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pytorch_optimizer
import torch
from torch import Tensor, nn

from sirve.cores import Core
from sirve.cores.base import require_positive
from sirve.training.varpro.problem import Batch, layer_of, put
from sirve.training.varpro.separable import LevenbergMarquardt, solve

LARGEST = 4096  # weights that Levenberg-Marquardt moves: its matrix has their square


class Mover(ABC):
    """Moves the weights of one core, a batch of windows at a time."""

    @abstractmethod
    def move(self, problem: Batch, step: int) -> float:
        """Move the weights in place; the mean square of the residual there was before."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """What it remembers from step to step, in plain types."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""


@dataclass(frozen=True)
class VarPro(ABC):
    """How recurrent weights are trained with the readout solved for at every step.

        min over theta of min over V of || phi(theta) V' - (x_next - base) / scale ||^2

    ``moving``: "all" recurrent weights, or "inputs", W and its bias alone. ``input_scaling``, ``spectral_radius``
    and ``time_scale`` are those of the random weights it begins with; see ``Reservoir``. A step sees
    ``batch`` windows of ``washout`` states, which warm the memory, and ``scored`` ones, whose
    outputs should be several times more than the weights that move. ``ridge`` is that of the
    solve, on squared singular values of columns of length 1. ``validations`` times, evenly spread
    over the ``steps``, the readout is fitted to ``few`` whole trajectories and the validation set
    is forecast: the best weights are kept.

    Source: G. Golub, V. Pereyra, SIAM J. Numer. Anal. 10 (1973); their review, Inverse Problems 19
    (2003).
    """

    moving: str = "all"
    input_scaling: float = 0.03
    spectral_radius: float = 0.1
    time_scale: Sequence[float] = (1.1, 1.1)
    steps: int = 100
    batch: int = 1024
    washout: int = 12
    scored: int = 2
    ridge: float = 1e-26
    validations: int = 10
    few: int = 64

    def __post_init__(self) -> None:
        if self.moving not in ("all", "inputs"):
            raise ValueError(f'moving="{self.moving}" is unknown: take "all" or "inputs"')
        for name in ("steps", "batch", "washout", "scored", "validations", "few"):
            require_positive(**{name: getattr(self, name)})
        if self.validations > self.steps:
            raise ValueError(f"validations={self.validations} must be at most steps={self.steps}")
        if not 0 <= self.ridge < float("inf"):
            raise ValueError(f"ridge={self.ridge} must not be negative")

    @property
    def length(self) -> int:
        """States in a window."""
        return self.washout + self.scored + 1

    def init_weights(self, core: Core, seed: int) -> None:
        """The weights to begin with, in place; ValueError for numbers out of range."""
        core.init_weights(
            seed,
            input_scaling=self.input_scaling,
            spectral_radius=self.spectral_radius,
            time_scale=self.time_scale,
        )

    def weights(self, core: Core) -> list[nn.Parameter]:
        """Those of ``core`` that move; ValueError for a core that is not fitted so."""
        layer = layer_of(core)
        return list((layer.w if self.moving == "inputs" else layer).parameters())

    def problem(self, core: Core, x: Tensor) -> Batch:
        """What a step makes small, of normalised windows x (batch, length, C)."""
        return Batch(core, x, self.weights(core), self.washout)

    @abstractmethod
    def mover(self, weights: Sequence[nn.Parameter]) -> Mover:
        """What moves them; ValueError where they are too many."""


@dataclass(frozen=True)
class LM(VarPro):
    """By Levenberg-Marquardt with Kaufman's Jacobian, which looks back ``reach`` steps.

    ``damping`` is that of the first step; see ``LevenbergMarquardt``.
    """

    moving: str = "inputs"
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
                f"moving={self.moving} are {count} weights, and Levenberg-Marquardt takes at most "
                f"{LARGEST}: take moving=inputs, fewer units, or SOAP"
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
    """By SOAP on the logarithm of the projected functional, its gradient through whole windows.

    The gradient does not go through the solve: at the best V it need not. The logarithm makes
    steps of the same size however small the error has become, where Adam's epsilon would end them.
    The learning rate is ``lr`` after ``warmup`` steps, then a cosine to zero.

    Source: N. Vyas et al., SOAP, ICLR 2025.
    """

    steps: int = 1500
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
        """The learning rate of a step."""
        warm = min(1.0, (step + 1) / self.warmup)
        return self.lr * warm * 0.5 * (1 + math.cos(math.pi * step / self.steps))


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
