"""The command ``sirve``: its verbs, its help, and what a wrong verb gets."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support import Done, environment

import sirve
from sirve.cli import main as cli

SIRVE = [sys.executable, "-c", "from sirve.cli.main import main; main()"]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run ``sirve`` with arguments within this process."""

    def run(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["sirve", *arguments])
        code: Any = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code or 0
        return Done(code, *capsys.readouterr())

    return run


def test_help_is_one_line_a_verb_and_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['sirve', '--help']\n"
        "from sirve.cli.main import main; main()\n"
        "heavy = {'torch', 'hydra', 'numpy', 'h5py', 'wandb'} & sys.modules.keys()\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for verb, text in cli.VERBS.items():
        assert [line.split() for line in done.stdout.splitlines()].count([verb, *text.split()]) == 1


def test_no_argument_is_help_and_version_is_ours(command: Any) -> None:
    assert command() == command("-h") == command("--help") == (0, cli.usage() + "\n", "")
    assert command("--version") == (0, f"sirve {sirve.__version__}\n", "")


@pytest.mark.parametrize(
    ("verb", "remedy"),
    [
        ("trian", "did you mean 'train'?"),
        ("compair", "did you mean 'compare'?"),
        ("model=gru", "choose from: compare, evaluate, inside, simulate, sync, train, workspace"),
    ],
)
def test_a_misspelt_verb_names_the_nearest(command: Any, verb: str, remedy: str) -> None:
    assert command(verb, "x") == (2, "", f"error: unknown command '{verb}'; {remedy}\n")


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_has_its_help(command: Any, verb: str) -> None:
    done = command(verb, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"sirve {verb}" in done.stdout or verb == "train"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "model=gruu"], "unknown model 'gruu'"),
        (["simulate", "sim=lorentz"], "unknown sim 'lorentz'"),
        (["simulate", "verify", "none"], "none"),
        (["evaluate", "none.h5"], "none.h5 is not there"),
        (["compare", "none"], "none"),
        (["inside", "none"], "none"),
        (["workspace", "sirve"], "give ENTITY/PROJECT"),
        (["sync", "none"], "none: no offline W&B run"),
    ],
)
def test_every_verb_refuses_with_one_line_and_code_2(
    command: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = command(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("sirve s", ["simulate", "sync"]),
        ("sirve train model=g", ["model=gru"]),
        ("sirve simulate sim=hea", ["sim=heat"]),
        ("sirve compare ru", []),
    ],
)
def test_the_shell_completes_verbs_choices_and_keys(line: str, words: list[str]) -> None:
    done = subprocess.run(
        [*SIRVE, "-sc", "query=bash"],
        env=environment({"COMP_LINE": line, "COMP_POINT": "99"}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == words, done.stderr


def test_another_rank_of_a_run_goes_to_train(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Lightning starts it as ``sirve model=gru ...``: the verb is not among its arguments."""
    called: list[list[str]] = []
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("SIRVE_RUN", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["sirve", "model=gru", "trainer=ddp"])
    monkeypatch.setattr("sirve.cli.train.main", lambda: called.append(sys.argv))
    with pytest.raises(SystemExit):
        cli.main()
    assert called == [["sirve", "model=gru", "trainer=ddp"]]
