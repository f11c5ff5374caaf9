"""Check that a checkpoint holds what it declares, before memory is allocated for it."""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from sirve.errors import printable

SHARED = 4  # most times that weights may be shared, as tied ones are
ROOM = 1_000_000  # bytes that tensors may declare beyond that
VALUES = 2_000_000  # most values and letters; a few shared lists can stand for billions
WEIGHTS = 10_000  # most tensors of one forecaster


def require_real(content: Any, size: int) -> None:
    """Raise ValueError for a tensor that is no plain array of numbers in a file of ``size`` bytes.

    A view of four bytes can declare any shape, one tensor can have many names, and one list can be
    part of many others; copying or printing them would take the memory. So each one is counted as
    often as it occurs.
    """
    left, values, rest = SHARED * size + ROOM, VALUES, [content]
    while rest:
        value = rest.pop()
        if isinstance(value, Tensor):
            _require_plain(value)
            left -= value.numel() * value.element_size()
            if left < 0:
                raise ValueError("its tensors declare more bytes than the file has")
        elif isinstance(value, dict | list | tuple | set | str | bytes):
            values -= len(value)
            if values < 0:
                raise ValueError(f"it stands for more than {VALUES} values and letters")
            if isinstance(value, dict):
                rest += [*value.keys(), *value.values()]
            elif not isinstance(value, str | bytes):
                rest += value


def _require_plain(value: Tensor) -> None:
    if value.layout != torch.strided or value.is_quantized or value.device.type == "meta":
        raise ValueError("it holds a tensor that is no plain array")
    if value.numel() * value.element_size() > value.untyped_storage().nbytes():
        raise ValueError(f"it holds a tensor of shape {tuple(value.shape)} with fewer numbers")


def require_fits(
    make: Callable[[], nn.Module], state: Any, prefix: str, others: Iterable[str]
) -> None:
    """Raise ValueError unless ``state`` holds the weights of the module that ``make`` builds.

    Their names begin with ``prefix``; further names must be in ``others``. The module is built
    without memory, and building stops as soon as it has more weights than ``state``.
    """
    if not isinstance(state, Mapping) or len(state) > WEIGHTS:
        raise ValueError(f"it has no weights, or more than {WEIGHTS} tensors of them")
    for name, value in state.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise ValueError(f"among its weights {printable(name)} is a {type(value).__name__}")
        if value.dtype not in (torch.float32, torch.float64):
            raise ValueError(f"its weights {printable(name)} are {value.dtype}, not floating")
    shapes = {f"{prefix}{name}": shape for name, shape in _declared(make, len(state)).items()}
    found = {name: tuple(value.shape) for name, value in state.items() if name not in set(others)}
    wrong = sorted(name for name in {*shapes, *found} if shapes.get(name) != found.get(name))
    if wrong:
        has, should = found.get(wrong[0]), shapes.get(wrong[0])
        raise ValueError(
            f"its weights {printable(wrong[0])} have shape {has}, its model's {should}"
        )


def _declared(make: Callable[[], nn.Module], limit: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the weights of the module that ``make`` builds."""
    left, here = [limit], threading.get_ident()

    def count(*_: Any) -> None:
        left[0] -= threading.get_ident() == here
        if left[0] < 0:
            raise ValueError("it declares more weights than the file has")

    silent = logging.root.manager.disable
    hook = register_module_parameter_registration_hook(count)
    try:
        logging.disable()  # the module is built once more later, and can warn then
        with torch.device("meta"):
            return {name: tuple(value.shape) for name, value in make().state_dict().items()}
    finally:
        hook.remove()
        logging.disable(silent)
