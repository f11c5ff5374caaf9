"""The drift of memory: forecasts whose memory is reset from time to time."""

import torch
from torch import Tensor

from sirve.cores import Core
from sirve.forecasting.rollout import rollout


@torch.no_grad()
def rollout_with_resets(core: Core, context: Tensor, steps: int, every: int) -> Tensor:
    """Return ``steps`` predictions (B, steps, *shape) after ``context`` (B, c, *shape), normalised.

    After every ``every`` predictions the memory is reset, and the last c states, by then
    predictions, are read as a new context. So the memory cannot drift over more than ``every``
    steps. Where ``rollout``, which keeps its memory, has a larger error than this, its memory has
    left the range that it had in training.
    """
    states, length = context, context.shape[1]
    for first in range(0, steps, every):
        count = min(every, steps - first)
        y, _ = rollout(core, states[:, -length:], count)
        states = torch.cat([states, y[:, -count:]], dim=1)
    return states[:, length:]
