"""One step of a forecaster as a torch.export program, for use without sirve."""

import io
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from sirve.cores import Core
from sirve.errors import UserError


class Step(nn.Module):
    """Maps (x, *state) to (y, *state) in physical units: y is the state one time step after x.

    x and y are (B, *shape) in float64; covariates are the channels after the predicted ones, equal
    in x and y. The tensors of the core's state are (B, ...), in the core's type, in a flat list:
    layer by layer, in each layer in the cell's order (h; of an LSTM h, c). Zeros, as in ``blank``
    (there B = 1), are the blank state; a core without memory has no state. Raises UserError for a
    core whose state is not tensors, or whose blank state is not zero.
    """

    def __init__(self, core: Core, normaliser: Any) -> None:
        super().__init__()
        self.core, self.normaliser = core, normaliser
        shape = (1, 1, core.shape[0] + core.covariates, *core.shape[1:])
        x = torch.full(shape, 0.5, dtype=core.scale.dtype)
        with torch.no_grad():
            y, after = core(x)
            self._form = None if after is None else pytree.tree_structure(after)
            leaves = _flat(after)
            if not all(isinstance(leaf, Tensor) and leaf.shape[:1] == (1,) for leaf in leaves):
                raise UserError(
                    "the core's state is not tensors (B, ...), which step.pt2 needs; make it so"
                )
            self.blank = [torch.zeros_like(leaf) for leaf in leaves]
            again, after = core(x, self._nested(self.blank))
        if not all(map(torch.equal, (y, *leaves), (again, *_flat(after)))):
            raise UserError(
                "the core's blank state is not zeros, which step.pt2 starts from; make it so"
            )

    def forward(self, x: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        read = self.normaliser(x).to(self.core.scale.dtype)
        y, after = self.core(read[:, None], self._nested(state))
        return (self.normaliser.back(y[:, 0]), *_flat(after))

    def _nested(self, state: Sequence[Tensor]) -> Any:
        return None if self._form is None else pytree.tree_unflatten(list(state), self._form)


def program(step: Step, x: Tensor) -> bytes:
    """Return ``step`` as torch.export saves it, for any batch; x (1, *shape) is an example."""
    batch = {0: torch.export.Dim("batch")}
    example = [_times(part, 2) for part in (x, *step.blank)]
    shapes = (batch, (batch,) * len(step.blank)) if step.blank else (batch,)
    try:
        with torch.no_grad():
            traced = torch.export.export(step, tuple(example), dynamic_shapes=shapes)
    except Exception as error:  # a core may do things that cannot be traced
        line = " ".join(str(error).split())[:200]
        raise UserError(f"torch.export cannot trace the core: {line}") from error
    for module in traced.graph_module.modules():
        for node in getattr(getattr(module, "graph", None), "nodes", ()):
            node.meta.pop("stack_trace", None)  # it would name folders of this machine
    file = io.BytesIO()
    torch.export.save(traced, file)
    return file.getvalue()


@torch.no_grad()
def iterate(
    step: Callable[..., Sequence[Tensor]], blank: Sequence[Tensor], context: Tensor, steps: int
) -> Tensor:
    """Return the ``steps`` states after a context (B, c, *shape), by iterating a step program."""
    state = [_times(part, len(context)) for part in blank]
    for x in context.unbind(1):
        y, *state = step(x, *state)
    out = [y]
    for _ in range(steps - 1):
        y, *state = step(y, *state)
        out.append(y)
    return torch.stack(out, dim=1)


def _times(part: Tensor, batch: int) -> Tensor:
    return part.repeat(batch, *[1] * (part.ndim - 1))


def _flat(state: Any) -> list[Any]:
    return [] if state is None else pytree.tree_leaves(state)
