"""Echo state networks: random recurrent networks of which only the readout is fitted."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sirve.cores.base import Core, make_lift, require_not_negative, require_positive, zeroed
from sirve.cores.delays import require_vector


@dataclass(frozen=True)
class EchoStateWeights:
    """Distribution of the random weights of an echo state network.

    Args:
        input_scaling: standard deviation of the weights of W.
        spectral_radius: of U.
        bias: b is uniform in +- bias.
        leak: a, the share of the state that is new at each step, above 0 and at most 1.
    """

    input_scaling: float = 0.1
    spectral_radius: float = 0.5
    bias: float = 0.5
    leak: float = 1.0

    def __post_init__(self) -> None:
        require_not_negative(
            input_scaling=self.input_scaling, spectral_radius=self.spectral_radius, bias=self.bias
        )
        if not 0 < self.leak <= 1:
            raise ValueError(f"leak={self.leak} is a share of the state: above 0, at most 1")


class EchoState(Core):
    """An echo state network of leaky units, for vectors (C,).

        h_t = (1 - a) h_{t-1} + a tanh(W x_t + U h_{t-1} + b)
        y_t = x_t + A (h_t, x_t, 1)

    W, U and b are random, and A is fitted.

    Args:
        shape: of a state, (C,).
        hidden: number of units.
        connectivity: mean number of units that feed a unit; None: all.
        squares: A reads h_t^2 as well.
        residual: add x_t, as above.
        covariates: number of further channels of x that are given and never predicted.

    Raises:
        ValueError: states are frames, or a number is not positive.

    Source: H. Jaeger et al., Neural Networks 20 (2007), eq. 2; squares, there in place of every
    second unit: J. Pathak et al., Physical Review Letters 120, 024102 (2018).
    """

    closed_form = True
    search_grid: ClassVar = {
        "input_scaling": [0.1, 0.3, 1.0],
        "spectral_radius": [0.1, 0.5, 0.9],
        "bias": [0.5],
        "leak": [0.3, 1.0],
    }
    w: Tensor
    u: Tensor
    b: Tensor
    leak: Tensor

    def __init__(
        self,
        shape: tuple[int, ...],
        hidden: int = 300,
        connectivity: int | None = 10,
        squares: bool = False,
        residual: bool = True,
        covariates: int = 0,
    ) -> None:
        require_vector("EchoState", shape, "model=convrnn, convlstm or convgru")
        super().__init__(shape, residual, covariates)
        require_positive(hidden=hidden)
        if connectivity is not None:
            require_positive(connectivity=connectivity)
        self.connectivity, self.squares = connectivity, squares
        inputs = shape[0] + covariates
        default = EchoStateWeights()
        w, u = torch.randn(hidden, inputs), torch.randn(hidden, hidden)
        self.register_buffer("w", default.input_scaling * w)
        self.register_buffer("u", default.spectral_radius / hidden**0.5 * u)
        self.register_buffer("b", default.bias * (2 * torch.rand(hidden) - 1))
        self.register_buffer("leak", torch.full((), default.leak))
        read = (2 if squares else 1) * hidden + inputs
        self.readout = zeroed(make_lift(read, shape[0], 0, 1, None))

    def init_weights(self, seed: int, **setting: Any) -> None:
        setup, hidden = EchoStateWeights(**setting), len(self.b)
        source = torch.Generator().manual_seed(seed)
        w = torch.randn(self.w.shape, generator=source, dtype=torch.float64)
        b = torch.rand(self.b.shape, generator=source, dtype=torch.float64)
        self.w.copy_(setup.input_scaling * w)
        self.u.copy_(setup.spectral_radius * unit_radius(hidden, self.connectivity, seed))
        self.b.copy_(setup.bias * (2 * b - 1))
        self.leak.fill_(setup.leak)

    def features(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        wx = nn.functional.linear(x, self.w, self.b)
        h = wx.new_zeros(len(x), len(self.b)) if state is None else state
        u, hs = self.u.T, []
        for wx_t in wx.unbind(1):
            h = torch.lerp(h, torch.tanh(torch.addmm(wx_t, h, u)), self.leak)
            hs.append(h)
        units = torch.stack(hs, dim=1)
        hidden = [units, units * units] if self.squares else [units]
        return torch.cat([*hidden, x], dim=2), h


@lru_cache(maxsize=4)  # a search uses the same matrix for every setting, and eigenvalues are slow
def unit_radius(hidden: int, connectivity: int | None, seed: int) -> Tensor:
    """Sample a matrix of spectral radius 1 with about ``connectivity`` entries per row.

    The matrix is zero if all its eigenvalues are, which happens if it is too sparse.
    """
    source = torch.Generator().manual_seed(seed)
    u = torch.randn(hidden, hidden, generator=source, dtype=torch.float64)
    if connectivity is not None and connectivity < hidden:
        chosen = torch.rand(hidden, hidden, generator=source, dtype=torch.float64)
        u = u * (chosen < connectivity / hidden)
    largest = torch.linalg.eigvals(u).abs().max()
    return u / largest if largest > 0 else torch.zeros_like(u)
