"""The fault table: each row is a fault, and the function that shows what then happens.

``python tests/faults/table.py > docs/faults.md`` writes it down.
"""

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

if __name__ == "__main__":
    sys.path[:0] = map(str, Path(__file__).resolve().parents[1:3])

from support import AIDS, FEW, SMALL, TRAIN, Command, Done
from warm import run_warm

from sirve.io import checkpoints

SHORT = ["sim=lorenz", *SMALL["lorenz"], *FEW, "logger=none"]
LONG = [*SHORT, "trainer.updates=30", "trainer.checkpoint_every=8", "trainer.validations=5"]
STEP = "sirve.training.module.TrainingModule.training_step"


@dataclass(frozen=True)
class Bench:
    """The tools of a row: an empty folder, and the command within it."""

    folder: Path
    command: Command  # in this process
    monkeypatch: pytest.MonkeyPatch
    shared: Path  # holds what several rows begin with

    def process(self, *arguments: str, env: dict[str, str] | None = None) -> Done:
        """The command as a process of its own."""
        return run_warm([TRAIN, *arguments], self.folder, env)

    def killed(self, where: str, number: int, *arguments: str) -> None:
        """The command, killed with -9 at call ``number`` of a function."""
        driver = str(AIDS / "kill_at.py")
        done = run_warm([driver, where, str(number), TRAIN, *arguments], self.folder)
        assert done.returncode == -9, done.stderr

    def run(self) -> Path:
        """The folder of the only run."""
        (found,) = self.folder.glob("runs/*/*/")
        return found

    def begin(self, name: str, make: Callable[[], object]) -> None:
        """Fill the folder by ``make``, or by a copy of what it made for an earlier row."""
        assert not list(self.folder.iterdir())
        if (self.shared / name).exists():
            shutil.copytree(self.shared / name, self.folder, dirs_exist_ok=True)
        else:
            make()
            shutil.copytree(self.folder, self.shared / name)

    def interrupted(self) -> Path:
        """Return a run of LONG that was killed in its 27th step; its data are in the folder too."""
        self.begin("interrupted", lambda: self.killed(STEP, 27, *LONG))
        return self.run()

    def plant(self) -> None:
        """Let the command find tests/aids/planted.py."""
        self.monkeypatch.syspath_prepend(str(AIDS))


@dataclass(frozen=True)
class Fault:
    """One row."""

    number: int
    what: str
    others: str
    does: str
    more: str
    check: Callable[[Bench], None]


TABLE: dict[int, Fault] = {}


def fault(
    number: int, what: str, others: str, does: str, more: str
) -> Callable[[Callable[[Bench], None]], Callable[[Bench], None]]:
    """Put a row into the table; ``more`` names files with further tests of the same fault."""

    def keep(check: Callable[[Bench], None]) -> Callable[[Bench], None]:
        assert number not in TABLE
        TABLE[number] = Fault(number, what, others, does, more, check)
        return check

    return keep


def refused(done: Done, *words: str) -> None:
    """Check that a command was refused before any work, in one line that has these words."""
    told(done, 2, *words)


def told(done: Done, code: int, *words: str) -> None:
    """Check the exit code, and that stderr is one line that has these words."""
    assert done.returncode == code, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("error: ")
    for word in words:
        assert word in done.stderr, done.stderr


def flip(path: Path, bit: int | None = None) -> None:
    """Flip one bit of a file, by default the one in its middle."""
    damaged = bytearray(path.read_bytes())
    bit = len(damaged) * 4 if bit is None else bit % (len(damaged) * 8)
    damaged[bit // 8] ^= 1 << bit % 8
    path.write_bytes(damaged)


def weights(run: Path) -> dict[str, torch.Tensor]:
    """Return the weights of the last checkpoint."""
    return dict(checkpoints.load(run / "checkpoints" / "last.ckpt")["state_dict"])


HEAD = """# What can go wrong, and what sirve does then

{count} faults, each shown by a row of `tests/test_fault_table.py`
(`make test ARGS="-k test_fault"`) that brings it about for real: a process killed, a bit flipped, a
disk filled, a payload that would fire. The column *elsewhere* is what is usual, measured or
reported of other software. This page is written by `python tests/faults/table.py`.

| # | fault | elsewhere | here | more tests |
|--:|---|---|---|---|
"""


def page() -> str:
    """docs/faults.md"""
    import faults.data
    import faults.doors
    import faults.own
    import faults.runs  # noqa: F401

    table = sys.modules["faults.table"].TABLE
    rows = [
        f"| {f.number} | {f.what} | {f.others} | {f.does} | "
        + ", ".join(f"`{name}`" for name in f.more.split())
        + " |\n"
        for _, f in sorted(table.items())
    ]
    return HEAD.format(count=len(rows)) + "".join(rows)


if __name__ == "__main__":
    import faults.table

    sys.stdout.write(faults.table.page())
