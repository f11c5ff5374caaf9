"""Linear maps that lift a cell's pointwise equations: a matrix, or a convolution that knows walls.

Both act on (..., C, *space) features, and both have ``columns``, the design matrix of the map, so
that least squares can solve for their weights.

Law: ``lift(x)`` equals ``lift.columns(x) @ lift.table().T``.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import combinations, product
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Boundary = Literal["neumann", "dirichlet", "periodic"]

FEW = 4  # times fewer outputs than inputs


class Lift(nn.Module, ABC):
    """A linear map with a bias, from ``inputs`` to ``outputs`` channels."""

    weight: nn.Parameter
    bias: nn.Parameter | None

    @abstractmethod
    def part(self, x: Tensor, start: int, stop: int) -> Tensor:
        """Rows ``start:stop`` of the map, applied to x (B, inputs, *space)."""

    @abstractmethod
    def columns(self, x: Tensor) -> Tensor:
        """Design matrix (points, features): one row for each sample and place, the last one 1."""

    def forward(self, x: Tensor) -> Tensor:
        """The whole map on (B, inputs, *space)."""
        return self.part(x, 0, self.weight.shape[0])

    def table(self) -> Tensor:
        """Weights as (outputs, features), the bias last, in the order of ``columns``."""
        return torch.cat([self.weight.flatten(1), self._bias()[:, None]], dim=1)

    @torch.no_grad()
    def assign(self, table: Tensor) -> None:
        """Set weights and bias from (outputs, features)."""
        self.weight.copy_(table[:, :-1].reshape(self.weight.shape))
        assert self.bias is not None
        self.bias.copy_(table[:, -1])

    def _bias(self) -> Tensor:
        return self.weight.new_zeros(len(self.weight)) if self.bias is None else self.bias

    def _make(self, shape: tuple[int, ...], fan_in: int, bias: bool) -> None:
        bound = fan_in**-0.5
        self.weight = nn.Parameter(torch.empty(shape).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(shape[0])) if bias else None


class Matrix(Lift):
    """y = W x + b on vectors (B, inputs)."""

    def __init__(self, inputs: int, outputs: int, bias: bool = True) -> None:
        super().__init__()
        self._make((outputs, inputs), inputs, bias)

    def part(self, x: Tensor, start: int, stop: int) -> Tensor:
        bias = None if self.bias is None else self.bias[start:stop]
        return F.linear(x, self.weight[start:stop], bias)

    def columns(self, x: Tensor) -> Tensor:
        return torch.cat([x, x.new_ones(len(x), 1)], dim=1)


class Convolution(Lift):
    """y = W * x + b on fields (B, inputs, N) or (B, inputs, H, W), continued beyond the walls.

    neumann: mirrored at the wall (half-sample symmetric); dirichlet: mirrored with the opposite
    sign; periodic: wrapped. Zero padding would act as a source at every wall.

    ``symmetric``: ``columns`` are sums over the symmetries of the square (of the line), so that a
    closed form finds an isotropic map, of fewer weights.
    """

    basis: Tensor

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        dims: int,
        boundary: Boundary,
        bias: bool = True,
        symmetric: bool = False,
    ) -> None:
        super().__init__()
        if kernel < 1 or kernel % 2 == 0:
            raise ValueError(f"kernel={kernel} must be odd and positive, so that it has a centre")
        self._make((outputs, inputs, *[kernel] * dims), inputs * kernel**dims, bias)
        self.margin, self.boundary = kernel // 2, boundary
        self._convolve = {1: F.conv1d, 2: F.conv2d}[dims]
        self.register_buffer("basis", kernels(kernel, dims, symmetric), persistent=False)

    def part(self, x: Tensor, start: int, stop: int) -> Tensor:
        weight = self.weight[start:stop]
        bias = None if self.bias is None else self.bias[start:stop]
        if self.margin == 0:  # a matrix at each place, as one product: faster, with its gradient
            places = x.movedim(1, -1)
            rows = F.linear(places.flatten(0, -2), weight.flatten(1), bias)
            return rows.unflatten(0, places.shape[:-1]).movedim(-1, 1)
        wide = extend(x, self.margin, self.boundary)
        double = x.dtype == torch.float64 and not torch.compiler.is_compiling()
        if double and FEW * len(weight) < x.shape[1]:
            return planes(wide, weight, bias)
        return self._convolve(wide, weight, bias)

    def columns(self, x: Tensor) -> Tensor:
        channels = x.shape[1]
        basis = self.basis[:, None].repeat(channels, *[1] * (x.ndim - 1))
        found = self._convolve(extend(x, self.margin, self.boundary), basis, groups=channels)
        rows = found.movedim(1, -1).flatten(0, -2)
        return torch.cat([rows, rows.new_ones(len(rows), 1)], dim=1)

    def table(self) -> Tensor:
        shares = self.basis.flatten(1) / self.basis.flatten(1).sum(1, keepdim=True)
        weight = (self.weight.flatten(2) @ shares.T).flatten(1)
        return torch.cat([weight, self._bias()[:, None]], dim=1)

    @torch.no_grad()
    def assign(self, table: Tensor) -> None:
        weight = table[:, :-1].unflatten(1, (-1, len(self.basis))) @ self.basis.flatten(1)
        super().assign(torch.cat([weight.flatten(1), table[:, -1:]], dim=1))


def planes(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A convolution as one product, and a sum over shifts of what it gives.

    For few outputs of many inputs it copies less than PyTorch's own in float64, 20 times less
    seconds for a readout of 7 x 7.
    """
    outputs, inputs, *kernel = weight.shape
    space = [n - k + 1 for n, k in zip(x.shape[2:], kernel, strict=True)]
    # A copy, aligned anew: the bits of a product depend on where its factors lie in memory.
    rows = weight.movedim(1, -1).reshape(-1, inputs).clone(memory_format=torch.contiguous_format)
    found = (rows @ x.flatten(2)).reshape(len(x), outputs, -1, *x.shape[2:])
    total = x.new_zeros(len(x), outputs, *space)
    for plane, corner in zip(found.unbind(2), product(*map(range, kernel)), strict=True):
        total = total + plane[:, :, *(slice(c, c + n) for c, n in zip(corner, space, strict=True))]
    return total if bias is None else total + bias.reshape(-1, *[1] * len(kernel))


def kernels(width: int, dims: int, symmetric: bool) -> Tensor:
    """(n, *kernel): one for each place, or for each set of places that the symmetries of the square

    (of the line) take into each other.
    """
    # On the meta device, where a core is built without memory, nothing says which are distinct.
    places = torch.arange(width**dims, device="cpu").reshape([width] * dims)
    if not symmetric:
        return torch.eye(width**dims).reshape(-1, *[width] * dims)
    first = torch.stack(images(places)).amin(0)
    return torch.stack([(first == place).float() for place in first.unique()])


def images(x: Tensor, dims: int | None = None) -> list[Tensor]:
    """x under each symmetry of its last ``dims`` axes (all): 2 of a line, 8 of a square."""
    axes = range(x.ndim - (x.ndim if dims is None else dims), x.ndim)
    found = [x.flip(chosen) for n in range(len(axes) + 1) for chosen in combinations(axes, n)]
    return found + [image.transpose(-2, -1) for image in found] if len(axes) == 2 else found


def extend(x: Tensor, margin: int, boundary: Boundary) -> Tensor:
    """Continue x (B, C, *space) by ``margin`` cells beyond each wall."""
    if margin == 0:
        return x
    extended: Tensor = Extension.apply(x, margin, boundary)
    return extended


class Extension(torch.autograd.Function):
    """``extend``, with a gradient that folds the margins back, for which F.pad takes far longer.

    Frames come out with their channels last in memory, with which a CPU convolves faster.
    Measured by scripts/benchmark/convolutions.py; forward mode and torch.func go through it too.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, margin: int, boundary: Boundary) -> Tensor:
        sizes = [n + 2 * margin for n in x.shape[2:]]
        inner = out = x.new_empty(x.shape[0], *sizes, x.shape[1]).movedim(-1, 1)
        for axis in range(2, x.ndim):
            inner = inner.narrow(axis, margin, x.shape[axis])
        inner.copy_(x)
        for axis in range(2, x.ndim):  # the later axes continue the margins of the earlier, too
            for edge, source, sign in _edges(out, axis, margin, boundary):
                edge.copy_(source if sign > 0 else -source)
        return out

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int, Boundary], output: Tensor) -> None:
        _, ctx.margin, ctx.boundary = inputs

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        gradient = gradient.clone()
        for axis in reversed(range(2, gradient.ndim)):
            for edge, source, sign in _edges(gradient, axis, ctx.margin, ctx.boundary):
                source.add_(edge, alpha=sign)
        for axis in range(2, gradient.ndim):
            size = gradient.shape[axis] - 2 * ctx.margin
            gradient = gradient.narrow(axis, ctx.margin, size)
        return gradient, None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: None) -> Tensor:
        return extend(tangent, ctx.margin, ctx.boundary)


def _edges(
    x: Tensor, axis: int, margin: int, boundary: Boundary
) -> Iterator[tuple[Tensor, Tensor, int]]:
    """Each margin of x along ``axis``, the cells inside that it continues, and with which sign."""
    last = x.shape[axis] - margin
    sign = -1 if boundary == "dirichlet" else 1
    if boundary == "periodic":
        yield x.narrow(axis, 0, margin), x.narrow(axis, last - margin, margin), sign
        yield x.narrow(axis, last, margin), x.narrow(axis, margin, margin), sign
        return
    for k in range(margin):  # mirrored, cell by cell: a flip would be a copy, not a place
        yield x.narrow(axis, k, 1), x.narrow(axis, 2 * margin - 1 - k, 1), sign
        yield x.narrow(axis, last + k, 1), x.narrow(axis, last - 1 - k, 1), sign
