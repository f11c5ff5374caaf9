"""Fixtures of all tests."""

import gc
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra._internal.hydra import Hydra
from hydra.core.global_hydra import GlobalHydra
from support import ROOT, Command, Done
from warm import blank_reports, run_warm


def pytest_collection_finish() -> None:
    """Keep what was imported and collected out of all later garbage collections."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def one_composition() -> Iterator[None]:
    """Let Hydra compose each configuration once: its first time only looks for hydra.mode.

    sirve never sets that; commands in processes of their own compose twice, as users' do.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Hydra, "get_mode", lambda *_, **__: None)
        yield


@pytest.fixture
def blank_report() -> Iterator[None]:
    """Runs of this test end with an empty report: for tests that look at other results."""
    with blank_reports():
        yield


@pytest.fixture(scope="module")
def blank_reports_in_module() -> Iterator[None]:
    """Runs of this module's tests and fixtures end with an empty report."""
    with blank_reports():
        yield


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
