"""Lyapunov exponents of a free-running core, which is an autonomous map of (x, memory)."""

import copy
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.func import jvp, vmap
from torch.utils import _pytree as pytree

from sirve.cores import Core

CONFIDENCE = 1.96  # standard errors on each side
BOUND = 10.0  # in normalised units; an orbit beyond it has left the range of the data


@dataclass(frozen=True)
class Spectrum:
    """The largest exponents in 1/time, as they converge.

    ``value`` (m, k) is their mean over ``orbits`` after an averaging time ``time`` (m,), ``error``
    half of its 95 % interval; ``escaped`` orbits left the range of the data and do not count.
    """

    time: Tensor
    value: Tensor
    error: Tensor
    orbits: int
    escaped: int


@torch.no_grad()
def exponents(
    core: Core,
    context: Tensor,
    dt: float,
    count: int = 3,
    steps: int = 1000,
    turning: int = 200,
    every: int = 5,
) -> Spectrum | None:
    """Return the ``count`` largest exponents of (x_t, s_t) -> (x_{t+1}, s_{t+1}) = core(x_t, s_t).

    Each of B orbits starts at the end of its ``context`` (B, c, *shape), normalised. ``count``
    tangent vectors are propagated along it by forward-mode derivatives, all vectors and orbits at
    once, and orthonormalised every ``every`` steps; the logarithms of the diagonal of R are
    averaged over ``steps``, after ``turning`` steps in which the vectors align. In float64.

    A memory of n numbers adds n exponents to those of the system. If the memory follows x they are
    strongly negative, but they may lie between those of the system. Returns None where fewer than
    two orbits stay within the range of the data.

    Source: G. Benettin et al., Meccanica 15 (1980) 9-20; for trained networks, J. Pathak et al.,
    Chaos 27 (2017) 121102, section III.
    """
    core = copy.deepcopy(core).double().requires_grad_(False)
    y, state = core(context.double())
    step, z = _autonomous(core, y[:, -1:], state, every)
    own = core.predicted(y)[:, -1].numel() // len(y)
    k = min(count, z.shape[1])
    generator = torch.Generator().manual_seed(0)
    tangents = torch.randn(len(z), z.shape[1], k, dtype=z.dtype, generator=generator).to(z.device)
    tangents = torch.linalg.qr(tangents).Q
    stays = torch.ones(len(z), dtype=torch.bool, device=z.device)
    logs = []
    for _ in range((turning + steps) // every):
        z, moved = _push(step, z, tangents)
        tangents, r = torch.linalg.qr(moved)
        logs.append(r.diagonal(dim1=1, dim2=2).abs().clamp_min(1e-300).log())
        stays &= (z[:, :own].abs() < BOUND).all(1) & z.isfinite().all(1)
    kept = int(stays.sum())
    if kept < 2:
        return None
    grown = torch.stack(logs[turning // every :])[:, stays].cumsum(0)  # (m, B, k)
    time = dt * every * torch.arange(1, len(grown) + 1, dtype=z.dtype, device=z.device)
    rate = grown / time[:, None, None]
    error = CONFIDENCE * rate.std(1) / kept**0.5
    return Spectrum(time, rate.mean(1), error, kept, len(z) - kept)


def _autonomous(
    core: Core, x: Tensor, state: Any, every: int
) -> tuple[Callable[[Tensor], Tensor], Tensor]:
    """Return ``every`` steps as one map of vectors z = (x, memory) (B, n), and the first z.

    Covariates are constants of the map and not part of z.
    """
    covariates = x[:, :, core.shape[0] :]
    memory, form = pytree.tree_flatten(state if state is not None else ())
    leaves = [core.predicted(x), *memory]
    shapes = [leaf.shape[1:] for leaf in leaves]
    sizes = [shape.numel() for shape in shapes]

    def pack(parts: list[Tensor]) -> Tensor:
        return torch.cat([part.flatten(1) for part in parts], dim=1)

    def step(z: Tensor) -> Tensor:
        parts = zip(z.split(sizes, dim=1), shapes, strict=True)
        own, *rest = (part.unflatten(1, shape) for part, shape in parts)
        state = pytree.tree_unflatten(rest, form) if rest else None
        for _ in range(every):
            y, state = core(torch.cat([own, covariates], dim=2) if core.covariates else own, state)
            own = core.predicted(y)
        return pack([own, *pytree.tree_leaves(state)] if rest else [own])

    return step, pack(leaves)


def _push(step: Callable[[Tensor], Tensor], z: Tensor, tangents: Tensor) -> tuple[Tensor, Tensor]:
    """Return step(z) (B, n), and its derivative along each of the tangents (B, n, k)."""

    def along(v: Tensor) -> Any:
        return jvp(step, (z,), (v,))

    with warnings.catch_warnings():  # torch loads its own scripted formulas at the first call
        warnings.filterwarnings("ignore", "`torch.jit.script", DeprecationWarning)
        after, moved = vmap(along, in_dims=2)(tangents)
    return after[0], moved.movedim(0, 2)
