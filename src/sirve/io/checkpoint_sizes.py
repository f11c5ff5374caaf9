"""Whether what a checkpoint holds is what it says: before any memory is taken for it."""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from sirve.errors import shown

SHARED = 4  # times that weights may be held in common, as tied ones are
ROOM = 1_000_000
VALUES = 2_000_000  # and letters, of a checkpoint; a few shared lists can stand for billions
WEIGHTS = 10_000  # tensors of one forecaster


def require_real(content: Any, size: int) -> None:
    """Raise ValueError for a tensor that is no plain array of numbers in the file of ``size``.

    A view of four bytes can declare any shape, one tensor stand under many names, and one list in
    many others: whoever copies or prints them takes the memory. So each counts wherever it stands.
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
    """Raise ValueError unless ``state`` holds, under ``prefix``, the weights of what ``make``

    builds, and beside them only ``others``. It is built without memory, and given up as soon as it
    has more weights than ``state``.
    """
    if not isinstance(state, Mapping) or len(state) > WEIGHTS:
        raise ValueError(f"it has no weights, or more than {WEIGHTS} tensors of them")
    for name, value in state.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise ValueError(f"among its weights {shown(name)} is a {type(value).__name__}")
        if value.dtype not in (torch.float32, torch.float64):
            raise ValueError(f"its weights {shown(name)} are {value.dtype}, not floating")
    shapes = {f"{prefix}{name}": shape for name, shape in _declared(make, len(state)).items()}
    found = {name: tuple(value.shape) for name, value in state.items() if name not in set(others)}
    wrong = sorted(name for name in {*shapes, *found} if shapes.get(name) != found.get(name))
    if wrong:
        has, should = found.get(wrong[0]), shapes.get(wrong[0])
        raise ValueError(f"its weights {shown(wrong[0])} have shape {has}, its model's {should}")


def _declared(make: Callable[[], nn.Module], limit: int) -> dict[str, tuple[int, ...]]:
    """Shapes of the weights of what ``make`` builds."""
    left, here = [limit], threading.get_ident()

    def count(*_: Any) -> None:
        left[0] -= threading.get_ident() == here
        if left[0] < 0:
            raise ValueError("it declares more weights than the file has")

    silent = logging.root.manager.disable
    hook = register_module_parameter_registration_hook(count)
    try:
        logging.disable()  # it is built once more, and can warn then
        with torch.device("meta"):
            return {name: tuple(value.shape) for name, value in make().state_dict().items()}
    finally:
        hook.remove()
        logging.disable(silent)
