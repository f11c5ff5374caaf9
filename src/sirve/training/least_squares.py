"""The readout of any core by least squares, in float64, by QR."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import prod

import torch
from torch import Tensor
from torch import distributed as dist

from sirve.cores import Core
from sirve.cores.lift import Lift
from sirve.forecasting.normaliser import filled

PATH = tuple(10.0**power for power in range(-28, -3, 2))  # ridges, on squared singular values
NUMBERS = 2**22  # in a block of rows
ENOUGH = 1000  # rows per feature: frames that give more rows are subsampled evenly

Noise = Callable[[Tensor], Tensor]


class IncrementalQR:
    """The factor R of a QR decomposition of all rows (columns, targets) added so far.

    It is all that least squares needs, and it is updated block by block, so that memory does not
    grow with the data. The Gram matrix is never formed: its condition number is the square
    of that of the rows, which halves the digits.

    Source: G. Golub, C. Van Loan, Matrix Computations, 4th ed., sections 5.3 and 6.5.
    """

    def __init__(self, outputs: int) -> None:
        self.outputs = outputs
        self.factor: Tensor | None = None

    def add(self, columns: Tensor, targets: Tensor) -> None:
        """Add rows (n, features) and their targets (n, outputs), in float64.

        Rows whose target is hidden (NaN) are left out.
        """
        rows = torch.cat([columns, targets], dim=1)
        hidden = targets.isnan().any(1)
        self._stack(rows[~hidden] if hidden.any() else rows)

    def merge(self) -> None:
        """Merge with the factors of the other ranks, so that every rank has the whole."""
        factors: list[Tensor | None] = [None] * dist.get_world_size()
        dist.all_gather_object(factors, self.factor)
        self.factor = None
        for factor in factors:
            if factor is not None:
                self._stack(factor)

    def solve(self, ridges: Sequence[float]) -> Tensor:
        """Return the best V for each of ``ridges``: (ridges, outputs, features).

            min over V of || columns V' - targets ||^2 + ridge || D V ||^2

        D is the norm of each column, so that singular values are those of columns of length 1.
        Singular values below rounding are dropped where ridge is 0.
        """
        assert self.factor is not None, "no rows were added"
        features = self.factor.shape[1] - self.outputs
        r, qy = self.factor[:features, :features], self.factor[:features, features:]
        norm = r.norm(dim=0)
        norm = torch.where(norm > 0, norm, 1.0)  # a column of zeros remains zero, and gets weight 0
        u, s, vt = torch.linalg.svd(r / norm, full_matrices=False)
        projected = u.T @ qy
        least = s[0] * len(s) * torch.finfo(r.dtype).eps
        tables = []
        for ridge in ridges:
            inverse = s / (s**2 + ridge) if ridge else torch.where(s > least, 1 / s, 0.0)
            tables.append(((vt.T * inverse) @ projected / norm[:, None]).T)
        return torch.stack(tables)

    def _stack(self, rows: Tensor) -> None:
        if self.factor is not None:
            rows = torch.cat([self.factor, rows])
        self.factor = torch.linalg.qr(rows, mode="r").R


@torch.no_grad()
def factorise(
    core: Core,
    sequences: Iterable[Tensor],
    skip: int = 0,
    noise: Noise | None = None,
    every: int = 1,
) -> IncrementalQR:
    """Factorise the rows (phi, (x_next - base) / scale) of all sequences.

    Args:
        core: gives the features phi.
        sequences: normalised states (B, T, *shape), in float64.
        skip: states at the start of each sequence that only warm the memory.
        noise: is added to the observed states, the targets staying clean.
        every: only every so many rows are used, counted over all times and members.
    """
    lift = core.readout
    assert isinstance(lift, Lift)
    found = IncrementalQR(lift.weight.shape[0])
    count = 0
    for x in sequences:
        read, state = filled(x[:, :-1]), None
        if noise is not None:
            own = core.predicted(read)
            read = core.with_covariates(own + noise(own), read)
        if skip:
            _, state = core.features(read[:, :skip])
        for first, last in _pieces(core, len(x), skip, read.shape[1]):
            now = read[:, first:last]
            phi, state = core.features(now, state)
            target = (core.predicted(x[:, first + 1 : last + 1]) - core.base(now)) / core.scale
            used = slice(-count % every, None, every)
            count += len(x) * (last - first)
            if used.start >= len(x) * (last - first):
                continue
            target = target.flatten(0, 1)[used]
            target = target.reshape(len(target), found.outputs, -1).movedim(1, 2)
            found.add(lift.columns(phi.flatten(0, 1)[used]), target.reshape(-1, found.outputs))
    return found


def spare(core: Core, count: int) -> int:
    """Return ``every`` for ``count`` states: an odd number, 1 where no state is left out."""
    features, points = _sizes(core)
    return max(1, count * points // (ENOUGH * features)) // 2 * 2 + 1


def _sizes(core: Core) -> tuple[int, int]:
    """Return the number of columns, and of rows that each state gives."""
    lift = core.readout
    assert isinstance(lift, Lift)
    return lift.table().shape[1], prod(core.shape[1:]) if len(lift.weight.shape) > 2 else 1


def _pieces(core: Core, batch: int, first: int, last: int) -> Iterator[tuple[int, int]]:
    """Yield the times of blocks of about NUMBERS numbers, with more rows than columns."""
    features, points = _sizes(core)
    points *= batch
    length = max(1, NUMBERS // (features * points), 4 * features // points)
    for start in range(first, last, length):
        yield start, min(start + length, last)


def solve_readout(
    core: Core, sequences: Iterable[Tensor], ridge: float = 0.0, skip: int = 0
) -> None:
    """Set ``core.readout`` to the least-squares fit of the next state, in place, in float64.

        min over V of || phi V' - (x_next - base) / scale ||^2 + ridge || D V ||^2

    over all ``sequences`` (B, T, *shape), normalised; see ``IncrementalQR.solve``.
    """
    lift = core.double().readout
    assert isinstance(lift, Lift)
    double = (x.double() for x in sequences)
    lift.assign(factorise(core, double, skip).solve([ridge])[0])
