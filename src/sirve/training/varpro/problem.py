"""The least-squares problem of variable projection, on a batch of windows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sirve.cores import Core, Recurrent
from sirve.cores.cells import State
from sirve.cores.lift import Lift, Matrix
from sirve.cores.recurrent import Layer


def layer_of(core: Core) -> Layer:
    """Return the one recurrent layer of a vector core; raise ValueError for any other core."""
    if not isinstance(core, Recurrent) or len(core.shape) > 1 or len(core.layers) > 1:
        raise ValueError(
            "variable projection trains one recurrent layer on vectors: give model=rnn, lstm or "
            "gru, model.layers=1 and a system of vectors"
        )
    layer = core.layers[0]
    assert isinstance(layer, Layer)
    return layer


class Batch:
    """The separable problem of normalised windows x (B, washout + scored + 1, C), float64.

    theta are the ``trainable`` weights, V the readout. The first ``washout`` states warm the
    memory; after them phi V' at each ``scored`` state should be (x_next - base) / scale. The
    Jacobian looks back ``reach`` steps, at most washout + 1: older states are constants.
    """

    def __init__(
        self, core: Core, x: Tensor, trainable: Sequence[nn.Parameter], washout: int, reach: int = 1
    ) -> None:
        self.core, self.layer, self.trainable = core, layer_of(core), trainable
        self.read, self.washout, self.reach = x[:, :-1], washout, reach
        target = (core.predicted(x[:, 1:]) - core.base(self.read)) / core.scale
        self.targets = target[:, washout:].flatten(0, 1)

    @torch.no_grad()
    def columns(self, theta: Tensor) -> Tensor:
        put(theta, self.trainable)
        return self.rows()

    def rows(self) -> Tensor:
        """Return the columns at the current weights; a gradient flows through them."""
        phi, _ = self.core.features(self.read)
        assert isinstance(self.core.readout, Matrix)
        return self.core.readout.columns(phi[:, self.washout :].flatten(0, 1))

    def jacobians(self, theta: Tensor, table: Tensor) -> Iterator[Tensor]:
        put(theta, self.trainable)
        h, products = self._replayed()
        outs = [out for product in products for out in product.outs]
        for v in table[:, : self.layer.hidden]:
            # Points are independent: the gradient of the sum is that of each.
            slopes = iter(torch.autograd.grad((h @ v).sum(), outs, retain_graph=True))
            jacobian = h.new_zeros(len(h), len(theta))
            views = dict(zip(self.trainable, _views(jacobian, self.trainable), strict=True))
            for product in products:
                product.add(torch.stack([next(slopes) for _ in product.outs], dim=2), views)
            yield jacobian

    def _replayed(self) -> tuple[Tensor, list["Product"]]:
        """Return h (points, H) from the state ``reach`` steps ago, and the products behind it."""
        layer, cell = self.layer, self.layer.cell
        with torch.no_grad():
            state = self._starts()
            x = self._looked_back(self.read)
            lifted = layer.w(x.movedim(2, 1).flatten(0, 1)).unflatten(0, (-1, self.reach))
        steps = [wx.requires_grad_() for wx in lifted.unbind(1)]
        products = {(0, cell.gates, True): Product(layer.w, 0, list(x.unbind(2)), steps)}

        def recur(h: Tensor, start: int, stop: int) -> Tensor:
            first = start * layer.hidden
            out = layer.u.part(h, first, stop * layer.hidden)
            product = products.setdefault((start, stop, False), Product(layer.u, first, [], []))
            product.arguments.append(h.detach())
            product.outs.append(out)
            return out

        for wx in steps:
            state = cell.step(wx, state, recur)
        trainable = set(self.trainable)
        return state[0], [p for p in products.values() if trainable & set(p.lift.parameters())]

    def _starts(self) -> State:
        """Return the states (points, H) from which each scored time looks back."""
        zero = self.read.new_zeros(len(self.read), self.layer.hidden)
        states: list[State] = [(zero,) * self.layer.cell.states]
        for time in range(self.read.shape[1] - self.reach):
            states.append(self.layer(self.read[:, time : time + 1], states[-1])[1])
        starts = zip(*states[self.washout - self.reach + 1 :], strict=True)
        return tuple(torch.stack(parts, dim=1).flatten(0, 1) for parts in starts)

    def _looked_back(self, x: Tensor) -> Tensor:
        """Return the last ``reach`` states before each scored time: (points, F, reach)."""
        return x[:, self.washout - self.reach + 1 :].unfold(1, self.reach, 1).flatten(0, 1)


@dataclass(frozen=True)
class Product:
    """The rows of a lift from ``first`` on, with their arguments and results at each step.

    ``arguments`` are (points, inputs), ``outs`` (points, rows).
    """

    lift: Lift
    first: int
    arguments: list[Tensor]
    outs: list[Tensor]

    def add(self, slopes: Tensor, jacobian: Mapping[nn.Parameter, Tensor]) -> None:
        """Add the outer products of ``slopes`` (points, rows, steps) with the arguments."""
        rows = slice(self.first, self.first + slopes.shape[1])
        if self.lift.weight in jacobian:
            jacobian[self.lift.weight][:, rows] = slopes @ torch.stack(self.arguments, dim=1)
        if self.lift.bias is not None and self.lift.bias in jacobian:
            jacobian[self.lift.bias][:, rows] = slopes.sum(2)


@torch.no_grad()
def put(theta: Tensor, parameters: Sequence[nn.Parameter]) -> None:
    """Set ``parameters`` from one flat vector (P,)."""
    for parameter, values in zip(parameters, _views(theta[None], parameters), strict=True):
        parameter.copy_(values[0])


def _views(rows: Tensor, parameters: Sequence[nn.Parameter]) -> list[Tensor]:
    """Split rows (n, P) into (n, *shape) for each parameter."""
    parts = rows.split([p.numel() for p in parameters], dim=1)
    return [part.unflatten(1, p.shape) for part, p in zip(parts, parameters, strict=True)]
