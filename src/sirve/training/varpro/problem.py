"""Trained recurrent weights by variable projection: the readout is solved for at every step."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sirve.cores import Core, Recurrent
from sirve.cores.cells import State
from sirve.cores.lift import Lift, Matrix
from sirve.cores.recurrent import Layer


def layer_of(core: Core) -> Layer:
    """The recurrent layer of a vector core that has one; ValueError for any other core."""
    if not isinstance(core, Recurrent) or len(core.shape) > 1 or len(core.layers) > 1:
        raise ValueError(
            "variable projection trains one recurrent layer on vectors: take model=rnn, lstm or "
            "gru, model.layers=1 and a system of vectors"
        )
    layer = core.layers[0]
    assert isinstance(layer, Layer)
    return layer


class Batch:
    """The separable problem of normalised windows x (B, washout + scored + 1, C), float64.

    theta are the ``moving`` weights, V the readout: after ``washout`` states that warm the memory
    from blank, phi at each of the ``scored`` has to give (x_next - base) / scale. The Jacobian
    looks back ``reach`` steps, at most washout + 1: what is older is taken as given.
    """

    def __init__(
        self, core: Core, x: Tensor, moving: Sequence[nn.Parameter], washout: int, reach: int = 1
    ) -> None:
        self.core, self.layer, self.moving = core, layer_of(core), moving
        self.read, self.washout, self.reach = x[:, :-1], washout, reach
        target = (core.predicted(x[:, 1:]) - core.base(self.read)) / core.scale
        self.targets = target[:, washout:].flatten(0, 1)

    @torch.no_grad()
    def columns(self, theta: Tensor) -> Tensor:
        put(theta, self.moving)
        return self.rows()

    def rows(self) -> Tensor:
        """The columns at the weights as they are; a gradient flows through them."""
        phi, _ = self.core.features(self.read)
        assert isinstance(self.core.readout, Matrix)
        return self.core.readout.columns(phi[:, self.washout :].flatten(0, 1))

    def jacobians(self, theta: Tensor, table: Tensor) -> Iterator[Tensor]:
        put(theta, self.moving)
        h, products = self._replayed()
        outs = [out for product in products for out in product.outs]
        for v in table[:, : self.layer.hidden]:
            # Points are independent: the gradient of the sum is that of each.
            slopes = iter(torch.autograd.grad((h @ v).sum(), outs, retain_graph=True))
            jacobian = h.new_zeros(len(h), len(theta))
            views = dict(zip(self.moving, _views(jacobian, self.moving), strict=True))
            for product in products:
                product.add(torch.stack([next(slopes) for _ in product.outs], dim=2), views)
            yield jacobian

    def _replayed(self) -> tuple[Tensor, list["Product"]]:
        """h (points, H) from the state ``reach`` steps ago, and the products that led to it."""
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
        moving = set(self.moving)
        return state[0], [p for p in products.values() if moving & set(p.lift.parameters())]

    def _starts(self) -> State:
        """The states after which the scored times begin to look back, (points, H) each."""
        zero = self.read.new_zeros(len(self.read), self.layer.hidden)
        states: list[State] = [(zero,) * self.layer.cell.states]
        for time in range(self.read.shape[1] - self.reach):
            states.append(self.layer(self.read[:, time : time + 1], states[-1])[1])
        starts = zip(*states[self.washout - self.reach + 1 :], strict=True)
        return tuple(torch.stack(parts, dim=1).flatten(0, 1) for parts in starts)

    def _looked_back(self, x: Tensor) -> Tensor:
        """x (B, T, F) as the last ``reach`` of it at each scored time: (points, F, reach)."""
        return x[:, self.washout - self.reach + 1 :].unfold(1, self.reach, 1).flatten(0, 1)


@dataclass(frozen=True)
class Product:
    """Rows ``first`` onward of a lift, what they were applied to at each step, and what came out.

    ``arguments`` are (points, inputs), ``outs`` (points, rows).
    """

    lift: Lift
    first: int
    arguments: list[Tensor]
    outs: list[Tensor]

    def add(self, slopes: Tensor, jacobian: Mapping[nn.Parameter, Tensor]) -> None:
        """The outer products of ``slopes`` (points, rows, steps) with the arguments."""
        rows = slice(self.first, self.first + slopes.shape[1])
        if self.lift.weight in jacobian:
            jacobian[self.lift.weight][:, rows] = slopes @ torch.stack(self.arguments, dim=1)
        if self.lift.bias is not None and self.lift.bias in jacobian:
            jacobian[self.lift.bias][:, rows] = slopes.sum(2)


@torch.no_grad()
def put(theta: Tensor, parameters: Sequence[nn.Parameter]) -> None:
    """Set ``parameters`` from their numbers in a row, (P,)."""
    for parameter, values in zip(parameters, _views(theta[None], parameters), strict=True):
        parameter.copy_(values[0])


def _views(rows: Tensor, parameters: Sequence[nn.Parameter]) -> list[Tensor]:
    """rows (n, P) as (n, *shape) of each parameter."""
    parts = rows.split([p.numel() for p in parameters], dim=1)
    return [part.unflatten(1, p.shape) for part, p in zip(parts, parameters, strict=True)]
