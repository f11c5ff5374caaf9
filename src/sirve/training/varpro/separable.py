"""Separable least squares: the linear unknowns are solved for at every update of the others."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from sirve.training.least_squares import IncrementalQR

TRIALS = 8  # of an update, each more damped than the one before
BLOCK = 192  # columns of the Gram matrix at once: only those on and above the diagonal are needed
LEAST, MOST = 1e-16, 1e8  # damping


class Separable(Protocol):
    """A residual columns(theta) V' - targets to minimise over theta (P,) and V.

    columns are (n, features), ``targets`` (n, outputs), V (outputs, features), all float64.
    """

    @property
    def targets(self) -> Tensor:
        """The targets of columns(theta) V'."""

    def columns(self, theta: Tensor) -> Tensor:
        """The design matrix of the linear part."""

    def jacobians(self, theta: Tensor, table: Tensor) -> Iterable[Tensor]:
        """For each output o: d(columns(theta) V_o) / d theta (n, P) at the fixed V = ``table``."""


def solve(columns: Tensor, targets: Tensor, ridge: float) -> Tensor:
    """Return the best V (outputs, features) for these columns; see ``IncrementalQR.solve``."""
    found = IncrementalQR(targets.shape[1])
    found.add(columns, targets)
    return found.solve([ridge])[0]


@dataclass
class LevenbergMarquardt:
    """Damped Gauss-Newton steps on the projected functional min over V of || r(theta, V) ||^2.

        (J' J + damping D) d = -J' r,   J = (I - Q Q') d(columns V') / d theta,   D = diag(J' J)

    Q is an orthonormal basis of the columns. The damping follows the ratio of the actual to the
    predicted decrease: it falls to as little as a third where the ratio is near 1, and grows by
    ``factor``, which doubles at each failure.

    Source: G. Golub, V. Pereyra, SIAM J. Numer. Anal. 10 (1973); J without its second term:
    L. Kaufman, BIT 15 (1975); damping: H. B. Nielsen, IMM-REP-1999-05, section 2.
    """

    ridge: float = 1e-26
    damping: float = 1e-4
    factor: float = 2.0

    def step(self, problem: Separable, theta: Tensor) -> tuple[Tensor, float]:
        """Return a theta with a smaller residual, and the mean squared residual before.

        Returns ``theta`` itself where none of TRIALS dampings decreases the residual.
        """
        gram, slope, before = self.normal(problem, theta)
        size = gram.diagonal().clone()
        size += 1e-12 * size.mean()  # keeps a weight without influence in place
        for _ in range(TRIALS):
            damped = gram.clone()
            damped.diagonal().add_(self.damping * size)
            factor, failed = torch.linalg.cholesky_ex(damped)
            if not failed:
                move = -torch.cholesky_solve(slope[:, None], factor)[:, 0]
                predicted = move @ (self.damping * size * move - slope)
                after = self._residual(problem, theta + move).square().sum()
                gain = float((before - after) / predicted)
                if gain > 0:
                    self.damping = max(self.damping * max(1 / 3, 1 - (2 * gain - 1) ** 3), LEAST)
                    self.factor = 2.0
                    return theta + move, float(before) / problem.targets.numel()
            self.damping = min(self.damping * self.factor, MOST)
            self.factor *= 2
        return theta, float(before) / problem.targets.numel()

    def normal(self, problem: Separable, theta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return J' J (P, P), J' r (P,), which is half the gradient, and || r ||^2."""
        columns, targets = problem.columns(theta), problem.targets
        table = solve(columns, targets, self.ridge)
        residual = columns @ table.T - targets
        tiny = torch.finfo(columns.dtype).tiny
        basis = torch.linalg.qr(columns / columns.norm(dim=0).clamp_min(tiny)).Q
        gram, slope = theta.new_zeros(len(theta), len(theta)), torch.zeros_like(theta)
        for r, jacobian in zip(residual.T, problem.jacobians(theta, table), strict=True):
            jacobian -= basis @ (basis.T @ jacobian)
            slope += jacobian.T @ r
            for first in range(0, len(theta), BLOCK):
                some = jacobian[:, first : first + BLOCK]
                gram[first:, first : first + BLOCK] += jacobian[:, first:].T @ some
        return gram.tril() + gram.tril(-1).T, slope, residual.square().sum()

    def _residual(self, problem: Separable, theta: Tensor) -> Tensor:
        columns = problem.columns(theta)
        return columns @ solve(columns, problem.targets, self.ridge).T - problem.targets
