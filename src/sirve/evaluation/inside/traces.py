"""Record the states and gates of a core's cells while the core reads a sequence."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from sirve.cores import Cell, Core
from sirve.cores.cells import Recur, State


@dataclass(frozen=True)
class Trace:
    """The states of one layer after each time, and the activations that led to them.

    The tensors belong to the core's own graph, so gradients with respect to them can be taken.
    """

    states: list[State] = field(default_factory=list)
    activations: list[dict[str, Tensor]] = field(default_factory=list)


@contextmanager
def traced(core: Core) -> Iterator[list[Trace]]:
    """Yield one trace for each cell of ``core``; it fills while the core reads in this context."""
    layers: list[Any] = [m for m in core.modules() if isinstance(getattr(m, "cell", None), Cell)]
    cells = [layer.cell for layer in layers]
    traces = [Trace() for _ in layers]
    try:
        for layer, cell, trace in zip(layers, cells, traces, strict=True):
            layer.cell = _TracedCell(cell, trace)
        yield traces
    finally:
        for layer, cell in zip(layers, cells, strict=True):
            layer.cell = cell


@dataclass(frozen=True)
class _TracedCell(Cell):
    """The same cell, traced; its type keeps the faster compiled paths from taking it over."""

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
