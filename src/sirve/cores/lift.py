"""The linear maps of cells and readouts: a matrix, or a convolution with a boundary.

Both act on features (B, C, *space). Both have ``columns``, the design matrix of the map, so that
least squares can solve for the weights.

Law (tests/cores/test_lift.py): ``lift(x)`` equals ``lift.columns(x) @ lift.table().T``.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import combinations, product
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sirve.cores.fast import lines

Boundary = Literal["neumann", "dirichlet", "periodic"]

FEW = 4  # ``planes`` is faster with this many times fewer outputs than inputs


class Lift(nn.Module, ABC):
    """A linear map with a bias, from ``inputs`` to ``outputs`` channels."""

    weight: nn.Parameter
    bias: nn.Parameter | None

    @abstractmethod
    def part(self, x: Tensor, start: int, stop: int) -> Tensor:
        """Apply the rows ``start:stop`` of the map to x (B, inputs, *space)."""

    @abstractmethod
    def columns(self, x: Tensor) -> Tensor:
        """Return the design matrix (points, features) of x; its last column is 1."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply the map to x (B, inputs, *space)."""
        return self.part(x, 0, self.weight.shape[0])

    def table(self) -> Tensor:
        """Return the weights (outputs, features) in the order of ``columns``, the bias last."""
        return torch.cat([self.weight.flatten(1), self._bias()[:, None]], dim=1)

    @torch.no_grad()
    def assign(self, table: Tensor) -> None:
        """Set weights and bias from a table (outputs, features)."""
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
    """The map y = W x + b of vectors (B, inputs)."""

    def __init__(self, inputs: int, outputs: int, bias: bool = True) -> None:
        super().__init__()
        self._make((outputs, inputs), inputs, bias)

    def part(self, x: Tensor, start: int, stop: int) -> Tensor:
        bias = None if self.bias is None else self.bias[start:stop]
        return F.linear(x, self.weight[start:stop], bias)

    def columns(self, x: Tensor) -> Tensor:
        return torch.cat([x, x.new_ones(len(x), 1)], dim=1)


class Convolution(Lift):
    """The map y = W * x + b of fields (B, inputs, N) or (B, inputs, H, W).

    The field is continued beyond its edges: mirrored (half-sample symmetric) for "neumann",
    mirrored with the opposite sign for "dirichlet", wrapped for "periodic". Zero padding would act
    as a source at every edge.

    Args:
        inputs: number of input channels.
        outputs: number of output channels.
        kernel: width in cells, odd.
        dims: 1 or 2.
        boundary: "neumann", "dirichlet" or "periodic".
        bias: add b.
        symmetric: ``columns`` are sums over the symmetries of the square (or of the line), so that
            a closed form finds an isotropic map with fewer weights.
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
        if self.margin == 0:  # a matrix at each cell, as one product: faster, also its gradient
            places = x.movedim(1, -1)
            rows = F.linear(places.flatten(0, -2), weight.flatten(1), bias)
            return rows.unflatten(0, places.shape[:-1]).movedim(-1, 1)
        if lines.covers(x):
            return lines.convolve(x, weight, bias, self.boundary)
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
    """Convolve x with ``weight``, as one matrix product and a sum over its shifted planes.

    For few outputs of many inputs it copies less than PyTorch's convolution in float64: a readout
    of 7 x 7 is 20 times faster.
    """
    outputs, inputs, *kernel = weight.shape
    space = [n - k + 1 for n, k in zip(x.shape[2:], kernel, strict=True)]
    # An aligned copy: the last bits of a product depend on the alignment of its factors.
    rows = weight.movedim(1, -1).reshape(-1, inputs).clone(memory_format=torch.contiguous_format)
    found = (rows @ x.flatten(2)).reshape(len(x), outputs, -1, *x.shape[2:])
    total = x.new_zeros(len(x), outputs, *space)
    for plane, corner in zip(found.unbind(2), product(*map(range, kernel)), strict=True):
        total = total + plane[:, :, *(slice(c, c + n) for c, n in zip(corner, space, strict=True))]
    return total if bias is None else total + bias.reshape(-1, *[1] * len(kernel))


def kernels(width: int, dims: int, symmetric: bool) -> Tensor:
    """Return a basis of kernels (n, *kernel), one for each place in the kernel.

    If ``symmetric``, one for each set of places that the symmetries of the square (or of the line)
    map onto each other.
    """
    # Always on the CPU: the meta device has no values to compare.
    places = torch.arange(width**dims, device="cpu").reshape([width] * dims)
    if not symmetric:
        return torch.eye(width**dims).reshape(-1, *[width] * dims)
    first = torch.stack(images(places)).amin(0)
    return torch.stack([(first == place).float() for place in first.unique()])


def images(x: Tensor, dims: int | None = None) -> list[Tensor]:
    """Return x under each symmetry of its last ``dims`` axes (all): 2 of a line, 8 of a square."""
    axes = range(x.ndim - (x.ndim if dims is None else dims), x.ndim)
    found = [x.flip(chosen) for n in range(len(axes) + 1) for chosen in combinations(axes, n)]
    return found + [image.transpose(-2, -1) for image in found] if len(axes) == 2 else found


def extend(x: Tensor, margin: int, boundary: Boundary) -> Tensor:
    """Continue x (B, C, *space) by ``margin`` cells beyond each edge."""
    if margin == 0:
        return x
    extended: Tensor = Extension.apply(x, margin, boundary)
    return extended


class Extension(torch.autograd.Function):
    """The function ``extend``; its gradient adds the margins back, far faster than that of F.pad.

    The result has its channels last in memory, which a CPU convolves faster. Measured by
    scripts/benchmark/convolutions.py. Forward-mode differentiation and torch.func are supported.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, margin: int, boundary: Boundary) -> Tensor:
        sizes = [n + 2 * margin for n in x.shape[2:]]
        inner = out = x.new_empty(x.shape[0], *sizes, x.shape[1]).movedim(-1, 1)
        for axis in range(2, x.ndim):
            inner = inner.narrow(axis, margin, x.shape[axis])
        inner.copy_(x)
        for axis in range(2, x.ndim):  # later axes also continue the margins of earlier ones
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
    """Yield each margin of x along ``axis``, the inner cells that it copies, and their sign."""
    last = x.shape[axis] - margin
    sign = -1 if boundary == "dirichlet" else 1
    if boundary == "periodic":
        yield x.narrow(axis, 0, margin), x.narrow(axis, last - margin, margin), sign
        yield x.narrow(axis, last, margin), x.narrow(axis, margin, margin), sign
        return
    for k in range(margin):  # mirrored cell by cell: a flip would be a copy, not a view
        yield x.narrow(axis, k, 1), x.narrow(axis, 2 * margin - 1 - k, 1), sign
        yield x.narrow(axis, last + k, 1), x.narrow(axis, last - 1 - k, 1), sign
