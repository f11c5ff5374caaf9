"""The observation of a field as a matrix, which tensors can be multiplied by."""

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from sirve.errors import UserError
from sirve.limit.problem import Problem

DENSE = 2**16  # numbers of a matrix that is stored in full, at most
BLOCK = 256  # states that are observed at once
CLOSE = 1e-5  # share by which a linear observation may miss, in float32


class Observation:
    """The observation y = matrix x + offset of a flat physical state x, in units of the noise.

    Raises UserError for an observation that is not linear, or not the same for every frame.
    """

    def __init__(self, problem: Problem) -> None:
        size = int(np.prod(problem.info.shape))
        sigma = np.broadcast_to(problem.sigma, (1, 1, *problem.seen.shape[2:])).ravel()

        def seen(x: np.ndarray) -> np.ndarray:
            y = problem.observed(x.reshape(len(x), -1, *problem.info.shape))
            return y.reshape(*y.shape[:2], -1)

        zero = seen(np.zeros((1, 1, size)))[0, 0]
        rows = []
        for first in range(0, size, BLOCK):
            unit = np.zeros((min(BLOCK, size - first), 1, size))
            unit[np.arange(len(unit)), 0, first + np.arange(len(unit))] = 1.0
            rows.append(sparse.csr_array(seen(unit)[:, 0] - zero))
        matrix = sparse.vstack(rows).T.tocsr()
        probe = problem.training[0, :2].reshape(-1, size).astype(np.float64)
        apart = seen(probe[None])[0] - (matrix @ probe.T).T - zero
        if np.abs(apart).max() > CLOSE * np.abs(probe).max():
            raise UserError(
                "limit: this observation of a field is not linear, or not the same in every frame; "
                "take channels, noise, stride or coarsen"
            )
        scaled = (sparse.diags_array(1 / sigma) @ matrix).tocoo()
        self.offset = torch.as_tensor(zero / sigma)
        self.matrix = torch.sparse_coo_tensor(
            torch.as_tensor(np.stack(scaled.coords).astype(np.int64)),
            torch.as_tensor(scaled.data),
            size=scaled.shape,
            check_invariants=True,
        ).coalesce()
        if scaled.shape[0] * scaled.shape[1] < DENSE:
            self.matrix = self.matrix.to_dense()

    def __call__(self, x: Tensor) -> Tensor:
        """Observe states x (B, *shape): (B, m)."""
        return (self.matrix @ x.flatten(1).T).T + self.offset
