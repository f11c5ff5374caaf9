"""Echo state networks: a random recurrent network of which only the readout is fitted."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sirve.cores.base import Core, make_lift, require_not_negative, require_positive, zeroed
from sirve.cores.delays import require_vector


@dataclass(frozen=True)
class Draw:
    """How the weights are drawn.

    ``input_scaling``: deviation of the weights of W; ``spectral_radius``: spectral spectral_radius of U; ``bias``: b is
    uniform in +- bias; ``leak``: a, the share of the state that is new at each step.
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

    W, U and b are random and A is fitted. ``hidden`` units, each fed by about ``connectivity``
    others, null: by all; ``squares``: A sees h_t^2 as well. Raises ValueError for frames.

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
        self.register_buffer("w", Draw.input_scaling * torch.randn(hidden, inputs))
        self.register_buffer("u", Draw.spectral_radius / hidden**0.5 * torch.randn(hidden, hidden))
        self.register_buffer("b", Draw.bias * (2 * torch.rand(hidden) - 1))
        self.register_buffer("leak", torch.full((), Draw.leak))
        read = (2 if squares else 1) * hidden + inputs
        self.readout = zeroed(make_lift(read, shape[0], 0, 1, None))

    def init_weights(self, seed: int, **setting: Any) -> None:
        of, hidden = Draw(**setting), len(self.b)
        source = torch.Generator().manual_seed(seed)
        w = torch.randn(self.w.shape, generator=source, dtype=torch.float64)
        b = torch.rand(self.b.shape, generator=source, dtype=torch.float64)
        self.w.copy_(of.input_scaling * w)
        self.u.copy_(of.spectral_radius * of_radius_one(hidden, self.connectivity, seed))
        self.b.copy_(of.bias * (2 * b - 1))
        self.leak.fill_(of.leak)

    def features(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        wx = nn.functional.linear(x, self.w, self.b)
        h = wx.new_zeros(len(x), len(self.b)) if state is None else state
        u, found = self.u.T, []
        for wx_t in wx.unbind(1):
            h = torch.lerp(h, torch.tanh(torch.addmm(wx_t, h, u)), self.leak)
            found.append(h)
        seen = torch.stack(found, dim=1)
        hidden = [seen, seen * seen] if self.squares else [seen]
        return torch.cat([*hidden, x], dim=2), h


@lru_cache(maxsize=4)  # a search draws the same matrix for every setting, and eigenvalues are slow
def of_radius_one(hidden: int, connectivity: int | None, seed: int) -> Tensor:
    """A random matrix (hidden, hidden) of spectral spectral_radius 1, about ``connectivity`` a row not 0.

    Zero where all its eigenvalues are, as those of too sparse a matrix may be.
    """
    source = torch.Generator().manual_seed(seed)
    u = torch.randn(hidden, hidden, generator=source, dtype=torch.float64)
    if connectivity is not None and connectivity < hidden:
        chosen = torch.rand(hidden, hidden, generator=source, dtype=torch.float64)
        u = u * (chosen < connectivity / hidden)
    largest = torch.linalg.eigvals(u).abs().max()
    return u / largest if largest > 0 else torch.zeros_like(u)
