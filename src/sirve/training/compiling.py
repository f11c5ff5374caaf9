"""Training with a compiled step: ``torch.compile`` of what a core computes for each state."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from sirve.cores import Core
from sirve.errors import UserError, one_line


def require_compiles(core: Core) -> None:
    """Raise UserError if the core names no step, or if this machine cannot compile."""
    if core.step is None:
        raise UserError(
            f"trainer.compile=true: {type(core).__name__} names no step to compile; "
            "give trainer.compile=false, or model=resgru, reslstm, rescnn or stacked"
        )
    try:
        torch.compile(_trial)(torch.ones(8))
    except Exception as error:  # whatever compiler, linker or file system says
        raise UserError(
            f"trainer.compile=true: PyTorch cannot compile here ({one_line(str(error))}); install "
            "a C++ compiler such as g++, or give trainer.compile=false"
        ) from error


@contextmanager
def compiled(core: Core, wanted: bool) -> Iterator[None]:
    """Let the core compute its step by a compiled function while its gradients are wanted.

    Forecasts and validations, which need none, go on as they are: their batches have other sizes,
    and each size would be compiled anew.
    """
    if not wanted:
        yield
        return
    assert core.step is not None
    plain = getattr(core, core.step)
    torch.compiler.reset()  # after some compilations of a function, later ones are left out
    fast = torch.compile(plain, dynamic=False)

    def step(*inputs: Any) -> Any:
        return fast(*tree_map(_alike, inputs)) if torch.is_grad_enabled() else plain(*inputs)

    setattr(core, core.step, step)
    try:
        yield
    finally:
        delattr(core, core.step)


def _alike(x: Tensor) -> Tensor:
    """Return x in one memory format and with a gradient: each combination is compiled anew."""
    return x.contiguous() if x.requires_grad else x.contiguous().detach().requires_grad_()


def _trial(x: Tensor) -> Tensor:
    return x.sin() + 1
