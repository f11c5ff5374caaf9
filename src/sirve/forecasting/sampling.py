"""Rollouts by sampling: each state is sampled from p(x_t | past) and read before the next."""

from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor

from sirve.cores import Core

ROOM = 2**24  # numbers sampled at once


def sample(core: Core, context: Tensor, steps: int, normal: Callable[[], Tensor]) -> Tensor:
    """Return one future (B, steps, *shape) for each context (B, c, *shape), normalised.

        x_{t+1} = y_t + scale * exp(log_std_t) * normal()

    ``normal`` returns standard normal numbers (B, 1, *shape) at each call. Covariates are passed
    on unchanged and are not part of the result.

    Law: where the numbers are 0, these are the ``steps`` free states of ``rollout``.
    """
    x, state, out = context, None, []
    for _ in range(steps):
        y, log_std, state = core.distribution(x, state)
        own = core.predicted(y[:, -1:]) + core.scale * torch.exp(log_std[:, -1:]) * normal()
        out.append(own)
        x = core.with_covariates(own, y[:, -1:])
    return torch.cat(out, dim=1)


def futures(core: Core, context: Tensor, steps: int, members: int, seed: int) -> Tensor:
    """Return ``members`` samples of each context: (members, B, steps, *shape)."""
    shape = core.predicted(context)[:, -1:].shape
    some = max(1, ROOM // (shape.numel() * max(steps, 256)))  # the core's state needs memory, too
    parts = []
    for numbers in torch.arange(members).split(some):
        normal = normals(seed, numbers.tolist(), shape, context)
        several = context.repeat(len(numbers), *[1] * (context.ndim - 1))
        parts.append(sample(core, several, steps, normal).unflatten(0, (len(numbers), -1)))
    return torch.cat(parts)


def normals(
    seed: int, members: Iterable[int], shape: torch.Size, like: Tensor
) -> Callable[[], Tensor]:
    """Return a function that samples standard normal numbers (members * B, ...).

    ``shape`` is that of one member, (B, ...). The numbers of a member are a function of (seed, its
    number): not of how many others there are, nor of the type and device, which are those of
    ``like``.
    """
    generators = []
    for member in members:
        key = np.random.SeedSequence(seed, spawn_key=(member,)).generate_state(1)
        generators.append(torch.Generator().manual_seed(int(key[0])))

    def normal() -> Tensor:
        draws = [torch.randn(shape, generator=g, dtype=torch.float64) for g in generators]
        return torch.cat(draws).to(like)

    return normal
