"""Polynomial regression on the last few states: next-generation reservoir computing."""

from math import comb
from typing import Any

import torch
from torch import Tensor

from sirve.cores.base import AnySize, make_lift, require_kernels_fit, require_positive, zeroed
from sirve.cores.delays import Delayed, require_vector
from sirve.cores.lift import Boundary

MONOMIALS = 10_000  # the most columns of a least-squares fit here


class Polynomial(Delayed, AnySize):
    """Polynomial regression on the last states, for vectors and fields.

        y = x + A p(z)

    p(z) are all monomials up to ``degree`` of the channels of the last ``delays`` states in each
    cell. The readout A is a matrix, or on fields a convolution, fitted by least squares.

    Args:
        shape: of a state.
        boundary: of a field, "neumann", "dirichlet" or "periodic".
        degree: the highest degree.
        delays: number of states, including the present one.
        stride: steps between them.
        kernel: width of the convolution, in cells.
        symmetric: the convolution is invariant under turns and mirrors.
        covariates: number of further channels of x that are given and never predicted.

    Raises:
        ValueError: there are more than 10,000 monomials, or a number is not valid.

    Source, for fields by neighbourhoods: W. Barbosa, D. Gauthier, Chaos 32, 093137 (2022), section
    2.
    """

    closed_form = True

    def __init__(
        self,
        shape: tuple[int, ...],
        boundary: Boundary | None = None,
        degree: int = 3,
        delays: int = 1,
        stride: int = 1,
        kernel: int = 7,
        symmetric: bool = False,
        covariates: int = 0,
    ) -> None:
        super().__init__(shape, delays, stride, covariates=covariates)
        require_positive(degree=degree, kernel=kernel)
        require_kernels_fit(shape, kernel=kernel)
        self.degree = degree
        count = comb(self.inputs + degree, degree) - 1
        if count > MONOMIALS:
            raise ValueError(
                f"degree={degree} of {self.inputs} numbers has {count} monomials, above "
                f"{MONOMIALS}; take a lower degree or fewer delays"
            )
        dims = len(shape) - 1
        lift = make_lift(count, shape[0], dims, kernel, boundary, symmetric=symmetric)
        self.readout = zeroed(lift)

    def features(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        z, past = self.stack(x, state)
        return monomials(z, self.degree), past


class NGRC(Polynomial):
    """Next-generation reservoir computing: polynomial regression on delays, for vectors (C,).

        y_t = x_t + A p(x_t, x_{t - stride}, ..., x_{t - (delays - 1) stride})

    p are all monomials from degree 1 to ``degree``, and 1. The original takes the quadratic ones
    alone; here all lower ones are included.

    Args:
        shape: of a state, (C,).
        degree: the highest degree.
        delays: number of states, including the present one.
        stride: steps between them.
        covariates: number of further channels of x that are given and never predicted.

    Raises:
        ValueError: states are frames, or there are more than 10,000 monomials.

    Source: D. Gauthier, E. Bollt, A. Griffith, W. Barbosa, Nature Communications 12, 5564 (2021),
    eqs. 5 to 8.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        degree: int = 4,
        delays: int = 2,
        stride: int = 1,
        covariates: int = 0,
    ) -> None:
        require_vector("NGRC", shape, "model=polynomial")
        super().__init__(shape, None, degree, delays, stride, kernel=1, covariates=covariates)


def monomials(z: Tensor, degree: int) -> Tensor:
    """Return all monomials of degree 1 to ``degree`` of the channels of z (B, T, n, *space).

    Those of degree d are, for each v in turn, z_v times those of degree d - 1 in z_0, ..., z_v. In
    this order the latter are the first comb(v + d - 1, d - 1).
    """
    found = [z]
    for d in range(2, degree + 1):
        parts = [
            found[-1][:, :, : comb(v + d - 1, d - 1)] * z[:, :, v : v + 1]
            for v in range(z.shape[2])
        ]
        found.append(torch.cat(parts, dim=2))
    return torch.cat(found, dim=2)
