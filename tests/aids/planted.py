"""Members that only tests need; PYTHONPATH=tests/aids lets a command find them."""

import os
import signal
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from simulators.base import Channel, Simulator
from simulators.ode import integrate
from sirve.cores import Recurrent
from sirve.cores.cells import Cell, State


class Dropping(Recurrent):
    """A recurrent core that draws random numbers while it learns, $PAUSE seconds a batch."""

    def __init__(self, shape: tuple[int, ...], cell: Cell, hidden: int = 16) -> None:
        super().__init__(shape, cell, hidden)
        self.drop = nn.Dropout(0.2)

    def features(
        self, x: Tensor, state: tuple[State, ...] | None = None
    ) -> tuple[Tensor, tuple[State, ...]]:
        if self.training and state is None:
            time.sleep(float(os.environ.get("PAUSE", "0")))
        phi, state = super().features(x, state)
        return self.drop(phi), state


class Breaking(Dropping):
    """Gives, or makes the gradient, a number that is not finite: $BREAK is "loss=nan", say.

    In training from the 20th batch on; "late=…" whenever it forecasts after the 10th.
    """

    seen = 0

    def features(
        self, x: Tensor, state: tuple[State, ...] | None = None
    ) -> tuple[Tensor, tuple[State, ...]]:
        phi, state = super().features(x, state)
        where, _, what = os.environ["BREAK"].partition("=")
        value = float(what)
        self.seen += self.training
        if where == "late" and not self.training and self.seen > 10:
            phi = phi * value
        if where == "loss" and self.training and self.seen >= 20:
            phi = phi * value
        if where == "gradient" and self.training and self.seen >= 20:
            phi.register_hook(lambda gradient: torch.full_like(gradient, value))
        return phi, state


@dataclass(frozen=True)
class Faulty(Simulator):
    """dx/dt = -x, but for what ``how`` does to it."""

    how: str = "never"
    channels = (Channel("x", "1"),)
    shape = (1,)

    def initial(self, rng: np.random.Generator) -> np.ndarray:
        x = rng.uniform(1, 2, size=1)
        return x * np.nan if self.how == "state" else x

    def rhs(self, t: float, x: np.ndarray) -> np.ndarray:
        if self.how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        broken = self.how == "start" or (self.how == "later" and t > 0.5)
        return x * np.nan if broken else x**2 if self.how == "blow-up" else -x

    def solve(self, x0: np.ndarray, t: np.ndarray) -> np.ndarray:
        return integrate(self.rhs, x0, t, rtol=1e-9, atol=1e-9)
