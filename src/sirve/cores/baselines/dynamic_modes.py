"""Dynamic mode decomposition: a linear map of the principal components of the states."""

from collections.abc import Iterable
from math import prod
from typing import Any

import torch
from torch import Tensor

from sirve.cores.base import make_lift, require_positive, zeroed
from sirve.cores.delays import Delayed


class DynamicModes(Delayed):
    """Exact dynamic mode decomposition, for vectors and fields.

        y = A (U' z, 1)

    z is the last ``delays`` states as one vector, U (size of z, modes) the first left singular
    vectors of all z of the training set, and A is fitted by least squares on all pairs. With ridge
    0 and without the constant, A U' = Y V S^-1 U' is the operator of Tu et al. Here states are
    normalised, and the ridge, which acts like fewer modes, is chosen by forecasts. For vectors not
    longer than ``modes`` it is ``model=linear`` without the residual.

    Args:
        shape: of a state.
        modes: number of components.
        delays: number of states, including the present one.
        stride: steps between them.
        covariates: number of further channels of x that are given and never predicted.

    Raises:
        ValueError: a number is not positive.

    Source: J. Tu et al., Journal of Computational Dynamics 1 (2014), definition 1; delays: S.
    Brunton et al., Nature Communications 8, 19 (2017).
    """

    closed_form = True
    basis: Tensor

    def __init__(
        self,
        shape: tuple[int, ...],
        modes: int = 64,
        delays: int = 1,
        stride: int = 1,
        covariates: int = 0,
    ) -> None:
        super().__init__(shape, delays, stride, residual=False, covariates=covariates)
        require_positive(modes=modes)
        size = delays * prod(shape)
        modes = min(modes, size)
        self.register_buffer("basis", torch.eye(size, modes))  # until ``fit_statistics``
        self.readout = zeroed(make_lift(modes + covariates, prod(shape), 0, 1, None))

    @torch.no_grad()
    def fit_statistics(self, sequences: Iterable[Tensor]) -> None:
        size, modes = self.basis.shape
        factor = self.basis.new_zeros(0, size)
        for x in sequences:
            z = self._parts(x[:, :-1], None)[0][:, (self.delays - 1) * self.stride :]
            factor = torch.cat([factor, z.flatten(0, 1).to(factor)])
            if len(factor) > 2 * size:  # compress all rows so far to a square triangle
                factor = torch.linalg.qr(factor, mode="r").R
        _, s, vt = torch.linalg.svd(factor, full_matrices=False)
        least = s[0] * max(factor.shape) * torch.finfo(s.dtype).eps
        found = vt[:modes].T * (s[:modes] > least)  # components below rounding are noise
        self.basis.zero_()
        self.basis[:, : found.shape[1]] = found

    def features(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        z, covariates, past = self._parts(x, state)
        return torch.cat([z @ self.basis, covariates], dim=2), past

    def _parts(self, x: Tensor, past: Any) -> tuple[Tensor, Tensor, Any]:
        """Return z (B, T, size), the covariates, which are the same in all cells, and the past."""
        stacked, past = self.stack(x, past)
        z, covariates = stacked.split([self.delays * self.shape[0], self.covariates], dim=2)
        return z.flatten(2), covariates.unsqueeze(-1).flatten(3).mean(3), past
