"""Linear maps: design matrices, and convolutions that continue a field beyond its boundary."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import correlate

from sirve.cores.lift import Boundary, Convolution, Lift, Matrix, extend

MODE = {"neumann": "reflect", "periodic": "wrap"}  # SciPy's names


@settings(deadline=None, derandomize=True, max_examples=30)
@given(
    dims=st.integers(0, 2),
    kernel=st.sampled_from([1, 3, 5]),
    boundary=st.sampled_from(["neumann", "dirichlet", "periodic"]),
    inputs=st.integers(1, 3),
    outputs=st.integers(1, 3),
    bias=st.booleans(),
)
def test_forward_equals_columns_times_table(
    dims: int, kernel: int, boundary: Boundary, inputs: int, outputs: int, bias: bool
) -> None:
    lift: Lift = (
        Matrix(inputs, outputs, bias)
        if dims == 0
        else Convolution(inputs, outputs, kernel, dims, boundary, bias)
    )
    lift = lift.double()
    if lift.bias is not None:
        torch.nn.init.normal_(lift.bias)
    x = torch.randn(2, inputs, *(6, 7)[:dims], dtype=torch.float64)
    rows = lift.columns(x) @ lift.table().T
    expected = lift(x).movedim(1, -1).reshape(-1, outputs)
    torch.testing.assert_close(rows, expected, rtol=0, atol=1e-12)


def test_assign_is_the_inverse_of_table() -> None:
    lift = Convolution(2, 3, 3, 2, "neumann").double()
    table = torch.randn(3, 2 * 9 + 1, dtype=torch.float64)
    lift.assign(table)
    assert torch.equal(lift.table(), table)


@pytest.mark.parametrize("kernel", [3, 5, 7])
@pytest.mark.parametrize("boundary", ["neumann", "periodic"])
def test_convolution_continues_the_field_as_scipy_does(boundary: Boundary, kernel: int) -> None:
    lift = Convolution(1, 1, kernel, 2, boundary, bias=False).double()
    x = np.random.default_rng(0).normal(size=(9, 8))
    expected = correlate(x, lift.weight.detach().numpy()[0, 0], mode=MODE[boundary])
    found = lift(torch.as_tensor(x)[None, None]).detach().numpy()[0, 0]
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("margin", [1, 2])
def test_a_dirichlet_field_is_odd_about_its_boundary(margin: int) -> None:
    n = 6
    x = torch.sin(torch.pi * (torch.arange(n, dtype=torch.float64) + 0.5) / n)  # 0 at both ends
    far = torch.arange(-margin, n + margin, dtype=torch.float64)
    expected = torch.sin(torch.pi * (far + 0.5) / n)
    torch.testing.assert_close(extend(x[None, None], margin, "dirichlet")[0, 0], expected)


def test_parts_equal_rows_of_the_whole() -> None:
    lift = Convolution(2, 6, 3, 2, "neumann").double()
    x = torch.randn(3, 2, 5, 4, dtype=torch.float64)
    torch.testing.assert_close(lift.part(x, 2, 5), lift(x)[:, 2:5], rtol=0, atol=1e-13)


def by_cat(x: torch.Tensor, margin: int, boundary: Boundary) -> torch.Tensor:
    """Compute ``extend`` by concatenation, with torch's gradients."""
    for axis in range(2, x.ndim):
        first, last = x.narrow(axis, 0, margin), x.narrow(axis, x.shape[axis] - margin, margin)
        if boundary == "periodic":
            first, last = last, first
        else:
            sign = -1 if boundary == "dirichlet" else 1
            first, last = first.flip(axis) * sign, last.flip(axis) * sign
        x = torch.cat([first, x, last], dim=axis)
    return x


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch.func's own import
@pytest.mark.parametrize("boundary", ["neumann", "dirichlet", "periodic"])
@pytest.mark.parametrize(("cells", "margin"), [((6,), 1), ((6,), 6), ((4, 5), 1), ((4, 5), 3)])
def test_extend_and_its_derivatives_equal_those_of_concatenation(
    cells: tuple[int, ...], margin: int, boundary: Boundary
) -> None:
    x = torch.randn(2, 3, *cells, dtype=torch.float64, requires_grad=True)
    tangent = torch.randn_like(x)
    expected = by_cat(x, margin, boundary)
    assert torch.equal(extend(x, margin, boundary), expected)

    def both(f: Any) -> list[torch.Tensor]:
        def cubed(x: torch.Tensor) -> torch.Tensor:
            return f(x, margin, boundary) ** 3

        (gradient,) = torch.autograd.grad(cubed(x).sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(gradient.sum(), x)
        forward = torch.func.jvp(cubed, (x,), (tangent,))[1]
        mapped = torch.func.vmap(torch.func.grad(lambda x: cubed(x[None]).sum()))(x)
        return [gradient, second, forward, mapped]

    for found, right in zip(both(extend), both(by_cat), strict=True):
        torch.testing.assert_close(found, right, rtol=0, atol=1e-12)
