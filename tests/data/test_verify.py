"""Damage of a dataset: named, refused before training, and repaired without other changes."""

import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import yaml
from faults.table import flip
from support import AIDS, FEW, ROOT, SMALL, Command, Done, quick, run_command
from warm import run_warm

from sirve.data.simulated.recipe import Recipe
from sirve.data.simulated.repair import repair
from sirve.data.simulated.verify import verify
from sirve.errors import UserError
from sirve.io.files import sha256
from sirve.io.instantiate import TRUSTED

pytestmark = pytest.mark.usefixtures("blank_reports_in_module")

SCRIPT = str(ROOT / "scripts" / "simulate.py")
SHARD = "data/train/00001.hdf5"
LOCKS = (".lock", ".workers")
RUN = [  # four shards, whose systems differ in one parameter
    *("sim=pendulum", *SMALL["pendulum"], *FEW, "logger=none", "model=persistence"),
    "sim.system.omega0={uniform: [0.5, 2.0]}",
]


@pytest.fixture(scope="module")
def intact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("whole")
    done = run_warm([SCRIPT, *RUN, f"data.root={root}"], root)
    assert done.returncode == 0, done.stderr
    (folder,) = root.iterdir()
    return folder


@pytest.fixture
def folder(intact: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(intact, tmp_path / "data" / intact.name))


def snapshot(folder: Path) -> dict[str, tuple[int, str]]:
    """The modification time and the checksum of every file."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(p.relative_to(folder)): (p.stat().st_mtime_ns, sha256(p)) for p in files}


def found(folder: Path) -> list[str]:
    """The lines of verify, which must change nothing."""
    before = snapshot(folder)
    lines = [damage.line for damage in verify(folder)]
    assert snapshot(folder) == before
    assert all(line.isprintable() and len(line) < 500 for line in lines)
    return lines


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads((folder / "manifest.json").read_text())
    change(content)
    (folder / "manifest.json").write_text(json.dumps(content))


def accepted(folder: Path, name: str = SHARD) -> None:
    """Write the checksum of a damaged file into the manifest."""
    checksum = sha256(folder / name)
    edit(folder, lambda content: content["shards"].update({name.removeprefix("data/"): checksum}))


def test_an_intact_dataset_has_no_damage(folder: Path) -> None:
    assert found(folder) == []
    (folder / "look").mkdir()
    (folder / "look" / "phase.png").touch()
    assert found(folder) == []


def test_a_folder_without_a_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no dataset"):
        list(verify(tmp_path))
    with pytest.raises(UserError, match="holds no dataset"):
        list(repair(tmp_path / "nowhere", TRUSTED, 1))


def test_every_flipped_bit_is_found(folder: Path) -> None:
    path = folder / SHARD
    content = path.read_bytes()
    for bit in np.random.default_rng(0).integers(0, 8 * len(content), 60).tolist():
        path.write_bytes(content)
        flip(path, bit)
        (damage,) = verify(folder)
        assert damage.line.startswith(f"{path} differs from its checksum")


def foreign(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["x"] = np.zeros(3)


def inside(change: Callable[[h5py.File], object]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        with h5py.File(path, "r+") as file:
            change(file)

    return damage


def put(name: str, value: Any) -> Callable[[Path], None]:
    """Replace ``name`` by another dataset or a link."""

    def change(file: h5py.File) -> None:
        del file[name]
        if isinstance(value, tuple):
            file.create_dataset(name, value, "f8")
        else:
            file[name] = value

    return inside(change)


def fewer(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        for name in ("sin", "cos", "omega"):
            rows = file[f"t0_fields/{name}"][:3]
            del file[f"t0_fields/{name}"]
            file[f"t0_fields/{name}"] = rows


def longer(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        for name in ("sin", "cos", "omega"):
            del file[f"t0_fields/{name}"]
            file[f"t0_fields/{name}"] = np.zeros((4, 81))


X = "t0_fields/omega"
DAMAGES: dict[str, tuple[Callable[[Path], object], str | None]] = {
    # how a shard is damaged, and what is reported if the manifest has its new checksum
    "missing": (Path.unlink, None),
    "truncated": (lambda path: os.truncate(path, path.stat().st_size - 1), "is not readable"),
    "empty": (lambda path: path.write_bytes(b""), "is not readable"),
    "text": (lambda path: path.write_text("hello\n" * 400), "is not readable"),
    "foreign": (foreign, "lacks one of the channels"),
    "not finite": (
        inside(lambda file: file[X].__setitem__((2, 4), np.nan)),
        "not finite, the first in trajectory 2 of the shard, state 4, channel omega",
    ),
    "another shape": (put(X, np.zeros((4, 80, 2))), "shape (4, 80), expected (n, T, )"),
    "too long": (longer, "trajectories of shape (81, 3), expected (80, 3)"),
    "too few": (fewer, "holds 3 trajectories, not 4"),
    "another type": (put(X, np.zeros((4, 80), "f4")), "expected float64"),
    "external link": (put(X, h5py.ExternalLink("/etc/passwd", "x")), "a link to another file"),
    "huge": (put(X, (4, 10**12)), "declares more bytes than the file has"),
    "a parameter not finite": (
        inside(lambda file: file["scalars/omega0"].__setitem__(0, np.inf)),
        "a parameter 'omega0' that is not finite",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_named_and_repaired(folder: Path, name: str) -> None:
    before = snapshot(folder)
    DAMAGES[name][0](folder / SHARD)
    (line,) = found(folder)
    assert line.startswith(f"{folder / SHARD} ")
    done = list(repair(folder, TRUSTED, 1))
    assert done == [f"made {SHARD} again", "wrote stats.yaml"]
    after = snapshot(folder)
    assert {name: value for name, (_, value) in after.items()} == {
        name: value for name, (_, value) in before.items()
    }
    assert {n for n in before if after[n] != before[n]} <= {SHARD, "stats.yaml", *LOCKS}
    assert found(folder) == []


@pytest.mark.parametrize("name", [name for name in DAMAGES if DAMAGES[name][1]])
def test_damage_with_a_matching_checksum_is_named_too(folder: Path, name: str) -> None:
    DAMAGES[name][0](folder / SHARD)
    accepted(folder)
    reason = DAMAGES[name][1]
    assert reason is not None
    (line,) = found(folder)
    assert str(folder / SHARD) in line
    assert reason in line
    content = (folder / SHARD).read_bytes()
    (line,) = list(repair(folder, TRUSTED, 1))
    assert line.startswith(f"{folder / SHARD} is not replaced: made now, it has another checksum")
    assert (folder / SHARD).read_bytes() == content


@pytest.mark.parametrize(
    "name", [n for n in DAMAGES if n not in ("missing", "a parameter not finite")]
)
def test_damage_is_refused_before_training(command: Command, folder: Path, name: str) -> None:
    DAMAGES[name][0](folder / SHARD)
    accepted(folder)
    done = command(*RUN)
    assert done.returncode == 2
    assert done.stderr.startswith("error: data/")
    assert done.stderr.count("\n") == 1
    assert SHARD in done.stderr
    assert not list(folder.parents[1].glob("runs/*/*/checkpoints/*"))


def test_training_makes_a_damaged_shard_again(command: Command, folder: Path) -> None:
    before = snapshot(folder)[SHARD][1]
    DAMAGES["truncated"][0](folder / SHARD)
    done = command(*RUN)
    assert done.returncode == 0, done.stderr
    assert f"{SHARD} is damaged or missing; it is made again" in done.stderr
    assert snapshot(folder)[SHARD][1] == before
    assert found(folder) == []


def shards_entry(name: str) -> Callable[[dict[str, Any]], object]:
    return lambda content: content["shards"].update({name: "0" * 64})


MANIFESTS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "another seed": (lambda c: c["config"].update(seed=1), "does not match the folder's name"),
    "another block": (lambda c: c.update(block=5), "block of train differs from its configuration"),
    "another step": (lambda c: c["infos"]["test"].update(dt=0.2), "dt of test differs"),
    "another parameter": (
        lambda c: c["infos"]["valid"]["parameters"].update(damping=0.5),
        "parameters of valid differs",
    ),
    "a shard elsewhere": (
        shards_entry("../../x"),
        "lists '../../x', which is not the name of a shard",
    ),
    "a shard that is not there": (shards_entry("test/00001.hdf5"), "test/00001.hdf5 is missing"),
    "a gap": (shards_entry("test/00002.hdf5"), "test/00001.hdf5 is not in the manifest"),
    "no shards": (lambda c: c["shards"].clear(), f"{SHARD} is not in the manifest"),
    "deep": (lambda c: c["config"].update(x=nested(300)), "does not match the folder's name"),
    "no format": (lambda c: c.pop("format"), "manifest.json is damaged"),
}


def nested(depth: int) -> Any:
    return [nested(depth - 1)] if depth else []


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_contradictory_manifest_is_named(folder: Path, name: str) -> None:
    change, reason = MANIFESTS[name]
    edit(folder, change)
    lines = found(folder)
    assert any(reason in line for line in lines), lines


def test_foreign_files_are_named_and_kept(folder: Path) -> None:
    kept = (folder / "notes.txt", folder / "data" / "train" / "old" / "00000.hdf5")
    kept[1].parent.mkdir()
    half = folder / "data" / "test" / ".00000.hdf5.17.tmp"
    for path in (*kept, half):
        path.write_text("precious")
    lines = found(folder)
    assert sorted(lines) == sorted(
        [f"{path} is not in the manifest" for path in kept] + [f"{half} was left half written"]
    )
    assert list(repair(folder, TRUSTED, 1)) == [f"removed {half.relative_to(folder)}"]
    assert found(folder) == [line for line in lines if str(half) not in line]


STATS: dict[str, Callable[[str], str]] = {
    "wrong": lambda text: text.replace("sin: ", "sin: 1", 1),
    "no numbers": lambda text: text.replace("sin: ", "sin: a", 1),
    "lacks a channel": lambda text: text.replace("sin", "tan"),
    "text": lambda _: "hello",
    "no YAML": lambda _: "a: [",
    "empty": lambda _: "",
}


@pytest.mark.parametrize("name", STATS)
def test_wrong_stats_are_named_and_written_again(folder: Path, name: str) -> None:
    path = folder / "stats.yaml"
    before, shards = path.read_text(), snapshot(folder / "data")
    path.write_text(STATS[name](before))
    (line,) = found(folder)
    assert line.startswith(str(path))
    assert list(repair(folder, TRUSTED, 1)) == ["wrote stats.yaml"]
    assert path.read_text() == before
    assert snapshot(folder / "data") == shards
    path.unlink()
    (line,) = found(folder)
    assert line.startswith(f"{path} is missing")


def test_stats_may_differ_in_their_last_digits(folder: Path) -> None:
    path = folder / "stats.yaml"
    content = yaml.safe_load(path.read_text())
    content["mean"]["sin"] += 1e-12
    path.write_text(yaml.safe_dump(content))
    assert found(folder) == []


def test_a_shard_missing_in_the_manifest_is_repaired(folder: Path) -> None:
    """As after a kill between the writing of a shard and its entry in the manifest."""
    before = snapshot(folder)[SHARD][1]
    edit(folder, lambda content: content["shards"].pop("train/00001.hdf5"))
    assert found(folder) == [
        f"{folder / SHARD} is not in the manifest",
        f"{folder / 'stats.yaml'} does not match the training data",
    ]
    assert list(repair(folder, TRUSTED, 1)) == [f"made {SHARD} again", "wrote stats.yaml"]
    assert snapshot(folder)[SHARD][1] == before
    assert found(folder) == []


def refuses(folder: Path, reason: str, trust: Sequence[str] = TRUSTED) -> None:
    """Check that repair refuses in one line and changes nothing, not even half-written files."""
    DAMAGES["truncated"][0](folder / SHARD)
    (folder / "data" / "train" / ".00000.hdf5.17.tmp").touch()
    before = snapshot(folder)
    with pytest.raises(UserError, match=reason) as raised:
        list(repair(folder, trust, 1))
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 500
    assert snapshot(folder) == before


def test_changed_equations_are_not_solved(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sirve.data.simulated.recipe.code_of", lambda _: "0" * 16)
    refuses(folder, r"the equations of simulators.vectors.pendulum.Pendulum have changed")


def hostile(key: str, value: Any) -> Callable[[dict[str, Any]], object]:
    def change(content: dict[str, Any]) -> None:
        *path, last = key.split(".")
        for part in path:
            content = content[part]
        content[last] = value

    return change


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("system", "os.system", "outside the trusted packages"),
        ("system", "planted.Faulty", "outside the trusted packages"),
        ("system", "sirve.data.simulated.recipe.Recipe", "is not a kind of Simulator"),
        ("system", 7, "has no _target_"),
        ("parameters", [], "damaged"),
        ("parameters.train", None, "damaged"),
        ("parameters.train", {"_target_": "os.system"}, "outside the trusted packages"),
        ("parameters.train.damping", "much", "must be zero or a positive number"),
        ("parameters.train.damping", {"_target_": "os.system"}, "is not a distribution"),
        ("parameters.train.omega0", {"uniform": [2, 1]}, "must have a low and a higher number"),
        ("name", None, "damaged"),
        ("name", "../x", "must be letters"),
        ("dt", "0.1", "have changed"),
        ("dt", {}, "damaged"),
        ("states", 5, "damaged"),
        ("states.train", "81", "states.train=81 must be a whole"),
        ("seed", "x", "seed=x must be a whole"),
        ("block", 0, "block=0 must be a whole"),
        ("transient", {}, "have changed"),
        ("code", "", "have changed"),
    ],
)
def test_a_hostile_manifest_is_refused(folder: Path, key: str, value: Any, reason: str) -> None:
    edit(folder, hostile(f"config.{key}", value))
    refuses(folder, "does not match the folder's name")
    config = json.loads((folder / "manifest.json").read_text())["config"]
    with pytest.raises(UserError, match=reason) as raised:
        Recipe.of(config, TRUSTED)
    assert str(raised.value).isprintable()


def test_a_shard_with_other_bits_is_not_put_in_place(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other library versions can make other bits; the file stays, the versions are reported."""
    DAMAGES["truncated"][0](folder / SHARD)
    before = snapshot(folder)
    monkeypatch.setattr("sirve.data.simulated.generate.versions", lambda: ["numpy 0.1"])
    monkeypatch.setattr("sirve.data.simulated.repair.versions", lambda: ["numpy 0.1"])
    (line,) = repair(folder, TRUSTED, 1)
    assert f"{folder / SHARD} is not replaced" in line
    assert "the dataset was made with h5py " in line
    assert line.endswith("here is numpy 0.1")
    after = snapshot(folder)
    assert {k: v for k, v in after.items() if k not in LOCKS} == {
        k: v for k, v in before.items() if k not in LOCKS
    }


@pytest.mark.parametrize("number", [1, 2])
def test_a_killed_repair_resumes(folder: Path, number: int) -> None:
    before = snapshot(folder)
    names = (SHARD, "data/train/00000.hdf5")
    for name in names:
        DAMAGES["empty"][0](folder / name)
    driver = [str(AIDS / "kill_at.py"), "sirve.data.shards.move", str(number)]
    done = run_warm([*driver, SCRIPT, "repair", str(folder), "--workers", "1"], folder.parent)
    assert done.returncode == -9, done.stderr
    assert len([line for line in found(folder) if "checksum" in line]) == 3 - number
    assert list(repair(folder, TRUSTED, 1))
    assert found(folder) == []
    assert {name: snapshot(folder)[name][1] for name in before} == {
        name: checksum for name, (_, checksum) in before.items()
    }


def test_the_commands_verify_and_repair(folder: Path) -> None:
    def script(*arguments: str) -> Done:
        return run_warm([SCRIPT, *arguments], folder.parents[1])

    place = f"data/{folder.name}"
    assert script("verify", place) == (0, f"{place} is whole\n", "")
    DAMAGES["empty"][0](folder / SHARD)
    done = script("verify", place, "data")
    assert done == (
        2,
        f"{place}/{SHARD} differs from its checksum (0 bytes)\n",
        "error: data holds no dataset (no manifest.json); simulate it first\n",
    )
    assert script("verify", place).returncode == 1
    done = script("repair", place)
    assert done.returncode == 0
    assert f"made {SHARD} again\n" in done.stdout
    assert done.stdout.endswith(f"wrote stats.yaml\n{place} is whole\n")


PEAK = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
"""


COMMANDS = [[SCRIPT, "verify"], [str(ROOT / "train.py"), *RUN]]


@pytest.mark.parametrize("command", quick(COMMANDS, COMMANDS[0]))
def test_no_memory_is_allocated_for_a_declared_size(folder: Path, command: list[str]) -> None:
    DAMAGES["huge"][0](folder / SHARD)
    accepted(folder)
    given = [str(folder)] if command[-1] == "verify" else []
    done = run_command(["-c", PEAK, sys.executable, *command, *given], folder.parents[1])
    code, peak = map(int, done.stdout.split())
    assert code == (1 if given else 2), done.stderr
    assert peak < 500
