"""Secrets: no file of a run contains one, and an option that would write one is refused."""

from pathlib import Path
from typing import Any

import matplotlib
import pytest
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from support import CONF, FEW, ROOT, SMALL, Command, configure, members, quick, run_command

from sirve.cli import secrets

SOON_OVER = ["logger=none", *SMALL["lorenz"], *FEW]  # should it not be refused
ENV = {
    "WANDB_API_KEY": "planted0" * 5,
    "WANDB_BASE_URL": "https://someone:planted-url@wandb.example.org",
    "AWS_SECRET_ACCESS_KEY": "planted-aws",
    "HTTPS_PROXY": "http://someone:planted-proxy@127.0.0.1:9",
    "MINE": "planted-mine",
    "NOTE": "planted-note",
    "DATA": "data",
}
ARGUMENTS = [
    "logger.project=ordinary-project",
    "+mine.password=${oc.env:MINE}",
    "+mine.token=${oc.env:ABSENT,null}",
    "+note=see ${oc.env:NOTE}",
    "+again=${note}",
    "data.root=${oc.env:DATA}",
]


def found(folder: Path, word: str) -> list[str]:
    """Return every file whose name or content contains ``word``."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    names = {str(path.relative_to(folder)): path for path in files}
    return [n for n, path in names.items() if word in n or word.encode() in path.read_bytes()]


@pytest.mark.parametrize(
    "mode",
    [
        ["model=linear"],
        pytest.param(["-m", "model=linear,persistence"], marks=pytest.mark.slow),
        pytest.param(["-m", "model=linear,persistence", "launcher=joblib"], marks=pytest.mark.slow),
        pytest.param(["hydra.output_subdir=.hydra"], marks=pytest.mark.slow),
    ],
    ids=["one run", "sweep", "joblib", "trained, with Hydra's own files"],
)
def test_no_secret_is_in_any_file(tmp_path: Path, mode: list[str]) -> None:
    for name in ("home", "tmp"):  # what would be left there is looked at, too
        (tmp_path / name).mkdir()
    places = {"HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path / "tmp")}
    places["MPLCONFIGDIR"] = matplotlib.get_cachedir()  # a font cache takes long to make
    python = ["-X", "flag=planted-flag", str(ROOT / "train.py")]
    arguments = [*mode, *ARGUMENTS, *SMALL["lorenz"], *FEW]
    done = run_command([*python, *arguments], tmp_path, {**ENV, **places})
    assert done.returncode == 0, done.stderr
    assert "W&B stopped" not in done.stderr
    assert found(tmp_path, "planted") == []
    assert "planted" not in done.stdout + done.stderr
    kept = found(tmp_path, "${oc.env:MINE}")
    assert sum(name.endswith("/config.yaml") and "wandb" not in name for name in kept) >= 1
    # The search itself finds things: W&B's files hold what W&B is told.
    ordinary = found(tmp_path, "ordinary-project")
    for ending in (".wandb", "debug.log", "config.yaml"):
        assert any(name.endswith(ending) for name in ordinary), ordinary


KINDS = [  # one of each kind
    ["+db.password=hunter2"],
    ["++db={a: {credentials: [1, hunter2]}}"],
    ["+hf_token=${oc.env:MINE,hunter2}"],
    ["+hf_token=hunter2 ("],  # Hydra would repeat what it cannot read
    ["+hydra.job.env_set={AWS_SECRET_ACCESS_KEY: hunter2}"],
    ["-m", "+secret=choice(a,hunter2)"],
]
REFUSED = [
    *KINDS,
    ["++db.password=hunter2"],
    ["++db={password: hunter2}"],
    ["++db=[{api_key: hunter2}]"],
    ["+db.password=12345678"],
    ["+hf_token=hunter2"],
    ["+hf_token='hunter2 and ${oc.env:MINE}'"],
    ["~wandb_api_key=hunter2"],
    ["hydra.job.env_set.WANDB_API_KEY=hunter2"],
    ["-m", "model=linear,gru", "+db.password=hunter2"],
    ["-m", "++db={token: a},{token: hunter2}"],
]


@pytest.mark.parametrize("arguments", quick(REFUSED, *KINDS), ids=" ".join)
def test_a_literal_secret_is_refused_before_anything_is_written(
    command: Command, tmp_path: Path, arguments: list[str]
) -> None:
    done = command(*arguments, *SOON_OVER, env=ENV)
    assert done.returncode == 2
    assert "a secret would be written to the run's files; give it as '" in done.stderr
    assert done.stderr.count("\n") == 1
    for word in ("hunter2", "12345678", "planted"):
        assert word not in done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []


WRITTEN = [
    (["model.hidden=${oc.env:MINE}"], "model.hidden"),
    (["+note=${oc.env:MINE}", "model.cell.reset=${note}"], "model.cell.reset"),
    (["observe.channels=[x,'${oc.env:MINE}']"], "observe.channels"),
    (["model.cell.reset=${oc.env:MINE}"], "model.cell.reset"),
    (["+model.extra='${oc.decode:${oc.env:MINE}}'"], "model.extra"),
    (["+names.sim=${oc.env:MINE}"], "names.sim"),
    (["sim.system.rho=${oc.env:MINE}"], "sim.system.rho"),
    (["+optimizer.foo=${oc.env:MINE}"], "optimizer.foo"),
    (["+trainer.foo=a-${oc.env:MINE}"], "trainer.foo"),
    (["seed=${oc.env:MINE}"], "seed"),
    (["data.seed=${oc.env:MINE}"], "data.seed"),
]


@pytest.mark.parametrize(("arguments", "key"), quick(WRITTEN, *WRITTEN[:3]))
def test_a_reference_is_refused_where_its_value_would_be_written(
    command: Command, tmp_path: Path, arguments: list[str], key: str
) -> None:
    done = command(*arguments, *SOON_OVER, env=ENV)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {key}: the value of ")
    assert "would be written to the run's files; give the value itself" in done.stderr
    assert done.stderr.count("\n") == 1
    assert "planted" not in done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_secret_that_a_reference_reaches_is_refused(command: Command, tmp_path: Path) -> None:
    done = command("+plain=hunter2", "+db.password='${plain}'", *SOON_OVER)
    assert done.returncode == 2
    assert "hunter2" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_holds_references_only(command: Command, tmp_path: Path) -> None:
    done = command("-m", "model.hidden=${oc.env:MINE}", "seed=0,1", *SOON_OVER, env=ENV)
    assert done.returncode == 2
    assert found(tmp_path, "planted") == []
    assert "planted" not in done.stdout + done.stderr
    assert len(found(tmp_path, "oc.env:MINE")) == 1, "multirun.yaml"


def test_a_missing_variable_of_the_environment_is_one_line(
    command: Command, tmp_path: Path
) -> None:
    done = command("runs=${oc.env:ABSENT}", "logger=none")
    assert done == (2, "", "error: the environment has no ABSENT; set it, or write the value\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "key",
    [
        *("password", "db.passwd", "PASSPHRASE", "client_secret", "secret.inner"),
        *("wandb_api_key", "wandbApiKey", "apikey", "hf-token", "accessToken"),
        *("credential", "aws.credentials", "private_key", "AWS_ACCESS_KEY_ID"),
    ],
)
def test_names_of_secrets(key: str) -> None:
    assert secrets.is_secret(key)


def keys(value: Any, prefix: str = "") -> list[str]:
    if not isinstance(value, dict):
        return []
    return [k for key in value for k in (prefix + key, *keys(value[key], f"{prefix}{key}."))]


GROUPS = sorted(path.name for path in CONF.iterdir() if path.is_dir())


@pytest.mark.parametrize("group", quick(GROUPS, "launcher", "logger"))
def test_no_key_of_ours_has_the_name_of_a_secret(group: str) -> None:
    """Neither in a file of ours nor in what Hydra adds to one."""
    seen = {key for path in CONF.rglob("*.yaml") for key in keys(yaml.safe_load(path.read_text()))}
    for name in members(group):
        if name == "slurm":  # its launcher need not be installed
            continue
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config = compose("train", [f"{group}={name}"], return_hydra_config=True)
        seen |= set(keys(OmegaConf.to_container(config, resolve=False)))
    assert len(seen) > 150
    assert [key for key in sorted(seen) if secrets.is_secret(key)] == []
    for key in ("tokens", "token_size", "sim.dt", "keys", "monkey"):
        assert not secrets.is_secret(key)


def test_every_group_is_written_or_known_not_to_be() -> None:
    """A new group must be added to one of the two lists."""
    beside = {"runs", "logger", "resume", "accept_changes", "trust"}
    assert {*configure(), "names"} == {*secrets.WRITTEN, *beside}


@pytest.mark.slow
def test_which_files_contain_an_ordinary_reference(process: Command, tmp_path: Path) -> None:
    """Folders and W&B names are no secrets: SECURITY.md lists the files that contain them."""
    env = {"PLACE": "visible-place", "PROJECT": "visible-project", "DATA": "visible-data"}
    references = ["runs=${oc.env:PLACE}", "logger.project=${oc.env:PROJECT}"]
    references += ["data.root=${oc.env:DATA}"]
    done = process(*references, *SMALL["lorenz"], *FEW, env=env)
    assert done.returncode == 0, done.stderr
    (run,) = tmp_path.glob("visible-place/*/*")
    assert found(run, "visible-data") == []
    assert {name.split("/")[0] for name in found(run, "visible-project")} == {"wandb"}
    assert {name.split("/")[0] for name in found(run, "visible-")} == {"wandb"}
    assert found(tmp_path / "visible-data", "visible-") == []
