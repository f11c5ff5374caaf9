"""Least squares in float64 with any block of rows left out, from one factorisation."""

from collections.abc import Sequence

import torch
from torch import Tensor


class BlockLeftOut:
    """Readouts of many designs A (S, n, F) and targets y (S, n), fitted without the rows a:b.

    With A D^-1 = U diag(s) V', D the norm of each column, the minimiser of

        || (A w - y) without rows a:b ||^2 + ridge || D w ||^2

    is w = D^-1 V diag(1 / s) z, where (I - U_b' U_b + ridge diag(1 / s^2)) z = U' y - U_b' y_b,
    U_b and y_b being the rows that are left out. One factorisation is enough for every block and
    every ridge, and the matrix to be inverted is close to the identity: the Gram matrix of A, whose
    condition number is that of A squared, is never formed.

    Source: G. Golub, C. Van Loan, Matrix Computations, 4th ed., sections 6.1 (ridge regression)
    and 6.5 (rows left out).
    """

    def __init__(self, columns: Tensor, targets: Tensor) -> None:
        self.targets = targets
        self.norm = columns.norm(dim=1).clamp_min(torch.finfo(columns.dtype).tiny)
        q, r = torch.linalg.qr(columns / self.norm[:, None])
        u, s, self.vt = torch.linalg.svd(r, full_matrices=False)
        self.s = s.clamp_min(torch.finfo(s.dtype).eps ** 2 * s[:, :1])  # 1 / s^2 is finite
        self.u = q @ u
        self.projected = (self.u.mT @ targets[..., None])[..., 0]

    def solve(self, ridges: Sequence[float], start: int = 0, stop: int = 0) -> Tensor:
        """Return the weights (S, ridges, F) fitted to all rows except ``start:stop``."""
        block = self.u[:, start:stop]
        kept = torch.eye(self.s.shape[1], dtype=self.s.dtype) - block.mT @ block
        right = self.projected - (block.mT @ self.targets[:, start:stop, None])[..., 0]
        return torch.stack([self._solve(kept, right, ridge) for ridge in ridges], dim=1)

    def _solve(self, kept: Tensor, right: Tensor, ridge: float) -> Tensor:
        # 1 + ridge / s^2 may be 1e20; divided by its root on both sides, the diagonal is at most 1.
        penalty = ridge / self.s**2
        half = (1 + penalty).rsqrt()
        matrix = kept * half[:, :, None] * half[:, None]
        matrix.diagonal(dim1=1, dim2=2).add_(penalty * half**2 + 4 * torch.finfo(half.dtype).eps)
        factor, failed = torch.linalg.cholesky_ex(matrix)
        z = torch.cholesky_solve((right * half)[..., None], factor)[..., 0] * half
        z[failed > 0] = 0.0  # numerically singular without these rows
        return (self.vt.mT @ (z / self.s)[..., None])[..., 0] / self.norm
