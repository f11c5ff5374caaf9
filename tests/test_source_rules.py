"""Rules for all source code: layers, no unsafe loading, no path of this machine."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT

CODE = sorted(p for top in ("src", "simulators", "scripts") for p in (ROOT / top).rglob("*.py"))
UNSAFE = {"eval", "exec", "os.system", "os.popen", "yaml.load", "yaml.unsafe_load"}


def test_no_import_goes_up_a_layer() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [str(linter), "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", CODE, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_code_unpickles_or_evaluates_text(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {alias.name for alias in node.names} | {getattr(node, "module", None)}
            assert not names & {"pickle", "dill", "cloudpickle", "shelve", "marshal"}, path
        if not isinstance(node, ast.Call):
            continue
        keywords = {k.arg: ast.unparse(k.value) for k in node.keywords}
        assert ast.unparse(node.func) not in UNSAFE, f"{path}:{node.lineno}"
        assert keywords.get("allow_pickle", "False") == "False", f"{path}:{node.lineno}"
        assert keywords.get("shell", "False") == "False", f"{path}:{node.lineno}"
        if ast.unparse(node.func) == "h5py.File" and path.name != "hdf5.py":
            assert ast.unparse(node.args[1]) == "'w'", f"{path}:{node.lineno}"
        if ast.unparse(node.func) == "torch.load":
            assert keywords.get("weights_only") == "True", f"{path}:{node.lineno}"


def test_no_file_contains_a_path_of_this_machine() -> None:
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    for name in tracked:
        data = (ROOT / name).read_bytes()
        if b"\0" not in data:
            assert not re.search(rb"(?<![\w./])/(work|home|root|Users)/\w", data), name


def test_the_tests_that_security_md_names_exist() -> None:
    claims = set(re.findall(r"`(tests/[\w/]+\.py)`", (ROOT / "SECURITY.md").read_text("utf-8")))
    assert len(claims) >= 5
    assert not [path for path in claims if not (ROOT / path).exists()]
