"""Hostile configurations, as changes to a valid one of a model.

They are targets that Hydra's own list of forbidden targets allows, aliases through modules of
sirve, invalid names, and trees that hide a target. Each would create a file named canary if it
were called.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import torch

GOOD = {"_target_": "sirve.cores.Recurrent", "cell": {"_target_": "sirve.cores.GRU"}, "hidden": 4}

FUNCTIONS: dict[str, dict[str, Any]] = {
    "builtins.open": {"file": "canary", "mode": "w"},
    "urllib.request.urlretrieve": {"url": "http://127.0.0.1:9/", "filename": "canary"},
    "torch.load": {"f": "canary", "weights_only": False},
    "torch.hub.load": {"repo_or_dir": "a/b", "model": "c"},
    "torch.utils.cpp_extension.load_inline": {"name": "x", "cpp_sources": "int x;"},
    "pandas.read_pickle": {"filepath_or_buffer": "canary"},
    "joblib.load": {"filename": "canary"},
    "numpy.load": {"file": "canary", "allow_pickle": True},
    "pathlib.Path.unlink": {"self": "canary"},
    "pathlib.Path.write_text": {"self": "canary", "data": "x"},
    "shutil.copyfile": {"src": "/etc/hostname", "dst": "canary"},
    "shutil.rmtree": {"path": "canary"},
    "os.system": {"command": "touch canary"},
    "posix.system": {"command": "touch canary"},
    "logging.os.system": {"command": "touch canary"},
    "os.open": {"path": "canary", "flags": 65},
    "subprocess.Popen": {"args": ["touch", "canary"]},
    "subprocess.run": {"args": ["touch", "canary"]},
    "builtins.eval": {"source": "open('canary', 'w')"},
    "builtins.exec": {"source": "open('canary', 'w')"},
    "builtins.__import__": {"name": "evil_canary"},
    "importlib.import_module": {"name": "evil_canary"},
    "runpy.run_path": {"path_name": "evil_canary.py"},
    "pickle.load": {"file": "canary"},
    "pickle.loads": {"data": "cos\nsystem\n(S'touch canary'\ntR."},
    "codecs.open": {"filename": "canary", "mode": "w"},
    "codecs.decode": {"obj": "x", "encoding": "rot13"},
    "functools.partial": {"func": "x"},
    "hydra.utils.instantiate": {"config": "x"},
    "hydra.utils.get_method": {"path": "os.system"},
    "ctypes.CDLL": {"name": "canary"},
    "socket.create_connection": {"address": ["127.0.0.1", 9]},
    "multiprocessing.Process": {},
}
ALIASES = [
    "sirve.cli.train.os.system",
    "sirve.cli.train.main",
    "sirve.cli.train.hydra.utils.instantiate",
    "sirve.io.instantiate.import_module",
    "sirve.io.instantiate.build",
    "sirve.io.instantiate.build.__globals__",
    "sirve.forecasting.forecaster.torch.load",
    "sirve.io.checkpoints.torch.load",
    "sirve.io.checkpoints.load",
    "sirve.load",
    "sirve.data.shards.h5py.File",
    "sirve.data.simulated.generate.Parallel",
    "simulators.base.np.load",
    "torch.optim.sgd.torch.load",
    "sirve.cores.recurrent.nn.ModuleList",
    "sirve.cores.base.Tensor",
]
WRONG_KIND = [
    "sirve.tracking.wandb_tracker.WandB",
    "sirve.forecasting.forecaster.Normaliser",
    "sirve.cores.GRU",
    "simulators.Lorenz",
    "torch.optim.AdamW",
    "pytorch_optimizer.SOAP",
    "torch.nn.GRU",
    "sirve.cores.Core",  # abstract
    "sirve.cores.baselines.simple.Memoryless.features",
]
INVALID_NAMES = [
    "",
    "Recurrent",
    ".sirve.cores.Recurrent",
    "sirve.cores.",
    "sirve..cores.Recurrent",
    "sirve.cores:Recurrent",
    "os:system",
    "sirve.cores.Recurrent()",
    "sirve.cores .Recurrent",
    "sirve.cores.Recurrent\n",
    "../evil_canary.Core",
    "sirve/cores.Recurrent",
    "sirve.cores.Ｒecurrent",  # NFKC turns it into R # noqa: RUF001
    "ѕirve.cores.Recurrent",  # a Cyrillic letter # noqa: RUF001
    "sirve.cores.Recur\u200brent",
    "\x1b[2Jsirve.cores.Recurrent",
    "__main__.Core",
    "sirve.__loader__",
    "sirve.cores.__builtins__.eval",
    "sirve.cores." + "x" * 5000,
    "sirve_evil.Core",  # a prefix of letters is not a package
    "torch.optimal.SGD",
    "sirve.no.such.Core",
]
OPEN = {"_target_": "builtins.open", "file": "canary", "mode": "w"}
TREES: dict[str, dict[str, Any]] = {
    "_partial_": {"_partial_": True},
    "_args_": {"_args_": [[3]]},
    "_recursive_": {"_recursive_": False},
    "_convert_": {"_convert_": "all"},
    "_mode_": {"_mode_": "x"},
    "__class__": {"__class__": "x"},
    "an unknown parameter": {"hiden": 4},
    "nested": {"cell": OPEN},
    "nested, of the wrong kind": {"cell": {"_target_": "sirve.cores.Persistence"}},
    "nested, abstract": {"cell": {"_target_": "sirve.cores.Cell"}},
    "nested, with _args_": {"cell": {"_target_": "sirve.cores.GRU", "_args_": ["after"]}},
    "nested twice": {"cell": {"_target_": "sirve.cores.GRU", "reset": OPEN}},
    "where a number belongs": {"hidden": OPEN},
    "the right class where a number belongs": {"hidden": {"_target_": "sirve.cores.GRU"}},
    "in a list": {"hidden": [1, OPEN]},
    "in a dict": {"hidden": {"a": OPEN}},
    "deep in lists and dicts": {"hidden": {"a": [{"b": [OPEN]}]}},
    "a target that is a number": {"_target_": 3},
    "a target that is a list": {"_target_": ["os.system"]},
    "a target that is a node": {"_target_": OPEN},
}
ONLY_IN_FILES: dict[str, Any] = {
    "a reference": {"hidden": "${oc.env:HOME}"},
    "a reference in a list": {"hidden": ["${.x}"]},
    "a reference in a nested node": {"cell": {"_target_": "sirve.cores.GRU", "reset": "${a}"}},
    "a reference as target": {"_target_": "${oc.env:HOME}"},
    "a key that is a number": {3: 4},
    "a key that is not a name": {"hid\nden": 4},
    "a key in a dict": {"hidden": {"a b": 1}},
    "a tensor": {"hidden": torch.ones(1)},
    "bytes": {"hidden": b"4"},
    "a foreign package": {"_target_": "evil_canary.Core"},
    "a foreign cell": {"cell": {"_target_": "evil_canary.Cell"}},
    "a foreign module": {"_target_": "evil_canary.os.system"},
}


def deep(kind: str) -> Any:
    """Return a tree that a walk without limits would never finish."""
    if kind == "cycle":
        value: list[Any] = [1]
        value.append(value)
    elif kind == "bomb":
        value = [1]
        for _ in range(12):
            value = [value] * 9
    else:
        node: Any = [1]
        for _ in range(3000):
            node = {"list": [node], "dict": {"a": node}}[kind]
        value = node
    return {"hidden": value}


def table() -> Iterator[Any]:
    for target, keys in FUNCTIONS.items():
        yield pytest.param({"_target_": target, **keys}, id=target)
    for target in ALIASES + WRONG_KIND + INVALID_NAMES:
        yield pytest.param({"_target_": target}, id=ascii(target)[:60])
    for name, tree in TREES.items():
        yield pytest.param(tree, id=name)


def only_in_files() -> Iterator[Any]:
    for name, tree in ONLY_IN_FILES.items():
        yield pytest.param(tree, id=name)
    for kind in ("list", "dict", "cycle", "bomb"):
        yield pytest.param(deep(kind), id=f"endless {kind}")


TABLE, FILES = list(table()), list(only_in_files())
