"""Rows of the fault table: files of others, and wrong commands."""

import multiprocessing
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import pytest
import torch
import yaml
from faults.table import SHORT, Bench, fault, refused
from support import TWO, environment

import sirve
from sirve.errors import UserError
from sirve.io import checkpoints
from sirve.report.load import load_run


class Payload:
    """An object that creates a folder when it is unpickled."""

    def __reduce__(self) -> Any:
        return (os.mkdir, ("canary",))


def finished(bench: Bench) -> Path:
    def make() -> None:
        done = bench.command(*SHORT)
        assert done.returncode == 0, done.stderr

    bench.begin("finished", make)
    return bench.run()


@fault(
    26,
    "a pickle in a checkpoint",
    "it runs",
    "refused in one line; nothing is called",
    "io/test_checkpoints.py security/test_hostile_files.py",
)
def pickled(bench: Bench) -> None:
    pickle.loads(pickle.dumps(Payload()))
    Path("canary").rmdir()  # shows that the payload works
    for name in ("zip.ckpt", "old.pt", "plain.pt"):
        with Path(name).open("wb") as file:
            if name == "plain.pt":
                pickle.dump(Payload(), file)
            else:
                torch.save(
                    {"state_dict": Payload()}, file, _use_new_zipfile_serialization=name[0] == "z"
                )
        with pytest.raises(UserError) as error:
            sirve.load(name)
        assert "\n" not in str(error.value)
        assert not Path("canary").exists()


@fault(
    27,
    "a class to call, named in a checkpoint or a run: hostile, by an alias, nested",
    "it is called",
    "refused before it is imported",
    "security/test_hostile_targets.py runs/test_resume_refusals.py",
)
def hostile_target(bench: Bench) -> None:
    run = finished(bench)
    best = run / "checkpoints" / "best.ckpt"
    content = checkpoints.load(best)
    for target in ("os.system", "sirve.cli.train.os.system", "builtins.open", "torch.load"):
        content["sirve"]["model"] = {"_target_": target}
        checkpoints.save(content, best)
        with pytest.raises(UserError, match="model: "):
            sirve.load(run)
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["model"]["cell"] = {"_target_": "os.mkdir", "path": "canary"}
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    (run / "report.html").unlink()
    refused(bench.command(f"resume={run}"), "os.mkdir is outside the trusted packages")
    assert not Path("canary").exists()


@fault(
    28,
    "a name that leads outside: ../x, an absolute path, a link, 300 letters",
    "writes there",
    "refused; nothing is written",
    "cli/test_train.py io/test_files.py security/test_hostile_files.py",
)
def names(bench: Bench) -> None:
    for name in ("../../x", "/etc/passwd", "x" * 300):
        refused(bench.command(f"experiment={name}", "logger=none"))
        refused(bench.command(f"sim={name}", "logger=none"))
    assert not list(bench.folder.iterdir())
    elsewhere = bench.folder / "elsewhere"
    elsewhere.mkdir()
    (bench.folder / "runs").mkdir()
    (bench.folder / "runs" / "lorenz-gru").symlink_to(elsewhere)
    refused(bench.command(*SHORT), "lorenz-gru")
    assert not list(elsewhere.iterdir())


@fault(
    29,
    "a secret in the environment, the configuration or the command",
    "in two of W&B's files",
    "in no file of the run: references stay references, literal secrets are refused and not shown",
    "cli/test_secrets.py",
)
def secret(bench: Bench) -> None:
    planted = "correct-horse-battery-staple"
    tracked = [argument for argument in SHORT if argument != "logger=none"]
    env = {"STORE_PASSWORD": planted, "WANDB_API_KEY": planted, "AWS_SECRET_ACCESS_KEY": planted}
    done = bench.process(*tracked, "+store.password=${oc.env:STORE_PASSWORD}", env=env)
    assert done.returncode == 0, done.stderr
    files = [path for path in bench.folder.rglob("*") if path.is_file()]
    assert not [path for path in files if planted.encode() in path.read_bytes()]
    assert [path for path in files if b"STORE_PASSWORD" in path.read_bytes()]
    refused(bench.command(*SHORT, f"+store.password={planted}"), "store.password: a secret")


def hostile_hdf5(kind: str, path: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file["truth"]
        if kind == "external link":
            file["truth"] = h5py.ExternalLink("/etc/passwd", "/")
        elif kind == "soft link":
            file["truth"] = h5py.SoftLink("/prediction")
        elif kind == "objects":
            file.create_dataset("truth", (4, 60, 3), dtype=h5py.string_dtype())
        elif kind == "virtual":
            layout = h5py.VirtualLayout((4, 60, 3), "f8")
            layout[:] = h5py.VirtualSource("/etc/passwd", "x", (4, 60, 3))
            file.create_virtual_dataset("truth", layout)
        else:
            file.create_dataset("truth", (10**6, 60, 3000), "f8", chunks=(1, 60, 3))


@fault(
    30,
    "HDF5 with links, virtual or object datasets, a huge declared shape",
    "followed, allocated",
    "refused in one line; no memory allocated",
    "security/test_hostile_files.py",
)
def hdf5(bench: Bench) -> None:
    run = finished(bench)
    whole = (run / "rollouts.h5").read_bytes()
    for kind in ("external link", "soft link", "objects", "virtual", "huge"):
        (run / "rollouts.h5").write_bytes(whole)
        hostile_hdf5(kind, run / "rollouts.h5")
        with pytest.raises(UserError) as error:
            load_run(run)
        assert "truth" in str(error.value)
        assert "\n" not in str(error.value)


@fault(
    31,
    "two runs started in the same second",
    "they share a folder",
    "two folders",
    "io/test_files.py",
)
def same_second(bench: Bench) -> None:
    script = (
        "import pathlib, sys, time, sirve.runs.run_folder as r; time.sleep(1 - time.time() % 1);"
    )
    script += "print(r.create(pathlib.Path(sys.argv[1]))); time.sleep(0.5)"
    many = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(bench.folder)],
            env=environment({}),
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(20)
    ]
    made = [process.communicate()[0] for process in many]
    assert len(set(made)) == 20


@fault(
    32,
    "a GPU requested on a machine without one; more processes than cores",
    "a late trace",
    "one line, before any work",
    "cli/test_train.py",
)
def not_there(bench: Bench) -> None:
    if not torch.cuda.is_available():
        refused(bench.command("trainer=gpu"), "no GPU is visible; take trainer=cpu")
    cores = multiprocessing.cpu_count()
    refused(bench.command(f"data.loaders={cores + 1}"), f"data.loaders={cores + 1}, but there are")
    refused(
        bench.command(*TWO, f"trainer.devices={cores + 1}", f"data.batch={cores + 1}"),
        "visible; take 1 to",
    )
    assert not list(bench.folder.iterdir())


@fault(
    33,
    "a misspelt key",
    "an error without a hint",
    "names the nearest valid key",
    "cli/test_train.py",
)
def misspelt(bench: Bench) -> None:
    refused(bench.command("model.hiden=3"), "did you mean 'model.hidden'?")
    refused(bench.command("optimizer.lrr=3"), "did you mean 'optimizer.lr'?")
    refused(bench.command("model=gruu"), "unknown model 'gruu'; choose from:", "gru")
