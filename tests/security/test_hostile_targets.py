"""Hostile configurations are refused in one line, and nothing in them is called.

Each entry of ``hostile.TABLE`` is given on the command line, which may import but not call it, and
in a checkpoint, for which nothing outside the trusted packages is even imported.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile import FILES, FUNCTIONS, GOOD, OPEN, TABLE
from hydra.utils import instantiate
from support import FEW, SMALL, Command, quick

import sirve
from sirve.cores import GRU, Recurrent
from sirve.data.shards import Info
from sirve.errors import UserError
from sirve.forecasting import checkpoint
from sirve.forecasting.forecaster import Forecaster
from sirve.forecasting.normaliser import Normaliser
from sirve.io import instantiate as door
from sirve.io.instantiate import TRUSTED

SOON_OVER = ["logger=none", *SMALL["lorenz"], *FEW]  # a short run, in case it is not refused
INFO = Info("x", (3,), tuple("xyz"), ("1",) * 3, None, 0.1, "step", 0.1, "", {})

# Audit events of the interpreter, recorded in this process while ``watched`` is active.
EVENTS = ("os.system", "subprocess.Popen", "os.posix_spawn", "os.exec", "os.fork", "ctypes.dlopen")
EVENTS += ("socket.connect", "socket.getaddrinfo", "urllib.Request", "shutil.copyfile")
_recorded: list[str] = []
_on = [False]
sys.addaudithook(lambda event, _: _recorded.append(event) if _on[0] and event in EVENTS else None)


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a module that creates the canary when imported; audit events are recorded."""
    (tmp_path / "evil_canary.py").write_text(
        "from sirve import cores\nopen('canary', 'w').close()\n"
        "class Core(cores.Persistence): pass\nclass Cell(cores.GRU): pass\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    _recorded.clear()
    _on[0] = True
    yield tmp_path
    _on[0] = False
    sys.modules.pop("evil_canary", None)


def check_nothing_happened(folder: Path) -> None:
    assert not (folder / "canary").exists()
    assert "evil_canary" not in sys.modules
    assert not _recorded


def save(model: Any, path: Path) -> Path:
    """Write a checkpoint that is valid except for its ``model``."""
    core = Recurrent((3,), GRU(), hidden=4)
    normaliser = Normaliser(np.zeros(3), np.ones(3), 0)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(50_000)  # needed to write a deep tree; loading must do without
    try:
        checkpoint.save(Forecaster(core, normaliser, model, INFO, [1.0] * 3), path)
    finally:
        sys.setrecursionlimit(limit)
    return path


def override(value: Any) -> str:
    """Return a value in the syntax of Hydra's command line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {override(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(override, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def test_the_table_is_long() -> None:
    assert len(TABLE) + len(FILES) >= 40


@pytest.mark.parametrize("patch", [*TABLE, *FILES])
def test_a_hostile_checkpoint_is_refused(
    watched: Path, monkeypatch: pytest.MonkeyPatch, patch: dict[Any, Any]
) -> None:
    path = save({**GOOD, **patch}, watched / "checkpoints" / "evil.ckpt")
    imported: list[str] = []
    genuine = door.import_module
    monkeypatch.setattr(door, "import_module", lambda m: imported.append(m) or genuine(m))
    with pytest.raises(UserError) as caught:
        sirve.load(path)
    line = str(caught.value)
    earlier = ("a pickle that calls '_codecs.encode'", "it stands for more than")  # bytes; a bomb
    assert line.startswith("model") or any(reason in line for reason in earlier)
    assert line.isprintable()
    assert len(line) < 500
    check_nothing_happened(watched)
    assert {name.split(".")[0] for name in imported} <= {t.split(".")[0] for t in TRUSTED}


# On the command line one of each kind is quick; in a checkpoint all are.
KINDS = {"os.system", "builtins.eval", ascii("sirve.cli.train.os.system"), ascii("sirve.cores.GRU")}
KINDS |= {ascii("../evil_canary.Core"), "_partial_", "nested", "in a list"}
COMMANDS = [
    pytest.param(*row.values, id=row.id, marks=[] if row.id in KINDS else pytest.mark.slow)
    for row in TABLE
]


@pytest.mark.parametrize("patch", COMMANDS)
def test_a_hostile_command_line_is_refused(
    command: Command, watched: Path, patch: dict[str, Any]
) -> None:
    overrides = [f"++model.{key}={override(value)}" for key, value in patch.items()]
    done = command(*SOON_OVER, *overrides)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert done.stderr[:-1].isprintable()
    check_nothing_happened(watched)
    assert {path.name for path in watched.iterdir()} <= {"evil_canary.py", "__pycache__"}


OTHER_GROUPS = [
    ["sim.system._target_=builtins.open"],
    ["sim.system._target_=sirve.cores.Persistence"],
    ["observe._target_=torch.load"],
    ["objective._target_=sirve.tracking.wandb_tracker.NoTracker"],
    ["logger._target_=subprocess.Popen"],
    ["++optimizer._partial_=true"],  # SOAP takes any keyword
    [f"++optimizer.hook={override(OPEN)}"],
    ["optimizer._target_=torch.optim.Optimizer"],
    ["optimizer._target_=torch.optim.lr_scheduler.LambdaLR"],
    ["++optimizer._args_=[1]"],
    [f"++optimizer.hooks=[{override(OPEN)}]"],
    [f"++optimizer.betas={override({'_target_': 'torch.optim.AdamW', 'params': []})}"],
]


@pytest.mark.parametrize(
    "overrides",
    quick(OTHER_GROUPS, OTHER_GROUPS[0], *OTHER_GROUPS[2:7]),
    ids=lambda given: given[0],
)
def test_hostile_targets_in_other_groups_are_refused(
    command: Command, watched: Path, overrides: list[str]
) -> None:
    done = command(*SOON_OVER, *overrides)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    check_nothing_happened(watched)


@pytest.mark.parametrize(
    "trust",
    ["sirve", "evil_canary", [""], ["os."], [".os"], ["a b"], ["os:path"], [3], ["__main__"]],
)
def test_trust_must_be_a_list_of_packages(watched: Path, trust: Any) -> None:
    path = save({**GOOD, "_target_": "evil_canary.Core"}, watched / "evil.ckpt")
    with pytest.raises(UserError, match="must be a list of packages"):
        sirve.load(path, trust=trust)
    check_nothing_happened(watched)


# These show that the tests above could fail.


def test_good_configurations_pass(command: Command, tmp_path: Path) -> None:
    sirve.load(save(GOOD, tmp_path / "good.ckpt"))
    model = ["model._target_=sirve.cores.Recurrent", "model.cell._target_=sirve.cores.LSTM"]
    done = command("logger=none", "~model.cell.reset", *model, *SMALL["lorenz"], *FEW)
    assert done.returncode == 0, done.stderr


def test_a_trusted_package_is_imported(watched: Path) -> None:
    path = save({"_target_": "evil_canary.Core"}, watched / "friend.ckpt")
    with pytest.raises(
        UserError, match="not a checkpoint of sirve"
    ):  # refused for its weights, after the import
        sirve.load(path, trust=["evil_canary"])
    assert (watched / "canary").exists()


@pytest.mark.parametrize(
    ("target", "event"),
    [
        ("builtins.open", ""),
        ("shutil.copyfile", "shutil.copyfile"),
        ("urllib.request.urlretrieve", "urllib.Request"),
    ],
)
def test_hydra_itself_would_call_the_targets(watched: Path, target: str, event: str) -> None:
    (watched / "source").write_text("x")
    keys = dict(FUNCTIONS[target])
    keys |= {"url": f"file://{watched}/source"} if "url" in keys else {}
    keys |= {"src": "source"} if "src" in keys else {}
    result = instantiate({"_target_": target, **keys})
    if hasattr(result, "close"):
        result.close()
    assert (watched / "canary").exists()
    assert not event or event in _recorded
