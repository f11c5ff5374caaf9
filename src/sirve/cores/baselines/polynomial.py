"""Polynomial regression on the last few states: next-generation reservoir computing."""

from math import comb
from typing import Any

import torch
from torch import Tensor

from sirve.cores.base import AnySize, make_lift, require_fits, require_positive, zeroed
from sirve.cores.delays import Delayed, require_vector
from sirve.cores.lift import Boundary

MONOMIALS = 10_000  # more columns than a least-squares fit is done with here


class Polynomial(Delayed, AnySize):
    """y = x + A p(x), p all monomials of the channels at each place, by least squares.

    The monomials are those up to ``degree`` of all channels of ``delays`` states that lie
    ``stride`` apart, place by place; the readout A is a matrix, or on fields a convolution of
    width ``kernel``, ``symmetric`` if it looks the same turned and mirrored. Raises ValueError
    for more than 10,000 monomials.

    Source: fields, by neighbourhoods: W. Barbosa, D. Gauthier, Chaos 32, 093137 (2022), section 2.
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
        require_fits(shape, kernel=kernel)
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

    p all monomials from degree 1 to ``degree``, and 1. The original takes the quadratic ones
    alone; here all lower ones are there too. Raises ValueError for frames.

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
    """All monomials of degree 1 to ``degree`` of z (B, T, n, *space), along its channels.

    Those of degree d are, for each v in turn, z_v times those of degree d - 1 in z_0, ..., z_v:
    as they are in this order too, these are the first comb(v + d - 1, d - 1).
    """
    found = [z]
    for d in range(2, degree + 1):
        parts = [
            found[-1][:, :, : comb(v + d - 1, d - 1)] * z[:, :, v : v + 1]
            for v in range(z.shape[2])
        ]
        found.append(torch.cat(parts, dim=2))
    return torch.cat(found, dim=2)
