"""The wheel carries the configuration and runs from any folder."""

import subprocess
import venv
import zipfile
from pathlib import Path

import pytest
from support import FEW, ROOT, SMALL, run_command


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
    for ending in ("page.html", "page.css", "page.js"):
        assert f"sirve/report/{ending}" in names


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
    python = tmp_path / "env" / "bin" / "python"
    pinned = ["--constraint", str(ROOT / "constraints.txt"), str(wheel)]
    subprocess.run([str(python), "-m", "pip", "install", "-q", *pinned], check=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = subprocess.run(
        [str(python.with_name("sirve-train")), "model=gru", "sim=lorenz", "trainer.updates=200"],
        cwd=elsewhere,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert list(elsewhere.glob("runs/lorenz-gru/*/report.html"))
