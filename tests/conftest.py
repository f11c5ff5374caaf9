"""Fixtures of all tests."""

from pathlib import Path
from typing import Any

import pytest
from support import ROOT, Command, run_command


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """``command("model=gru", ...)`` runs train.py in an empty folder; logger=none unless asked."""

    def run(*arguments: str, env: dict[str, str] | None = None) -> Any:
        return run_command([str(ROOT / "train.py"), *arguments], tmp_path, env)

    return run
