"""Hostile checkpoints, each x.ckpt in its own folder."""

import os
import pickle
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

import sirve
from hostile_files.row import INFO, Row
from sirve.cores import GRU, Recurrent
from sirve.forecasting.checkpoint import save
from sirve.forecasting.forecaster import Forecaster
from sirve.forecasting.normaliser import Normaliser
from sirve.runs.saved import Saved

MODEL = {"_target_": "sirve.cores.Recurrent", "cell": {"_target_": "sirve.cores.GRU"}, "hidden": 4}


class Payload:
    """An object that creates the canary file when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = str(canary)

    def __reduce__(self) -> Any:
        return (open, (self.canary, "w"))


class Call:
    """An object that calls ``function`` when it is unpickled."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.call = (function, args)

    def __reduce__(self) -> Any:
        return self.call


def payload(folder: Path) -> Payload:
    return Payload(folder.parent / "canary")


def good_checkpoint(folder: Path, dtype: torch.dtype = torch.float32) -> Path:
    core = Recurrent((3,), GRU(), hidden=4).to(dtype)
    forecaster = Forecaster(core, Normaliser(np.zeros(3), np.ones(3), 0), MODEL, INFO, [1.0] * 3)
    save(forecaster, folder / "x.ckpt")
    (folder / "x.ckpt.sha256").unlink()
    return folder / "x.ckpt"


def changed(*keys: str, value: Any) -> Callable[[Path], None]:
    """Make a valid checkpoint, except for the value under ``keys``."""

    def make(folder: Path) -> None:
        path = good_checkpoint(folder)
        content = node = torch.load(path, weights_only=True)
        for key in keys[:-1]:
            node = node[key]
        node[keys[-1]] = value
        torch.save(content, path)

    return make


def weight(value: Any) -> Callable[[Path], None]:
    return changed("state_dict", "core.readout.weight", value=value)


def resume_point(**changes: Any) -> Callable[[Path], None]:
    """Make a checkpoint as the trainer writes it, except for ``changes``."""
    state = {"best": 1.0, "seconds": 2.0, "done": False}
    content = {"state_dict": {}, "loops": {}, "optimizer_states": [], "lr_schedulers": []}
    content |= {"global_step": 3, "callbacks": {"Saver": state}}
    return lambda folder: torch.save(content | changes, folder / "x.ckpt")


def shared() -> Any:
    """Return nested lists that share their parts: 9**12 values in a few hundred bytes."""
    value: Any = ["x"]
    for _ in range(12):
        value = [value] * 9
    return value


def tied(folder: Path) -> None:
    """One tensor of 4 MB for all weights of 100 layers, which declare 400 MB."""
    path = good_checkpoint(folder)
    content = torch.load(path, weights_only=True)
    content["sirve"]["model"] |= {"hidden": 576, "layers": 100}
    weight = torch.zeros(3 * 576, 576)
    for i in range(100):
        for part in ("w", "u"):
            content["state_dict"][f"core.layers.{i}.{part}.weight"] = weight
    torch.save(content, path)


def piped(folder: Path) -> None:
    good_checkpoint(folder)
    os.mkfifo(folder / "x.ckpt.sha256")


def pickled(folder: Path) -> None:
    with (folder / "x.ckpt").open("wb") as file:
        pickle.dump({"state_dict": payload(folder)}, file)


def torch_pickle(folder: Path, new: bool) -> None:
    content = {"state_dict": payload(folder)}
    torch.save(content, folder / "x.ckpt", _use_new_zipfile_serialization=new)


def npz(folder: Path) -> None:
    np.savez(folder / "x.npz", a=np.array([payload(folder)], object))
    (folder / "x.npz").rename(folder / "x.ckpt")


def bomb(folder: Path) -> None:
    """Compress 600 MB of zeros to 600 kB."""
    path = good_checkpoint(folder)
    deflated = zipfile.ZipFile(folder / "new", "w", zipfile.ZIP_DEFLATED, compresslevel=1)
    with zipfile.ZipFile(path) as old, deflated as new:
        for entry in old.infolist():
            new.writestr(entry.filename, old.read(entry), zipfile.ZIP_STORED)
        with new.open("x/data/99", "w") as file:
            for _ in range(600):
                file.write(bytes(10**6))
    (folder / "new").rename(path)


def false_sizes(folder: Path) -> None:
    """Let the table of contents declare an entry of 2 GB."""
    path = good_checkpoint(folder)
    data = bytearray(path.read_bytes())
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 20 : entry + 28] = (2**31).to_bytes(4, "little") * 2
    path.write_bytes(data)


def checkpoint(folder: Path) -> object:
    forecaster = sirve.load(folder / "x.ckpt")
    return forecaster.forecast(np.zeros((2, 3)), 2)


def saved(folder: Path) -> object:
    return Saved(folder / "x.ckpt")


_SPARSE = torch.sparse_coo_tensor(
    torch.tensor([[0], [0]]), torch.ones(1), (10**6, 10**6), check_invariants=True
)
_LONG = torch.zeros(10**5)
_WIDE = {"shape": [10**9], "channels": ["x"], "units": ["1"]}
CHECKPOINTS = {
    "good": Row(good_checkpoint, checkpoint, None),
    "good, float64": Row(partial(good_checkpoint, dtype=torch.float64), checkpoint, None),
    "pickle in .ckpt": Row(pickled, checkpoint, "no zip of torch"),
    "pickle in .pt, old": Row(partial(torch_pickle, new=False), checkpoint, "no zip of torch"),
    "pickle in .pt": Row(partial(torch_pickle, new=True), checkpoint, "calls 'io.open'"),
    "pickle in .npz": Row(npz, checkpoint, "without one data.pkl"),
    "1 GB by a pickle": Row(weight(Call(bytearray, 10**9)), checkpoint, "calls '"),
    "zip bomb": Row(bomb, checkpoint, "is compressed"),
    "false sizes": Row(false_sizes, checkpoint, "more bytes than the file has"),
    "expanded tensor": Row(
        weight(torch.zeros(1).expand(10**5, 10**5)), checkpoint, "fewer numbers"
    ),
    "many views of one array": Row(
        changed("more", value=[_LONG[i:] for i in range(200)]),
        checkpoint,
        "declare more bytes than the file has",
    ),
    "one array under many names": Row(tied, checkpoint, "declare more bytes than the file has"),
    **{
        f"shared lists for {keys[-1]}": Row(
            changed("sirve", *keys, value=shared()), checkpoint, "stands for more than 2000000"
        )
        for keys in (("info", "name"), ("info", "parameters", "rho"), ("std",))
    },
    "a tensor for a parameter": Row(
        changed("sirve", "info", "parameters", "rho", value=_LONG), checkpoint, "than JSON can"
    ),
    "a pipe for a checksum": Row(piped, checkpoint, "differs from its checksum"),
    "sparse tensor": Row(weight(_SPARSE), checkpoint, "calls 'torch._utils._rebuild_sparse"),
    "meta tensor": Row(
        weight(torch.empty(10**6, 10**6, device="meta")), checkpoint, "calls 'torch._utils"
    ),
    "whole numbers": Row(weight(torch.zeros(3, 7, dtype=torch.int64)), checkpoint, "not floating"),
    "no tensor": Row(weight([1.0]), checkpoint, "is a list"),
    "hidden=10**6": Row(
        changed("sirve", "model", "hidden", value=10**6), checkpoint, "its model's (3000000"
    ),
    "hidden=10**30": Row(changed("sirve", "model", "hidden", value=10**30), checkpoint, "model: "),
    "layers=10**9": Row(
        changed("sirve", "model", "layers", value=10**9), checkpoint, "more weights than the file"
    ),
    "a state of 10**9": Row(
        changed("sirve", "info", value=INFO.plain() | _WIDE),
        checkpoint,
        "does not fit its ch",
    ),
    "name ../x": Row(changed("sirve", "info", "name", value="../x"), checkpoint, "must be letters"),
    "dt is not a number": Row(
        changed("sirve", "info", "dt", value=float("nan")), checkpoint, "info.dt is nan"
    ),
    "info is a list": Row(changed("sirve", "info", value=[1]), checkpoint, "info does not have"),
    "std that is a word": Row(changed("sirve", "std", value="abc"), checkpoint, "std is 'abc'"),
    "good, to resume from": Row(resume_point(), saved, None),
    "a step that is a word": Row(resume_point(global_step="7"), saved, "has no global_step"),
    "callbacks that are a list": Row(resume_point(callbacks=[1]), saved, "has no callbacks"),
    "no loops": Row(resume_point(loops=None), saved, "has no loops"),
}
