"""Each row of the fault table brings its fault about for real; docs/faults.md is the table."""

from contextlib import nullcontext
from pathlib import Path

import faults.data
import faults.doors
import faults.own
import faults.runs  # noqa: F401
import pytest
from faults.table import TABLE, Bench, page
from support import ROOT, Command
from warm import blank_reports

SLOW = {24, 25}  # half a minute and more each
SLOW |= {8, 9, 12, 16, 17, 21, 22, 29, 31, 36}  # their last column names quick tests
WITH_REPORT = (29,)  # looks for secrets in every file of a run
ROWS = [
    pytest.param(
        number, id=f"{number} {row.what}", marks=[pytest.mark.slow] if number in SLOW else []
    )
    for number, row in sorted(TABLE.items())
]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shared")


@pytest.mark.parametrize("number", ROWS)
def test_fault(
    number: int, tmp_path: Path, shared: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with nullcontext() if number in WITH_REPORT else blank_reports():
        TABLE[number].check(Bench(tmp_path, command, monkeypatch, shared))


def test_the_page_is_written_from_the_table() -> None:
    assert (ROOT / "docs" / "faults.md").read_text(encoding="utf-8") == page()


def test_every_row_names_tests_that_exist() -> None:
    assert sorted(TABLE) == list(range(1, len(TABLE) + 1))
    for row in TABLE.values():
        assert row.more
        for name in row.more.split():
            assert (ROOT / "tests" / name).is_file(), name
