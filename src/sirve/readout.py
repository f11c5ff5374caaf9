"""The readout of any core by least squares in closed form, in float64, by QR."""

from collections.abc import Iterable

import torch
from torch import Tensor

from sirve.cores import Core
from sirve.cores.lift import Lift


@torch.no_grad()
def solve_readout(core: Core, batches: Iterable[Tensor], ridge: float = 0.0) -> None:
    """Set ``core.readout`` to the least-squares fit of the next state, in place.

        min over V of || phi V' - (x_next - base) / scale ||^2 + ridge || D V ||^2

    over all sequences (B, T, *shape), normalised, of ``batches``. D is the norm of each column.
    The triangular factor is updated block by block, so memory does not grow with the data; the
    Gram matrix is never formed, which would halve the digits. Singular values below rounding are
    dropped.

    Source: G. Golub, C. Van Loan, Matrix Computations, 4th ed., sections 5.3 and 6.5.
    """
    lift = core.readout
    assert isinstance(lift, Lift)
    outputs = lift.weight.shape[0]
    dtype = lift.weight.dtype
    core.double()
    factor: Tensor | None = None
    for x in batches:
        x = x.double()
        now, following = x[:, :-1], x[:, 1:]
        phi, _ = core.features(now)
        target = ((core.own(following) - core.base(now)) / core.scale).flatten(0, 1)
        target = target.reshape(len(target), outputs, -1).movedim(1, 2).reshape(-1, outputs)
        rows = torch.cat([lift.columns(phi.flatten(0, 1)), target], dim=1)
        if factor is not None:
            rows = torch.cat([factor, rows])
        factor = torch.linalg.qr(rows, mode="r").R
    assert factor is not None, "no data"
    features = factor.shape[1] - outputs
    lift.assign(_solve(factor[:features, :features], factor[:features, features:], ridge))
    core.to(dtype)


def _solve(r: Tensor, qy: Tensor, ridge: float) -> Tensor:
    """(outputs, features) that minimise || R V' - Q'y ||, columns scaled to unit norm."""
    norm = r.norm(dim=0).clamp_min(torch.finfo(r.dtype).tiny)
    u, s, vt = torch.linalg.svd(r / norm, full_matrices=False)
    keep = s > s[0] * len(s) * torch.finfo(r.dtype).eps
    inverse = torch.where(keep, s / (s**2 + ridge), 0.0)
    return ((vt.T * inverse) @ (u.T @ qy) / norm[:, None]).T
