"""Fixtures of all tests."""

import sys
from pathlib import Path
from typing import Any

import pytest
from hydra.core.global_hydra import GlobalHydra
from support import ROOT, Command, Done
from warm import run_warm


@pytest.fixture
def process(tmp_path: Path) -> Command:
    """``process("model=gru", ...)`` runs train.py as a process of its own, in an empty folder."""

    def run(*arguments: str, env: dict[str, str] | None = None) -> Done:
        return run_warm([str(ROOT / "train.py"), *arguments], tmp_path, env)

    return run


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Command:
    """The same within this process, where torch is imported already: seconds less."""
    from sirve.cli.train import main

    def run(*arguments: str, env: dict[str, str] | None = None) -> Done:
        GlobalHydra.instance().clear()
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", [str(ROOT / "train.py"), *arguments])
        for key, value in (env or {}).items():
            monkeypatch.setenv(key, value)
        code: Any = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code
        return Done(code, *capfd.readouterr())

    return run
