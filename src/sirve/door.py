"""The typed door: from a config node with ``_target_`` to an object of the class that is expected.

The command line and ``conf/`` are trusted with any class of the expected type. What comes out of a
run folder or a checkpoint is not: there ``trust`` names the packages a class may come from.
"""

import inspect
import pkgutil
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sirve.errors import UserError, nearest

T = TypeVar("T")

TRUSTED = ("sirve", "simulators", "torch.optim", "pytorch_optimizer")


def build(
    node: Any,
    expected: type[T],
    *args: Any,
    place: str,
    trust: Sequence[str] | None = None,
    **late: Any,
) -> T:
    """Build ``node["_target_"](*args, **rest of node, **late)``, a subclass of ``expected``.

    A nested node is built the same way; what it must be is the annotation of the parameter it
    goes to. Nothing is called before every class in the tree has been found fitting.

    Raises UserError, naming ``place``, for a class that is missing, not expected, not trusted, or
    refuses its parameters.
    """
    return _make(_check(node, expected, place, trust, late), args, late)


@dataclass(frozen=True)
class _Plan:
    """A node whose classes, and those of the nodes in it, have been found fitting."""

    cls: type[Any]
    place: str
    values: dict[str, Any]  # a nested node is a _Plan


def _check(
    node: Any, expected: type, place: str, trust: Sequence[str] | None, late: Iterable[str]
) -> _Plan:
    cls: type[Any] = _resolve(node, expected, place, trust)
    hints = typing.get_type_hints(cls.__init__)
    known = inspect.signature(cls).parameters
    open_ended = any(p.kind is p.VAR_KEYWORD for p in known.values())
    values = {}
    for key, value in node.items():
        if key == "_target_":
            continue
        if key not in known and not open_ended:
            raise UserError(
                f"{place}.{key}: {cls.__name__} has no such parameter; "
                + nearest(key, set(known) - set(late))
            )
        if _is_node(value):
            value = _check(value, hints.get(key, type(None)), f"{place}.{key}", trust, ())
        values[key] = value
    return _Plan(cls, place, values)


def _make(plan: _Plan, args: Sequence[Any], late: Mapping[str, Any]) -> Any:
    known = inspect.signature(plan.cls).parameters
    kwargs = {k: _make(v, (), {}) if isinstance(v, _Plan) else v for k, v in plan.values.items()}
    kwargs |= {k: v for k, v in late.items() if k in known and k not in kwargs}
    try:
        return plan.cls(*args, **kwargs)
    except Exception as error:  # an optimizer's own kinds of errors, too
        raise UserError(f"{plan.place}: {' '.join(str(error).split())}") from error


def _is_node(value: Any) -> bool:
    return isinstance(value, Mapping) and "_target_" in value


def _resolve(node: Any, expected: type[T], place: str, trust: Sequence[str] | None) -> type[T]:
    """Import the class of a node, after and before checking where it comes from."""
    if not _is_node(node) or not isinstance(node["_target_"], str):
        raise UserError(f"{place}: has no _target_; name a subclass of {expected.__name__}")
    target = node["_target_"]
    _require_trusted(target, place, trust)
    try:
        cls = pkgutil.resolve_name(target)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"{place}: cannot import {target} ({error}); check its spelling") from error
    if not (isinstance(cls, type) and issubclass(cls, expected)) or inspect.isabstract(cls):
        raise UserError(
            f"{place}: {target} is not a kind of {expected.__name__}; name a concrete class of it"
        )
    _require_trusted(cls.__module__, place, trust)
    return cls


def _require_trusted(name: str, place: str, trust: Sequence[str] | None) -> None:
    if trust is not None and not any(name == t or name.startswith(t + ".") for t in trust):
        raise UserError(
            f"{place}: {name} is outside the trusted packages ({', '.join(trust)}); "
            "if you trust this run's author, pass trust=['its.package']"
        )
