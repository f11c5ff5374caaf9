"""Selective state space models of the package mambapy, for vectors."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sirve.cores.base import Core, make_lift, require_positive, zeroed
from sirve.cores.delays import require_vector
from sirve.cores.third_party.importing import import_package

Memory = tuple[Tensor, Tensor]


class Mamba(Core):
    """A selective state space model (Mamba), for vectors (C,).

        y = x + scale * readout(a_L, x),   a_l = a_{l-1} + block_l(norm(a_{l-1})),   a_0 = W x + b

    Each block has 2 ``width`` channels u, smoothed by a convolution over the last 4 times and a
    SiLU. Each of these channels has a memory h of ``states`` numbers,

        h_t = exp(delta_t A) h_{t-1} + delta_t B_t u_t,   output C_t h_t + D u_t times a gate,

    where delta, B and C are linear in u_t. This is linear in h, so a sequence is one parallel scan.
    The memory of the core is h and the last 3 inputs of the convolution. Weights, the scan and its
    gradient are mambapy's. The code here runs them from a given memory, returns the memory after,
    and keeps the type of the core, which mambapy's ``forward`` does not.

    Args:
        shape: of a state, (C,).
        width: number of channels a.
        layers: number of blocks L.
        states: numbers of memory of a channel u.
        covariates: number of further channels of x that are given and never predicted.

    Raises:
        ValueError: states are frames, a number is not positive, or mambapy is missing.

    Source: A. Gu, T. Dao, COLM 2024, sections 3.2 to 3.4; code: mambapy, mambapy.mamba.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        width: int = 32,
        layers: int = 2,
        states: int = 16,
        covariates: int = 0,
    ) -> None:
        require_vector("Mamba", shape, "model=fno, unet or stacked")
        super().__init__(shape, residual=True, covariates=covariates)
        require_positive(width=width, layers=layers, states=states)
        inputs = shape[0] + covariates
        package = import_package("mambapy.mamba", "mambapy")
        config = package.MambaConfig(d_model=width, n_layers=layers, d_state=states)
        self.enter = make_lift(inputs, width, 0, 1, None)
        self.blocks = nn.ModuleList(package.ResidualBlock(config) for _ in range(layers))
        self.readout = zeroed(make_lift(width + inputs, shape[0], 0, 1, None))

    def features(
        self, x: Tensor, state: tuple[Memory, ...] | None = None
    ) -> tuple[Tensor, tuple[Memory, ...]]:
        a, after = self.enter(x.flatten(0, 1)).unflatten(0, x.shape[:2]), []
        for k, block in enumerate(self.blocks):
            more, memory = _mixed(block, a, None if state is None else state[k])
            a = a + more
            after.append(memory)
        return torch.cat([a, x], dim=2), tuple(after)


def _mixed(layer: Any, a: Tensor, memory: Memory | None) -> tuple[Tensor, Memory]:
    """Return what a layer adds to a (B, T, width) from ``memory`` on, and the memory after."""
    block, a = layer.mixer, layer.norm(a)
    inner, states = block.A_log.shape
    u, gate = block.in_proj(a).chunk(2, dim=-1)
    if memory is None:
        reach = block.config.d_conv - 1
        memory = u.new_zeros(len(u), inner, states), u.new_zeros(len(u), inner, reach)
    h, before = memory
    line = torch.cat([before, u.transpose(1, 2)], dim=2)
    smooth = F.conv1d(line, block.conv1d.weight, block.conv1d.bias, groups=inner)
    u = F.silu(smooth).transpose(1, 2)
    sizes = (block.config.dt_rank, states, states)
    delta, b, c = block.x_proj(u).split(sizes, dim=-1)
    delta = F.softplus(block.dt_proj(delta))[..., None]
    decay = torch.exp(-delta * block.A_log.exp())  # (B, T, inner, states), as h
    drive = delta * b[:, :, None] * u[..., None]
    hs = _scan(decay, drive, h)
    out = (hs @ c[..., None]).squeeze(3) + block.D * u
    y = block.out_proj(out * F.silu(gate))
    return y, (hs[:, -1], line[:, :, u.shape[1] :])


def _scan(decay: Tensor, drive: Tensor, h: Tensor) -> Tensor:
    """Return h_t = decay_t h_{t-1} + drive_t at all times (B, T, inner, states), from h on."""
    first = decay[:, :1] * h[:, None] + drive[:, :1]
    if decay.shape[1] == 1:
        return first
    scan = import_package("mambapy.pscan", "mambapy").pscan
    found: Tensor = scan(decay, torch.cat([first, drive[:, 1:]], dim=1))
    return found
