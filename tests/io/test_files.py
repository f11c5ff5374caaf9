"""Files are complete or absent, and runs never share a folder."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf
from support import configure

from sirve.errors import UserError
from sirve.io.files import atomic_file, json_rows, read_yaml, require_inside, sha256, write_text
from sirve.runs import run_folder


def test_a_failure_keeps_the_old_file_and_leaves_no_other(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(ZeroDivisionError), atomic_file(path) as temporary:
        temporary.write_text("half")
        assert temporary.parent == path.parent  # on the same device, so that the move is atomic
        _ = 1 / 0
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_kill_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    code = (
        "import os, signal, pathlib, sys\nfrom sirve.io.files import atomic_file\n"
        "with atomic_file(pathlib.Path(sys.argv[1])) as t:\n"
        "    t.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert done.returncode == -9
    assert path.read_text() == "old"


def test_fsync_comes_before_the_move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (calls.append("fsync"), fsync(fd)))
    monkeypatch.setattr(os, "replace", lambda a, b: (calls.append("replace"), replace(a, b)))
    write_text(tmp_path / "a.txt", "x")
    assert calls == ["fsync", "replace", "fsync"]


def test_sha256_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256(tmp_path / "a").startswith("ba7816bf8f01cfea")


def test_runs_started_in_the_same_second_have_different_folders(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: run_folder.create(tmp_path), range(20)))
    run_folder.release()
    assert len(set(made)) == 20


@pytest.mark.parametrize("name", ["../x", "a/b", ".", "x" * 200, "a b", "a\nb"])
def test_names_cannot_leave_the_root(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="must be letters"):
        run_folder.place(tmp_path / "runs", name, "gru")
    assert list(tmp_path.iterdir()) == []


def test_a_link_cannot_leave_the_root(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "a-b").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="leaves"):
        run_folder.place(tmp_path / "runs", "a", "b")


@pytest.mark.parametrize("variable", ["WORLD_SIZE", "SLURM_STEP_NUM_TASKS"])
def test_processes_started_by_another_launcher_are_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "2")
    with pytest.raises(UserError, match="started from outside; start one"):
        run_folder.require_alone()
    monkeypatch.setenv(variable, "1")
    run_folder.require_alone()


def test_a_run_has_one_owner(tmp_path: Path) -> None:
    run = run_folder.create(tmp_path)
    attempt = "import sys, pathlib, sirve.runs.run_folder as folder\n"
    attempt += "folder.own(pathlib.Path(sys.argv[1])) or exit(3)"
    owning = [sys.executable, "-c", attempt, str(run)]
    assert subprocess.run(owning, check=False).returncode == 3
    run_folder.leave(run)
    assert subprocess.run(owning, check=False).returncode == 0


def test_circular_links_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(UserError, match="leaves"):
        require_inside(tmp_path / "a" / "x", tmp_path, "the root")
    (tmp_path / "c").mkdir()
    (tmp_path / "d").symlink_to(tmp_path / "c")
    require_inside(tmp_path / "d" / "x", tmp_path, "the root")
    with pytest.raises(UserError, match="leaves"):
        require_inside(tmp_path / "d" / ".." / ".." / "x", tmp_path, "the root")


def test_files_of_sirve_are_read(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(OmegaConf.to_yaml(OmegaConf.create(configure())))
    assert read_yaml(path) == yaml.safe_load(path.read_text())
    (tmp_path / "rows").write_text('{"step": 1}\n[1]\n{"step": 2}\n\xff\n{"st')
    assert [row["step"] for row in json_rows(tmp_path / "rows")] == [1, 2]
    assert [row["step"] for row in json_rows(tmp_path / "rows", 30)] == [1, 2]
    assert list(json_rows(tmp_path / "none")) == []
