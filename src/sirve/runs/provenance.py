"""The record of what made a run: code, library versions, machine."""

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
# A change of these may change the bits of a run; a change of the others only warns.
_BINDING = (
    *("code", "data", "machine", "torch", "pytorch_lightning", "pytorch_optimizer", "numpy"),
    *("numba", "libraries"),  # numba's kernels round differently from torch's
)
_SILENT = {"api", "cli", "exporting", "report", "tracking"}  # no number depends on these
_FILE = "environment.json"
_HERE = Path(__file__).parents[1]


def code_of(cls: type) -> str:
    """Return the digest of a class's module and of the modules of its package that it imports.

    Comments, layout and docstrings do not count. Data made by equations or a solver that have
    been corrected since must not be taken for new data.
    """
    sources: dict[str, str] = {}
    _gather(cls.__module__, sources)
    return _digest(sources[name] for name in sorted(sources))


def _gather(name: str, sources: dict[str, str]) -> None:
    """Collect the sources of a module and of what it imports ``from`` its own package."""
    module = sys.modules.get(name)
    if name in sources or module is None:
        return
    try:
        sources[name] = inspect.getsource(module)
    except (OSError, TypeError):  # defined at a prompt, or compiled
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
    """Return the record of this process.

    Args:
        classes: whose modules count as code, also those of the user.
        gpu: its name, or None.
        data: the digest of the user's data, or None for simulated data.
        parts: classes that the model is made of; of other packages the versions are recorded.
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
    """Read the record of a run; empty where there is none."""
    try:
        return read_json(run / _FILE)
    except (OSError, UserError):
        return {}


def write(run: Path, record: dict[str, Any]) -> None:
    """Write environment.json."""
    write_text(run / _FILE, json.dumps(record, indent=1) + "\n")


def binding(then: dict[str, Any], now: dict[str, Any]) -> str:
    """Return the differences that may change the bits of a run; empty where there are none."""
    return _differences(then, now, _BINDING)


def require_same(run: Path, now: dict[str, Any], accept: bool) -> None:
    """Raise UserError where code or versions differ from those that started a run.

    Other differences, such as another CPU, give one warning.
    """
    then = read(run)
    found = binding(then, now)
    if found and not accept:
        raise UserError(
            f"{run} was started with {found}: it would not be the same run; go back to that, or "
            "give accept_changes=true"
        )
    others = _differences(then, now, tuple(set(now) - set(_BINDING) - {"sirve"}))
    for line in filter(None, (found, others)):
        warn(f"{run} was started with {line}; the rest may differ in its last digits")


def _differences(then: dict[str, Any], now: dict[str, Any], keys: Iterable[str]) -> str:
    return ", ".join(
        f"{key} {one_line(str(then.get(key)))} (here {now[key]})"
        for key in sorted(keys)
        if then.get(key) != now[key]
    )


def _libraries(parts: Iterable[type]) -> str | None:
    """Return the other packages, with versions, that define any of ``parts``; None for ours."""
    tops = {cls.__module__.partition(".")[0] for cls in parts} - {"sirve", "torch"}
    owners = packages_distributions() if tops else {}
    names = {name for top in tops for name in owners.get(top, ())}
    return ", ".join(f"{name} {version(name)}" for name in sorted(names)) or None


def _source(cls: type) -> str:
    """Return the source of a class's module; empty where there is none, as for compiled code."""
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
    """Parse source without docstrings; cached, since parsing everything takes half a second."""
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
