"""Hostile YAML, JSON and links: a run's config.yaml, and datasets in data/system-<hash>."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support import recipe

from hostile_files.row import Row
from simulators import Pendulum
from sirve.data.dataset import SPLITS, Dataset
from sirve.data.simulated.generate import generate
from sirve.runs import resume


def config(text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / "config.yaml").write_text(text)


def resumed(folder: Path) -> object:
    return resume.configuration(folder, {}, ())


_BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{f'*a{i - 1}, ' * 9}]\n" for i in range(1, 30))
YAML = {
    "a tag": Row(config("model: !!python/object/apply:os.system [touch canary]\n"), resumed, "tag"),
    "a harmless tag": Row(config("model: !!binary aGk=\n"), resumed, "the tag"),
    "alias bomb": Row(config(_BOMB), resumed, "an anchor or alias"),
    "nested YAML": Row(config("[" * 100_000), resumed, "more than 50 levels"),
    "long YAML": Row(config("# x\n" * 300_000), resumed, "more than 1000000 bytes"),
    "a number of 10**5 digits": Row(config("a: " + "9:" * 50_000 + "9"), resumed, "a word of more"),
    "not YAML": Row(config("a: [\x00"), resumed, "is not YAML"),
    "not a configuration": Row(config("a: 1"), resumed, "is not the configuration of a run"),
}


def made(folder: Path) -> Any:
    return generate(recipe(Pendulum()), dict.fromkeys(SPLITS, 2), folder / "data")


def moved(name: str) -> Callable[[Path], None]:
    """Make a valid dataset in which ``name`` is a link to the outside."""

    def make(folder: Path) -> None:
        path = made(folder).folder / name
        if path.name in (".lock", ".workers"):
            (folder / "elsewhere").write_text("precious")
            path.unlink()
        else:
            path.rename(folder / "elsewhere")
        path.symlink_to(folder / "elsewhere")

    return make


def manifest(change: Callable[[dict[str, Any]], object] | str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        path = made(folder).folder / "manifest.json"
        if isinstance(change, str):
            path.write_text(change)
            return
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    return make


def opened(folder: Path) -> object:
    return Dataset(next((folder / "data").iterdir())).read("train", 2)


_OUT = "is a link that leaves"
DATASETS = {
    "good dataset": Row(made, opened, None),
    **{
        f"link for {name or 'its folder'}": Row(moved(name), made, _OUT)
        for name in (
            "",
            "data",
            "data/train",
            "data/train/00000.hdf5",
            "manifest.json",
            ".lock",
            ".workers",
        )
    },
    "read through a link": Row(moved("data/train/00000.hdf5"), opened, _OUT),
    "nested manifest": Row(manifest('{"a":' * 100_000), opened, "is damaged"),
    "a list for a manifest": Row(manifest("[1]"), opened, "is damaged"),
    "long manifest": Row(manifest(" " * 11_000_000), opened, "more than 10000000"),
    **{
        f"dataset's name {name!a}": Row(
            manifest(lambda c, name=name: c["infos"]["train"].update(name=name)),
            opened,
            "must be letters",
        )
        for name in ("../x", "/tmp/x", "a\nb", "")
    },
    "block 0": Row(manifest(lambda c: c.update(block=0)), opened, "block is 0"),
    "block of words": Row(manifest(lambda c: c.update(block="many")), opened, "block is 'many'"),
    "shards of numbers": Row(manifest(lambda c: c.update(shards={"a": 1})), opened, "shards is no"),
    "channel ../x": Row(
        manifest(lambda c: c["infos"]["train"].update(channels=["../x", "b", "c"])),
        opened,
        "not a name",
    ),
}
