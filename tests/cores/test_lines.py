"""Convolutions on a line as matrix products: the numbers and derivatives of PyTorch's own."""

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import functional as F

from sirve.cores.fast import lines
from sirve.cores.lift import Boundary, Convolution, extend


def numbers(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch.func's own import
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("boundary", ["neumann", "dirichlet", "periodic"])
@pytest.mark.parametrize(("cells", "kernel"), [(5, 3), (2, 5), (3, 1)])
def test_values_and_derivatives(cells: int, kernel: int, boundary: Boundary, bias: bool) -> None:
    """Values and first and second derivatives agree, also where the kernel spans the line."""
    given = [numbers(2, 3, cells), numbers(2, 3, kernel), *([numbers(2)] if bias else [])]

    def convolve(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor | None = None) -> torch.Tensor:
        return lines.convolve(x, w, b, boundary)

    x, *weights = given
    right = F.conv1d(extend(x, kernel // 2, boundary), *weights)
    torch.testing.assert_close(convolve(*given), right, rtol=0, atol=1e-12)
    assert gradcheck(convolve, given, check_forward_ad=True)
    assert gradgradcheck(convolve, given)


def test_mixed_precision_and_images_are_left_to_pytorch() -> None:
    line = torch.zeros(1, 2, 4)
    assert lines.covers(line)
    assert not lines.covers(line[..., None])
    with torch.autocast("cpu", torch.bfloat16):
        assert not lines.covers(line)
        assert Convolution(2, 2, 3, 1, "periodic")(line).dtype == torch.bfloat16
