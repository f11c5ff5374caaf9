"""``sirve sync``: offline W&B runs are sent to a server of this machine, and what is refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import AIDS, Done, run_command

KEY = "planted0" * 5
SYNC = ["-c", "from sirve.cli.main import main; main()", "sync"]
TRACK = """
import sys, wandb
for folder in sys.argv[1:]:
    with wandb.init(mode="offline", project="sirve", dir=folder) as run:
        run.log({"loss": 0.5})
"""


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(AIDS))
    from fake_wandb import Backend

    with Backend() as found:
        yield found


def sync(backend: Any, folder: Path, *arguments: str, **env: str) -> Done:
    """Run the command in ``folder``; it never prints the key."""
    env = {"WANDB_API_KEY": KEY, "WANDB_BASE_URL": backend.url, "HOME": str(folder)} | env
    done = run_command([*SYNC, *arguments], folder, env)
    assert "planted" not in done.stdout + done.stderr
    return done


def test_offline_runs_are_sent_once(backend: Any, tmp_path: Path) -> None:
    folders = [tmp_path / "runs" / "lorenz-gru" / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir(parents=True)
    track = run_command(["-c", TRACK, *map(str, folders)], tmp_path, {"HOME": str(tmp_path)})
    assert track.returncode == 0, track.stderr
    done = sync(backend, tmp_path, str(folders[0]))
    assert done.returncode == 0, done.stderr
    assert len(backend.rows()) == 1
    done = sync(backend, tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(backend.rows()) == 2, "the first was not sent again"


def test_what_cannot_be_sent_is_one_line(backend: Any, tmp_path: Path) -> None:
    done = sync(backend, tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("runs: no offline W&B run")
    assert done.stderr.count("\n") == 1
    (tmp_path / "runs" / "a" / "wandb" / "offline-run-20260101_000000-abcdefgh").mkdir(parents=True)
    done = sync(backend, tmp_path, WANDB_API_KEY="")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "no API key of W&B; wandb login, or set WANDB_API_KEY\n"
    assert not backend.streams
