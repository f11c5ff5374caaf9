"""Hostile HDF5 files: a shard, and the rollouts of a run."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hostile_files.row import INFO, Row
from sirve.data.shards import read_shard, write_shard
from sirve.report import load_run, write_report
from sirve.report.compare.sections import settings


def shard(folder: Path) -> Path:
    x = np.random.default_rng(0).normal(size=(4, 20, 3))
    write_shard(folder / "x.hdf5", x, INFO, {}, {"versions": ["a", "b"], "seed": 0})
    return folder / "x.hdf5"


def rollouts(folder: Path) -> Path:
    from reports import make_run

    shutil.rmtree(folder)
    return make_run(folder) / "rollouts.h5"


def replaced(make: Callable[[Path], Path], name: str, how: Any) -> Callable[[Path], None]:
    """Make a valid file in which ``how`` replaces the object ``name``."""

    def build(folder: Path) -> None:
        path = make(folder)
        with h5py.File(path.with_name("secret.h5"), "w") as file:
            file["x"] = np.ones((4, 20))
        path.with_name("secret.raw").write_bytes(bytes(4 * 20 * 8))
        with h5py.File(path, "a", libver="latest") as file:
            group, _, last = name.rpartition("/")
            parent = file[group or "/"]
            shape = parent[last].shape
            del parent[last]
            how(parent, last, shape, path.parent)

    return build


def virtual(group: Any, name: str, shape: Any, folder: Path) -> None:
    layout = h5py.VirtualLayout(shape, "f8")
    layout[:] = h5py.VirtualSource(str(folder / "secret.h5"), "x", shape)
    group.create_virtual_dataset(name, layout)


def outside(group: Any, name: str, shape: Any, folder: Path) -> None:
    place = [(str(folder / "secret.raw"), 0, h5py.h5f.UNLIMITED)]
    group.create_dataset(name, shape, "f8", external=place)


def compound(group: Any, name: str, shape: Any, folder: Path) -> None:
    group.create_dataset(name, shape, np.dtype([("a", "f8"), ("b", "i4")]))


def vast(group: Any, name: str, shape: Any, folder: Path) -> None:
    group.create_dataset(name, (4, *[10**5] * (len(shape) - 1)), "f8")


def vast_chunk(group: Any, name: str, shape: Any, folder: Path) -> None:
    big = (10**4, *[10**4] * (len(shape) - 1)) if len(shape) < 3 else (100, 10**4, 100)
    most = (None,) * len(shape)
    group.create_dataset(name, shape, "f8", chunks=big, maxshape=most, fletcher32=True)


def vast_attribute(group: Any, name: str, shape: Any, folder: Path) -> None:
    group.create_dataset(name, data=np.zeros(shape))
    for i in range(20):
        group[name].attrs[f"a{i}"] = np.zeros(8000)
        group[name].attrs.create(f"b{i}", np.zeros(8000))
    group[name].attrs["text"] = np.zeros(1, "V16")


def circle(group: Any, name: str, shape: Any, folder: Path) -> None:
    group.create_dataset(name, data=np.zeros(shape))
    group.create_group("more")["again"] = group


def twice(group: Any, name: str, shape: Any, folder: Path) -> None:
    group.create_dataset(name, data=np.zeros(shape))
    group["again"] = group[name]


def many(group: Any, name: str, shape: Any, folder: Path) -> None:
    group.create_dataset(name, data=np.zeros(shape))
    for i in range(10_001):
        group.create_group(f"g{i}")


HOW: dict[str, tuple[Any, str]] = {
    "object dtype": (
        lambda g, n, s, f: g.create_dataset(n, s, h5py.string_dtype()),
        "plain numbers",
    ),
    "lists": (lambda g, n, s, f: g.create_dataset(n, s, h5py.vlen_dtype("f8")), "plain numbers"),
    "references": (lambda g, n, s, f: g.create_dataset(n, s, h5py.ref_dtype), "plain numbers"),
    "compound": (compound, "plain numbers"),
    "complex": (lambda g, n, s, f: g.create_dataset(n, s, "c16"), "plain numbers"),
    "named type": (lambda g, n, s, f: g.__setitem__(n, np.dtype("f8")), "named type"),
    "external link": (
        lambda g, n, s, f: g.__setitem__(n, h5py.ExternalLink(str(f / "secret.h5"), "x")),
        "a link to another file",
    ),
    "soft link": (lambda g, n, s, f: g.__setitem__(n, h5py.SoftLink("/scalars")), "a soft link"),
    "virtual dataset": (virtual, "put together of other datasets"),
    "external storage": (outside, "lies in another file"),
    "huge declared shape": (vast, "more bytes than the file has"),
    "huge chunk": (vast_chunk, "more bytes than the file has"),
    "compressed zeros": (
        lambda g, n, s, f: g.create_dataset(n, data=np.zeros(s), compression=9),
        "compressed or filtered",
    ),
    "opaque attribute": (vast_attribute, "neither number nor text"),
    "circle": (circle, "a second name"),
    "two names": (twice, "a second name"),
    "many groups": (many, "more than 10000 objects"),
    "a group for a dataset": (lambda g, n, s, f: g.create_group(n), ""),
    "no numbers": (lambda g, n, s, f: g.__setitem__(n, h5py.Empty("f8")), "has no numbers in it"),
}


def of_shard(folder: Path) -> object:
    return read_shard(folder / "x.hdf5", INFO)


def compared(folder: Path) -> object:
    return settings(load_run(folder))


LONG_ROW = '{"step": 1, "train/loss": 0.123456789, "train/lr": 0.1}\n'


def cut(make: Callable[[Path], Path], length: int) -> Callable[[Path], None]:
    return lambda folder: os.truncate(make(folder), length)


def written(name: str, text: str) -> Callable[[Path], object]:
    """Make a valid run, except for one file."""
    return lambda folder: rollouts(folder).with_name(name).write_text(text)


def with_unit(value: Any) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        with h5py.File(rollouts(folder), "a") as file:
            file.attrs["unit"] = value

    return make


def with_invariants(folder: Path) -> None:
    with h5py.File(rollouts(folder), "a") as file:
        for i in range(300):
            for part in ("truth", "prediction"):
                file[f"invariants/q{i}/{part}"] = np.ones((5, 61))


def filled(value: Any) -> Any:
    return lambda g, n, s, f: g.create_dataset(n, data=np.full(s, value))


HDF5 = {
    "good shard": Row(shard, of_shard, None),
    "good run": Row(rollouts, load_run, None),
    **{
        f"shard, {k}": Row(replaced(shard, "t0_fields/y", h), of_shard, r)
        for k, (h, r) in HOW.items()
    },
    **{f"run, {k}": Row(replaced(rollouts, "truth", h), load_run, r) for k, (h, r) in HOW.items()},
    "run, a truth of inf": Row(
        replaced(rollouts, "truth", filled(np.inf)), write_report, "is not finite"
    ),
    "run, a time of nan": Row(
        replaced(rollouts, "time", filled(np.nan)), load_run, "is not finite"
    ),
    "run, no context": Row(
        replaced(
            rollouts, "context", lambda g, n, s, f: g.create_dataset(n, (s[0], 0, *s[2:]), "f4")
        ),
        load_run,
        "holds context of the shape",
    ),
    "run, words for a unit": Row(with_unit(["a" * 9000] * 9), load_run, "a unit that is no number"),
    "run, a unit of next to nothing": Row(with_unit(1e-320), load_run, "is not finite"),
    "run, 300 invariants": Row(with_invariants, load_run, "more than 20 invariants"),
    "shard, numbers without a shape": Row(
        replaced(shard, "t0_fields/y", lambda g, n, s, f: g.__setitem__(n, 1.0)), of_shard, "shape"
    ),
    "shard, empty": Row(cut(shard, 0), of_shard, "is not readable"),
    "shard, cut off": Row(cut(shard, 3000), of_shard, "is not readable"),
    "run, cut off": Row(cut(rollouts, 3000), load_run, "is not readable"),
    "run, nested JSON": Row(written("metrics.json", "[" * 100_000), load_run, "is damaged"),
    "run, long JSON": Row(written("metrics.json", "[],\n" * 3_000_000), load_run, "more than 10"),
    "run, nested rows": Row(written("metrics.jsonl", "[" * 100_000), load_run, None),
    "run, long rows": Row(written("metrics.jsonl", LONG_ROW * 500_000), load_run, None),
    "run, many rows": Row(written("metrics.jsonl", '{"a":1}\n' * 3_000_000), load_run, "longer"),
    "run, a config of aliases": Row(written("config.yaml", "a: &a [1]\nb: *a\n"), compared, None),
}
