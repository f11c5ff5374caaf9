"""Whether memory drifts: forecasts that carry it on, beside those that make it anew."""

import torch
from torch import Tensor

from sirve.cores import Core
from sirve.forecasting.rollout import rollout


@torch.no_grad()
def reread(core: Core, context: Tensor, steps: int, every: int) -> Tensor:
    """``steps`` predictions (B, steps, *shape) after ``context`` (B, c, *shape), normalised.

    After each ``every`` of them the memory is made blank, and the last c states, by then the
    core's own, are read as a new context. All that is known of the past is c states, so nothing
    can drift but the forecast itself; where ``rollout``, which carries its memory on, errs more
    than this, the memory has gone where training never took it.
    """
    seen, length = context, context.shape[1]
    for first in range(0, steps, every):
        count = min(every, steps - first)
        y, _ = rollout(core, seen[:, -length:], count)
        seen = torch.cat([seen, y[:, -count:]], dim=1)
    return seen[:, length:]
