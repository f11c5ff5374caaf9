"""Build an object from a config node with ``_target_``, after checking its class.

The command line and ``conf/`` are trusted to name any class of the expected type. A run folder or
a checkpoint is not: for these ``trust`` names the packages that a class may come from.
"""

import inspect
import re
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, TypeVar

from sirve.errors import UserError, cut, nearest, one_line, printable

T = TypeVar("T")

TRUSTED = ("sirve", "simulators", "torch.optim", "pytorch_optimizer")
DEPTH = 16  # most levels of nodes, lists and dicts
COUNT = 10_000  # most values in a tree; a few shared lists can stand for billions

_DOTTED = re.compile(r"(?!__)[a-z_]\w*(\.(?!__)[a-z_]\w*)*", re.ASCII | re.IGNORECASE)
_KEY = re.compile(r"[a-z_]\w{0,99}", re.ASCII | re.IGNORECASE)


def trusted(packages: Sequence[str]) -> tuple[str, ...]:
    """Return sirve's packages and ``packages``; raises UserError unless these are dotted names."""
    if isinstance(packages, str) or not all(
        isinstance(name, str) and _DOTTED.fullmatch(name) for name in packages
    ):
        raise UserError(
            f"trust={printable(packages)} must be a list of packages, such as ['mine.cores']"
        )
    return (*TRUSTED, *packages)


def build(
    node: Any,
    expected: type[T],
    *args: Any,
    place: str,
    trust: Sequence[str] | None = None,
    **late: Any,
) -> T:
    """Build ``node["_target_"](*args, **rest of node, **late)``, a subclass of ``expected``.

    Only those ``late`` arguments are passed that the class takes and ``node`` does not set. A
    nested node is built in the same way; its expected class is the annotation of its parameter.
    Nothing is called before every class in the tree has been checked. If ``trust`` is given,
    nothing from other packages is imported.

    Raises UserError, naming ``place``, for a class that is missing, of another kind, not trusted,
    or refuses its parameters, and for a value that is not plain.
    """
    return _make(_Check(trust).node(node, expected, place, 0, late), args, late)


@dataclass(frozen=True)
class _Plan:
    """A node whose class, and those of its nested nodes, have been checked."""

    cls: type[Any]
    place: str
    values: dict[str, Any]  # a nested node is a _Plan


@dataclass
class _Check:
    """One walk over a tree of nodes, which calls nothing in it; ``count`` is of values so far."""

    trust: Sequence[str] | None
    count: int = field(default=0)

    def node(
        self, node: Any, expected: Any, place: str, depth: int, late: Iterable[str] = ()
    ) -> _Plan:
        """Check a node and everything in it; ``expected`` is a class or an annotation."""
        kind = _class_of(expected)
        if kind is None:
            raise UserError(
                f"{place}: a _target_ where no class is expected; nothing is built there, leave "
                "it out"
            )
        cls: type[Any] = _resolve(node, kind, place, self.trust)
        known = inspect.signature(cls).parameters
        open_ended = any(p.kind is p.VAR_KEYWORD for p in known.values())
        values = {}
        for key, value in self._items(node, place, depth):
            if key == "_target_":
                continue
            if key not in known and not open_ended:
                raise UserError(
                    f"{place}.{key}: {cls.__name__} has no such parameter; "
                    + nearest(key, set(known) - set(late))
                )
            here = f"{place}.{key}"
            if _is_node(value):
                value = self.node(value, _hint(cls, key), here, depth + 1)
            else:
                self._require_plain(value, here, depth + 1)
            values[key] = value
        return _Plan(cls, place, values)

    def _require_plain(self, value: Any, place: str, depth: int) -> None:
        """Raise UserError unless a value is a number, a string, or a list or dict of such."""
        if isinstance(value, Mapping):
            if "_target_" in value:
                raise UserError(
                    f"{place}: a _target_ inside a list or dict is never built; give it as a "
                    "parameter of its own"
                )
            for key, item in self._items(value, place, depth):
                self._require_plain(item, f"{place}.{key}", depth + 1)
        elif isinstance(value, list | tuple):
            self._require_room(len(value), place, depth)
            for i, item in enumerate(value):
                self._require_plain(item, f"{place}[{i}]", depth + 1)
        elif isinstance(value, str):
            if self.trust is not None and "${" in value:
                raise UserError(
                    f"{place}: {printable(value)} refers to another value, which an untrusted file "
                    "may not; write the value itself"
                )
        elif not isinstance(value, int | float | None):
            raise UserError(f"{place}: a {type(value).__name__} is not a plain value; write one")

    def _items(self, node: Mapping[Any, Any], place: str, depth: int) -> Iterable[tuple[str, Any]]:
        self._require_room(len(node), place, depth)
        for key, value in node.items():
            if not isinstance(key, str) or not _KEY.fullmatch(key):
                raise UserError(
                    f"{place}: the key {printable(key)} is not a name; use letters and _"
                )
            if key.startswith("_") and key != "_target_":
                raise UserError(
                    f"{place}.{key}: a name that begins with _ is no parameter; leave it out"
                )
            yield key, value

    def _require_room(self, more: int, place: str, depth: int) -> None:
        self.count += more
        if depth > DEPTH or self.count > COUNT:
            raise UserError(
                f"{cut(place)}: nested more than {DEPTH} deep or more than {COUNT} values; "
                "no configuration of sirve is like that; simplify it"
            )


def _make(plan: _Plan, args: Sequence[Any], late: Mapping[str, Any]) -> Any:
    known = inspect.signature(plan.cls).parameters
    kwargs = {k: _make(v, (), {}) if isinstance(v, _Plan) else v for k, v in plan.values.items()}
    kwargs |= {k: v for k, v in late.items() if k in known and k not in kwargs}
    try:
        return plan.cls(*args, **kwargs)
    except Exception as error:  # an optimizer's own kinds of errors, too
        raise UserError(f"{plan.place}: {one_line(str(error))}") from error


def _is_node(value: Any) -> bool:
    return isinstance(value, Mapping) and "_target_" in value


def _resolve(node: Any, expected: type[T], place: str, trust: Sequence[str] | None) -> type[T]:
    """Import the class of a node; its package is checked before and after the import.

    A target is a module and one name in it. No attribute of that name is looked up, so no alias
    leads from a trusted module to the functions of another one.
    """
    if not _is_node(node) or not isinstance(node["_target_"], str):
        raise UserError(f"{place}: has no _target_; name a subclass of {expected.__name__}")
    target = node["_target_"]
    module, _, name = target.rpartition(".")
    if not module or len(target) > 200 or not _DOTTED.fullmatch(target):
        raise UserError(f"{place}: cannot import {printable(target)}; write package.module.Class")
    _require_trusted(target, place, trust)
    try:
        cls = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        why = one_line(str(error))
        raise UserError(f"{place}: cannot import {target} ({why}); check its spelling") from error
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


def _hint(cls: type, key: str) -> Any:
    try:
        return typing.get_type_hints(cls.__init__).get(key)  # type: ignore[misc]
    except NameError:  # a name imported for type checkers only
        return None


def _class_of(hint: Any) -> type | None:
    """Return the class of an annotation, alone or with ``| None``; None if it allows any object."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        named = [part for part in typing.get_args(hint) if part is not type(None)]
        hint = named[0] if len(named) == 1 else None
    return hint if isinstance(hint, type) and hint is not object else None
