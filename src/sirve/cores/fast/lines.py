"""Convolutions on a line as matrix products, which a CPU computes faster for small batches."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


def covers(x: Tensor) -> bool:
    """Return True if ``convolve`` is the faster way for x: a line on a CPU, in full precision."""
    mixed = torch.is_autocast_enabled(x.device.type)
    return (
        x.ndim == 3 and x.device.type == "cpu" and not mixed and not torch.compiler.is_exporting()
    )


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, boundary: str) -> Tensor:
    """Convolve x (B, C, N) with ``weight`` (O, C, K), the field continued beyond its edges.

    It gives the same as ``lift.extend`` and ``F.conv1d``, to rounding. The cells that each result
    reads are gathered into a row of a matrix, with the channels last in memory, which is then
    multiplied by the kernels. Measured by `scripts/benchmark.py train`. Forward-mode
    differentiation and torch.func are supported.
    """
    if torch.compiler.is_compiling():  # the compiler derives and fuses the gradients itself
        return _forward(x, weight, bias, boundary)
    found: Tensor = LineConvolution.apply(x, weight, bias, boundary)
    return found


class LineConvolution(torch.autograd.Function):
    """The function ``convolve``; its gradients are matrix products of the same kind."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor | None, boundary: str) -> Tensor:
        return _forward(x, weight, bias, boundary)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, weight, bias, ctx.boundary = inputs
        ctx.save_for_backward(x, weight)
        ctx.save_for_forward(x, weight)
        ctx.biased = bias is not None

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias, _ = ctx.needs_input_grad
        outputs, inputs, width = weight.shape
        margin, gradient = width // 2, gradient.movedim(1, -1)
        dx = dw = None
        if of_x:
            mirrored = weight.flip(2).transpose(0, 1)
            if ctx.boundary == "periodic":
                dx = _product(_extend(gradient, margin, "periodic"), mirrored, None)
            else:
                far = F.pad(gradient, (0, 0, 2 * margin, 2 * margin))
                dx = _fold(_product(far, mirrored, None), margin, ctx.boundary)
            dx = dx.movedim(-1, 1)
        if of_weight:
            rows = _rows(_extend(x.movedim(1, -1), margin, ctx.boundary), width)
            dw = gradient.reshape(-1, outputs).T @ rows
            dw = dw.unflatten(1, (width, inputs)).movedim(-1, 1)
        return dx, dw, gradient.sum((0, 1)) if ctx.biased and of_bias else None, None

    @staticmethod
    def jvp(ctx: Any, x: Tensor | None, weight: Tensor | None, bias: Tensor | None, _: Any) -> Any:
        point, kernel = ctx.saved_tensors
        dx = torch.zeros_like(point) if x is None else x
        found = convolve(dx, kernel, bias, ctx.boundary)
        return found if weight is None else found + convolve(point, weight, None, ctx.boundary)


def _forward(x: Tensor, weight: Tensor, bias: Tensor | None, boundary: str) -> Tensor:
    wide = _extend(x.movedim(1, -1), weight.shape[2] // 2, boundary)
    return _product(wide, weight, bias).movedim(-1, 1)


def _extend(x: Tensor, margin: int, boundary: str) -> Tensor:
    """Continue x (B, N, C) by ``margin`` cells beyond both ends."""
    if margin == 0:
        return x
    first, last = x[:, :margin], x[:, -margin:]
    if boundary == "periodic":
        return torch.cat([last, x, first], dim=1)
    sign = -1 if boundary == "dirichlet" else 1
    return torch.cat([sign * first.flip(1), x, sign * last.flip(1)], dim=1)


def _fold(x: Tensor, margin: int, boundary: str) -> Tensor:
    """Add what lies beyond the ends to the cells that it mirrors: the adjoint of ``_extend``."""
    sign = -1 if boundary == "dirichlet" else 1
    inner, rest = x[:, margin : x.shape[1] - margin], x.shape[1] - 3 * margin
    left, right = sign * x[:, :margin].flip(1), sign * x[:, x.shape[1] - margin :].flip(1)
    return inner + F.pad(left, (0, 0, 0, rest)) + F.pad(right, (0, 0, rest, 0))


def _rows(x: Tensor, width: int) -> Tensor:
    """Return the ``width`` cells from each on, side by side: (B, N, C) to (B * n, width * C)."""
    return x.unfold(1, width, 1).movedim(-1, 2).reshape(-1, width * x.shape[2])


def _product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Convolve x (B, N, C) with ``weight`` (O, C, K), channels last: (B, n, O)."""
    outputs, inputs, width = weight.shape
    kernels = weight.movedim(1, -1).reshape(outputs, width * inputs)
    found = F.linear(_rows(x, width), kernels, bias)
    return found.reshape(-1, x.shape[1] - width + 1, outputs)
