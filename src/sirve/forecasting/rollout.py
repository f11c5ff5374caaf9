"""The rollout: read the context, then feed a core its own output."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from sirve.cores import Core

PIECE = 50  # states read at once when teacher-forced, so that memory does not grow with length


def rollout(core: Core, context: Tensor, steps: int, state: Any = None) -> tuple[Tensor, Any]:
    """Return the predictions (B, c - 1 + steps, *shape) from a context, and the state after.

    The first c - 1 are teacher-forced, each one step ahead of a state of the context. The last
    ``steps`` run free: the first starts from the context's last state, and each further one from
    the prediction before it.

    Laws: ``steps=1`` is the core itself; n steps, then m more from the last prediction and the
    returned state, are n + m steps.

    Args:
        core: predicts the next state.
        context: normalised states (B, c, *shape), c >= 1.
        steps: free steps, at least 1.
        state: the core's memory before the context; None is blank.
    """
    y, state = core(context, state)
    if steps == 1:
        return y, state
    future, state = core.roll(y[:, -1:], state, steps - 1)
    return torch.cat([y, future], dim=1), state


def forced(length: int, context: int) -> Iterator[tuple[slice, int]]:
    """Yield pieces of ``length`` states to read teacher-forced, PIECE at a time.

    With each slice of times comes the number of its states that lie before the last state of the
    context: predictions from them do not count.
    """
    for first in range(0, length, PIECE):
        last = min(first + PIECE, length)
        yield slice(first, last), min(max(0, context - 1 - first), last - first)


def pieces(
    core: Core, context: Tensor, steps: int, length: int = 256, state: Any = None
) -> Iterator[Tensor]:
    """Yield the ``steps`` free states of ``rollout``, at most ``length`` at a time.

    Memory does not grow with ``steps``, and the caller may stop early.
    """
    y, state = core(context, state)
    y = y[:, -1:]
    yield y
    for first in range(1, steps, length):
        y, state = core.roll(y[:, -1:], state, min(length, steps - first))
        yield y
