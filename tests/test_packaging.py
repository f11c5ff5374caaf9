"""The wheel carries the configuration and runs from any folder."""

import ast
import subprocess
import venv
import zipfile
from pathlib import Path

import pytest
from support import FEW, ROOT, SMALL, environment, run_command


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    build = ["-m", "build", "--wheel", "--no-isolation", "-o", str(out), str(ROOT)]
    done = run_command(build, out)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = out.glob("*.whl")
    return path


def test_the_wheel_holds_what_it_needs_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {
        "sirve",
        "simulators",
        wheel.name.split("-py3")[0] + ".dist-info",
    }
    for path in (ROOT / "conf").rglob("*.yaml"):
        assert f"sirve/{path.relative_to(ROOT)}" in names
    for ending in ("base.html", "page.css", "page.js"):
        assert f"sirve/report/pages/{ending}" in names


@pytest.mark.slow
def test_the_unpacked_wheel_runs(wheel: Path, tmp_path: Path) -> None:
    place = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(place)
    code = "import sirve, sys; from sirve.cli.train import main, CONF; print(CONF); main()"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    # of a model without kernels, which numba would compile anew in each new place
    arguments = ["-c", code, "model=mlp", "logger=none", *SMALL["lorenz"], *FEW]
    done = run_command(arguments, elsewhere, {"PYTHONPATH": str(place)})
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(place))
    assert list(elsewhere.glob("runs/lorenz-mlp/*/report.html"))


def test_no_message_of_the_package_names_a_file_that_is_not_in_it(wheel: Path) -> None:
    """A message may be read where only the wheel is installed: scripts/ is not there."""
    content = zipfile.ZipFile(wheel)
    modules = [name for name in content.namelist() if name.endswith(".py")]
    assert len(modules) > 100
    found = []
    for name in modules:
        for node in ast.walk(docless(ast.parse(content.read(name)))):
            if isinstance(node, ast.Constant) and "scripts/" in str(node.value):
                found.append(f"{name}:{node.lineno}: {node.value}")
    assert found == []


def docless(tree: ast.Module) -> ast.Module:
    """Return the code without its docstrings: they are read in the repository."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            body[0] = ast.Pass()
    return tree


def test_make_train_installs_no_extra_and_make_test_adds_its_own(tmp_path: Path) -> None:
    def planned(target: str) -> str:
        make = ["make", "--dry-run", "--always-make", target, f"VENV={tmp_path / 'env'}"]
        done = subprocess.run(make, cwd=ROOT, capture_output=True, text=True, check=True)
        return done.stdout

    train = planned("train")
    assert train.count("pip install --quiet") == 1
    assert "--editable .\n" in train and ".[test]" not in train
    assert "Installing sirve and PyTorch into" in train and "'.[fast]'" in train
    assert '--editable ".[test]"\n' in planned("test")


def test_an_editable_install_exposes_our_packages_only(tmp_path: Path) -> None:
    code = (
        "import importlib.util as u, sirve, simulators\n"
        "for name in ('tests', 'scripts', 'conf', 'train', 'support'):\n"
        "    assert u.find_spec(name) is None, name"
    )
    done = run_command(["-c", code], tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_in_an_empty_environment_with_its_own_dependencies(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=True)
    scripts = tmp_path / "env" / "bin"
    pinned = ["--constraint", str(ROOT / "constraints.txt"), str(wheel)]
    subprocess.run([str(scripts / "python"), "-m", "pip", "install", "-q", *pinned], check=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    def run(name: str, *arguments: str) -> str:
        done = subprocess.run(
            [str(scripts / name), *arguments],
            cwd=elsewhere,
            env=environment({"PYTHONPATH": ""}),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    small = ["model=gru", "sim=lorenz", *SMALL["lorenz"], *FEW]
    assert "sirve VERB" in run("sirve", "--help")
    run("sirve", "train", *small)
    (report,) = elsewhere.glob("runs/lorenz-gru/*/report.html")
    assert "nrmse" in run("sirve", "evaluate", str(report.parent))
    assert run("sirve", "compare", "runs").strip().endswith("compare.html")
    assert (elsewhere / "compare.html").is_file()
    run("sirve", "simulate", *SMALL["heat"], *FEW, "sim=heat")
    datasets = sorted(str(path) for path in (elsewhere / "data").iterdir())
    assert len(datasets) == 2
    assert run("sirve", "simulate", "verify", *datasets).count(" is whole\n") == 2
    run("sirve-train", *small, "resume=never")
    assert len(list(elsewhere.glob("runs/lorenz-gru/*/report.html"))) == 2
