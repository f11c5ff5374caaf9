"""The readout of any core by least squares in closed form, in float64, by QR."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import prod

import torch
from torch import Tensor
from torch import distributed as dist

from sirve.cores import Core
from sirve.cores.lift import Lift

PATH = tuple(10.0**power for power in range(-28, -3, 2))  # ridges, on squared singular values
NUMBERS = 2**22  # of a block of rows
ENOUGH = 1000  # rows a feature: of the frames that give more, evenly spread ones are taken

Noise = Callable[[Tensor], Tensor]


class Triangle:
    """R of a QR of the rows (columns, targets) seen so far: all that least squares has to know.

    It is updated block by block, so memory does not grow with the data. The Gram matrix is never
    formed: its condition number is the square, which halves the digits.

    Source: G. Golub, C. Van Loan, Matrix Computations, 4th ed., sections 5.3 and 6.5.
    """

    def __init__(self, outputs: int) -> None:
        self.outputs = outputs
        self.factor: Tensor | None = None

    def add(self, columns: Tensor, targets: Tensor) -> None:
        """Rows (n, features) and what they should give, (n, outputs), in float64."""
        self._stack(torch.cat([columns, targets], dim=1))

    def merge(self) -> None:
        """With those of the other ranks of the process group: then all have the whole."""
        factors: list[Tensor | None] = [None] * dist.get_world_size()
        dist.all_gather_object(factors, self.factor)
        self.factor = None
        for factor in factors:
            if factor is not None:
                self._stack(factor)

    def solve(self, ridges: Sequence[float]) -> Tensor:
        """Tables (ridges, outputs, features) that minimise, for each of ``ridges``,

            || columns V' - targets ||^2 + ridge || D V ||^2

        D the norm of each column: singular values are those of columns of length 1. Those below
        rounding are dropped where ridge is 0.
        """
        assert self.factor is not None, "no data"
        features = self.factor.shape[1] - self.outputs
        r, qy = self.factor[:features, :features], self.factor[:features, features:]
        norm = r.norm(dim=0)
        norm = torch.where(norm > 0, norm, 1.0)  # a column of zeros stays one, and gets weight 0
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
def triangle(
    core: Core,
    sequences: Iterable[Tensor],
    skip: int = 0,
    noise: Noise | None = None,
    every: int = 1,
) -> Triangle:
    """Of phi and (x_next - base) / scale, over normalised sequences (B, T, *shape) in float64.

    The first ``skip`` states of each sequence are read only, to warm the memory. ``noise`` is
    added to the states that are read, the targets staying clean. Of the rest ``every``-th state is
    used, one after the other over all times and members of a sequence.
    """
    lift = core.readout
    assert isinstance(lift, Lift)
    found = Triangle(lift.weight.shape[0])
    seen = 0
    for x in sequences:
        read, state = x[:, :-1], None
        if noise is not None:
            own = core.predicted(read)
            read = core.with_covariates(own + noise(own), read)
        if skip:
            _, state = core.features(read[:, :skip])
        for first, last in _pieces(core, len(x), skip, read.shape[1]):
            now = read[:, first:last]
            phi, state = core.features(now, state)
            target = (core.predicted(x[:, first + 1 : last + 1]) - core.base(now)) / core.scale
            used = slice(-seen % every, None, every)
            seen += len(x) * (last - first)
            if used.start >= len(x) * (last - first):
                continue
            target = target.flatten(0, 1)[used]
            target = target.reshape(len(target), found.outputs, -1).movedim(1, 2)
            found.add(lift.columns(phi.flatten(0, 1)[used]), target.reshape(-1, found.outputs))
    return found


def spare(core: Core, count: int) -> int:
    """``every`` for ``count`` states: an odd number, 1 if none is too many."""
    features, points = _sizes(core)
    return max(1, count * points // (ENOUGH * features)) // 2 * 2 + 1


def _sizes(core: Core) -> tuple[int, int]:
    """Columns, and rows that each state gives."""
    lift = core.readout
    assert isinstance(lift, Lift)
    return lift.table().shape[1], prod(core.shape[1:]) if len(lift.weight.shape) > 2 else 1


def _pieces(core: Core, batch: int, first: int, last: int) -> Iterator[tuple[int, int]]:
    """Times of blocks of about NUMBERS numbers, and a few times more rows than columns."""
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

    over all ``sequences`` (B, T, *shape), normalised; see ``Triangle.solve`` and ``triangle``.
    """
    lift = core.double().readout
    assert isinstance(lift, Lift)
    double = (x.double() for x in sequences)
    lift.assign(triangle(core, double, skip).solve([ridge])[0])
