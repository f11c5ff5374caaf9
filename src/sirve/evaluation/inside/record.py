"""What the cells of a core do along a sequence, recorded while the core itself reads it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from sirve.cores import Cell, Core
from sirve.cores.cells import Recur, State


@dataclass(frozen=True)
class Trace:
    """Of one layer, at each time in turn: the state after it, and the activations that led there.

    The tensors are those of the core's own graph, so gradients can be taken with respect to them.
    """

    states: list[State] = field(default_factory=list)
    activations: list[dict[str, Tensor]] = field(default_factory=list)


@contextmanager
def recording(core: Core) -> Iterator[list[Trace]]:
    """One trace for each cell of ``core``, filled by whatever it reads meanwhile."""
    layers: list[Any] = [m for m in core.modules() if isinstance(getattr(m, "cell", None), Cell)]
    cells = [layer.cell for layer in layers]
    traces = [Trace() for _ in layers]
    try:
        for layer, cell, trace in zip(layers, cells, traces, strict=True):
            layer.cell = _Recorded(cell, trace)
        yield traces
    finally:
        for layer, cell in zip(layers, cells, strict=True):
            layer.cell = cell


@dataclass(frozen=True)
class _Recorded(Cell):
    """The same cell, remembered; by its type no faster path takes it for one that it knows."""

    cell: Cell
    trace: Trace

    @property
    def gates(self) -> int:  # type: ignore[override]
        return self.cell.gates

    @property
    def states(self) -> int:  # type: ignore[override]
        return self.cell.states

    @property
    def recurrent_bias(self) -> bool:
        return self.cell.recurrent_bias

    def step(self, wx: Tensor, state: State, u: Recur) -> State:
        self.trace.activations.append(self.cell.activations(wx, state, u))
        after = self.cell.step(wx, state, u)
        self.trace.states.append(after)
        return after
