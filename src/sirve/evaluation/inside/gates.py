"""Gates, and the conveyor belt C of an LSTM, along a forecast."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sirve.cores import Core
from sirve.evaluation.inside.reach import NAMES
from sirve.evaluation.inside.traces import traced
from sirve.forecasting.rollout import rollout

UNITS = 6  # units of the memory that are drawn one by one
SHARES = (0.1, 0.9)  # quantiles over units


@dataclass(frozen=True)
class GatePaths:
    """The values of a core's gates and memory while it reads a context, then its own predictions.

    ``activations``: by name of the gate, (3, times), mean and SHARES quantiles over units (and
    places). ``memory`` (units, times): some units of the last layer, whose numbers are ``units``,
    from the one that varies most to the one that varies least. ``name``: the symbol of the memory.
    """

    activations: dict[str, Tensor]
    name: str
    units: list[int]
    memory: Tensor


@torch.no_grad()
def gate_paths(core: Core, context: Tensor, steps: int) -> GatePaths | None:
    """Return the gates along a forecast of ``steps`` after ``context`` (1, c, *shape), normalised.

    Times are those of the states that are read: c of the context and steps - 1 predictions. In a
    convolutional core, a unit of memory is a channel at the central cell. Returns None for a core
    without recurrent cells.
    """
    with traced(core) as traces:
        rollout(core, context, steps)
    if not traces:
        return None
    activations = {}
    for number, trace in enumerate(traces, start=1):
        for name in trace.activations[0]:
            values = torch.stack([gates[name].flatten() for gates in trace.activations]).double()
            shares = torch.quantile(values, torch.tensor(SHARES).to(values), dim=1)
            label = name if len(traces) == 1 else f"{name}, layer {number}"
            activations[label] = torch.cat([values.mean(1)[None], shares])
    last = traces[-1].states
    which = min(len(last[0]), len(NAMES)) - 1
    memory = torch.stack([_central(state[which][0]) for state in last], dim=1)
    order = memory.std(1).argsort(descending=True)
    few = torch.linspace(0, len(order) - 1, min(UNITS, len(order))).round().long()
    units = order[few.to(order.device)]
    return GatePaths(activations, NAMES[which], units.tolist(), memory[units].double())


def _central(state: Tensor) -> Tensor:
    """Return the state (H, *space) at the central cell: (H,)."""
    while state.ndim > 1:
        state = state.select(1, state.shape[1] // 2)
    return state
