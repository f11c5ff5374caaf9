"""A training step of any core."""

from collections.abc import Callable

import torch
from torch import Tensor

from sirve.cores import Core

RATE = 1e-3


def adam_step(
    core: Core, x: Tensor, forward: Callable[[Tensor], Tensor] | None = None
) -> Callable[[], float]:
    """Return a function that does one step of Adam on windows (B, T, C) and returns the loss."""
    predict = forward or (lambda x: core(x)[0])
    parameters = [p for p in core.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(parameters, RATE, fused=True)

    def run() -> float:
        optimizer.zero_grad()
        loss = (((predict(x[:, :-1]) - x[:, 1:]) / core.scale) ** 2).mean()
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return run
