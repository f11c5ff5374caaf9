"""What made a run: code, library versions, machine."""

import ast
import hashlib
import inspect
import json
import platform
import sys
from collections.abc import Iterable
from functools import cache
from importlib.metadata import packages_distributions, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sirve.errors import UserError, one_line, warn
from sirve.io.files import read_json, write_text

_PACKAGES = ("torch", "pytorch_lightning", "pytorch_optimizer", "numpy", "scipy", "h5py")
# Another of these makes other bits, or may: the rest of the record only warns.
_BINDING = (
    *("code", "data", "machine", "torch", "pytorch_lightning", "pytorch_optimizer", "numpy"),
    *("numba", "libraries"),  # kernels that round otherwise than torch does, a model's own code
)
_SILENT = {  # no number comes from these
    *("cli", "export", "report", "tracking"),
}
_FILE = "environment.json"
_HERE = Path(__file__).parents[1]


def code_of(cls: type) -> str:
    """Digest of the module that defines a class and of those of its package that it imports,

    comments, layout and docstrings aside: results of equations, or of a solver, that were mended
    since must not be taken for new ones.
    """
    sources: dict[str, str] = {}
    _gather(cls.__module__, sources)
    return _digest(sources[name] for name in sorted(sources))


def _gather(name: str, sources: dict[str, str]) -> None:
    """The source of a module and of what it imports ``from`` its own package, by their names."""
    module = sys.modules.get(name)
    if name in sources or module is None:
        return
    try:
        sources[name] = inspect.getsource(module)
    except (OSError, TypeError):  # typed at a prompt, or compiled
        sources[name] = ""
    package = name.partition(".")[0]
    for node in ast.walk(ast.parse(sources[name])):
        imported = node.module if isinstance(node, ast.ImportFrom) else None
        if imported and imported.partition(".")[0] == package:
            _gather(imported, sources)


def here(
    classes: Iterable[type] = (),
    gpu: str | None = None,
    data: str | None = None,
    parts: Iterable[type] = (),
) -> dict[str, Any]:
    """The record of this process; ``classes`` may come from a user's own modules.

    ``data`` names, with a digest, what was brought and not simulated. ``parts`` are the classes
    that a model is made of: of other people's the version is recorded.
    """
    own = sorted(_HERE.rglob("*.py"))
    sources = [p for p in own if p.relative_to(_HERE).parts[0].removesuffix(".py") not in _SILENT]
    code = [path.read_text(encoding="utf-8") for path in sources]
    code += sorted({_source(cls) for cls in classes})
    return {
        "sirve": version("sirve"),
        "code": _digest(code),
        "data": data,
        "python": platform.python_version(),
        **{name: version(name) for name in _PACKAGES},
        "numba": version("numba") if find_spec("numba") else None,
        "libraries": _libraries(parts),
        "machine": platform.machine(),
        "cpu": _cpu(),
        "gpu": gpu,
    }


def read(run: Path) -> dict[str, Any]:
    """A run's record; empty where there is none."""
    try:
        return read_json(run / _FILE)
    except (OSError, UserError):
        return {}


def write(run: Path, record: dict[str, Any]) -> None:
    """environment.json"""
    write_text(run / _FILE, json.dumps(record, indent=1) + "\n")


def binding(then: dict[str, Any], now: dict[str, Any]) -> str:
    """What differs so that a run could not be the same bit for bit; empty where nothing does."""
    return _differences(then, now, _BINDING)


def require_same(run: Path, now: dict[str, Any], accept: bool) -> None:
    """Raise UserError where a run was made by something that could change its bits.

    What may change them only on some machines, such as another CPU, is one warning.
    """
    then = read(run)
    found = binding(then, now)
    if found and not accept:
        raise UserError(
            f"{run} was begun with {found}: it would not be the same run; go back to that, or "
            "give accept_changes=true"
        )
    others = _differences(then, now, tuple(set(now) - set(_BINDING) - {"sirve"}))
    for line in filter(None, (found, others)):
        warn(f"{run} was begun with {line}; the rest may differ in its last digits")


def _differences(then: dict[str, Any], now: dict[str, Any], keys: Iterable[str]) -> str:
    return ", ".join(
        f"{key} {one_line(str(then.get(key)))} (here {now[key]})"
        for key in sorted(keys)
        if then.get(key) != now[key]
    )


def _libraries(parts: Iterable[type]) -> str | None:
    """The installed packages, and their versions, that define any of ``parts``; None of ours."""
    tops = {cls.__module__.partition(".")[0] for cls in parts} - {"sirve", "torch"}
    owners = packages_distributions() if tops else {}
    names = {name for top in tops for name in owners.get(top, ())}
    return ", ".join(f"{name} {version(name)}" for name in sorted(names)) or None


def _source(cls: type) -> str:
    """Of the module that defines a class; empty where there is none, as in a compiled one."""
    try:
        return inspect.getsource(inspect.getmodule(cls) or cls)
    except (OSError, TypeError):
        return ""


def _digest(sources: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for source in sources:
        digest.update(_meaning(source))
    return digest.hexdigest()[:16]


@cache
def _meaning(source: str) -> bytes:
    """Kept for the next run of a sweep: to parse all of it takes half a second."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
        if isinstance(node, documented) and ast.get_docstring(node) is not None:
            node.body.pop(0)
    return ast.dump(tree).encode()


def _cpu() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2] for line in text.splitlines() if line.startswith("model name")]
    return names[0].strip() if names else platform.processor()
