"""The page "Add a system or a cell" works as written: one module, one export line, its YAML
files, and the command and the law tests find the new member."""

import ast
import re
import shutil
from pathlib import Path

import pytest
import yaml
from support import FEW, ROOT, run_command

PAGE = (ROOT / "docs" / "guide" / "extending.md").read_text(encoding="utf-8")
SIZES = ["sim.states=60", "sim.steps=20", "sim.valid_steps=20", "data.batch=8", "logger=none"]


def blocks(title: str) -> dict[str, str]:
    """Return the code blocks of a section by the file that each one's first line names."""
    section = re.split(r"\n##+ ", PAGE.split(f"## {title}\n", 1)[1])[0]
    found = {}
    for code in re.findall(r"```\w+\n(.*?)```", section, re.DOTALL):
        first, rest = code.split("\n", 1)
        found[first.removeprefix("# ").split(" ")[0]] = rest
    return found


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a copy of the repository that can be changed."""
    for name in ("src", "simulators", "conf", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name)  # with the kernels that numba has compiled
    for name in ("train.py", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def add(checkout: Path, files: dict[str, str]) -> None:
    """Write the new files, and append the text to those that exist."""
    for name, text in files.items():
        path = checkout / name
        with path.open("a", encoding="utf-8") as file:
            file.write(text)


@pytest.mark.parametrize(
    ("title", "count"),
    [("Add a system", 4), ("Add a cell", 3)],  # a system with the numbers of training
)
def test_the_page_gives_one_module_one_export_line_and_the_yaml_files(
    title: str, count: int
) -> None:
    files = blocks(title)
    assert len(files) == count
    existing = [name for name in files if (ROOT / name).exists()]
    assert len(existing) == 1
    assert existing[0].endswith("__init__.py")
    for name, text in files.items():
        assert ast.parse(text) if name.endswith(".py") else yaml.safe_load(text)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("title", "arguments", "laws"),
    [
        (
            "Add a system",
            ["sim=rossler", "model=gru"],
            ["tests/simulators/test_laws.py", "rossler"],
        ),
        ("Add a cell", ["model=mgu", "sim=lorenz"], ["tests/cores/test_laws.py", "mgu"]),
    ],
)
def test_a_member_is_added_as_the_page_says(
    checkout: Path, title: str, arguments: list[str], laws: list[str]
) -> None:
    add(checkout, blocks(title))
    path = {"PYTHONPATH": f"{checkout / 'src'}:{checkout}"}
    done = run_command(["train.py", *arguments, *SIZES, *FEW], checkout, path)
    assert done.returncode == 0, done.stderr
    name, word = laws
    pytest_run = ["-m", "pytest", "-q", "-p", "no:cacheprovider", name, "-k", word, "-x"]
    tests = run_command(pytest_run, checkout, path)
    assert tests.returncode == 0, tests.stdout
    passed = re.search(r"(\d+) passed", tests.stdout)
    assert passed, tests.stdout
    assert int(passed.group(1)) >= 8
