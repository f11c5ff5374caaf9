"""``sirve simulate``: a dataset without training, and pictures of it."""

import runpy
import shutil
import sys
from pathlib import Path
from typing import Any

import av
import matplotlib.image
import numpy as np
import pytest
import yaml
from hydra.core.global_hydra import GlobalHydra
from support import AIDS, CONF, FEW, ROOT, SMALL, Command, Done, quick, run_command

from sirve.data.dataset import Dataset
from sirve.data.simulated.verify import verify
from sirve.io.files import sha256

pytestmark = pytest.mark.usefixtures("blank_reports_in_module")

SCRIPT = str(ROOT / "scripts" / "simulate.py")


def small(sim: str) -> list[str]:
    return [f"sim={sim}", *SMALL[sim], *FEW]


@pytest.fixture
def simulate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Command:
    """Run the script within this process, in an empty folder."""

    def run(*arguments: str) -> Done:
        GlobalHydra.instance().clear()
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", [SCRIPT, *arguments])
        monkeypatch.setattr(sys, "path", [str(ROOT / "scripts"), *sys.path])
        code: Any = 0
        try:
            runpy.run_path(SCRIPT, run_name="__main__")
        except SystemExit as stop:
            code = stop.code
        return Done(code or 0, *capfd.readouterr())

    return run


def only(root: Path) -> Path:
    (folder,) = root.iterdir()
    return folder


@pytest.mark.parametrize("sim", quick(["lorenz", "heat"], "lorenz"))
def test_it_makes_what_train_makes(
    simulate: Command, command: Command, tmp_path: Path, sim: str
) -> None:
    done = simulate(*small(sim), "data.root=mine")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    done = command(*small(sim), "data.root=trains", "model=persistence", "logger=none")
    assert done.returncode == 0, done.stderr
    mine, trains = only(tmp_path / "mine"), only(tmp_path / "trains")
    assert mine.name == trains.name
    for name in ("manifest.json", "stats.yaml", *Dataset(mine).manifest.shards):
        path = name if "." in name and "/" not in name else f"data/{name}"
        assert sha256(mine / path) == sha256(trains / path), name
    before = {path: path.stat().st_mtime_ns for path in mine.rglob("*.hdf5")}
    done = command(*small(sim), "data.root=mine", "model=persistence", "logger=none")
    assert done.returncode == 0, done.stderr
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_your_own_data_are_imported_as_train_imports_them(
    simulate: Command, command: Command, tmp_path: Path
) -> None:
    angle = np.add.outer(np.arange(5.0), 0.1 * np.arange(80))
    np.save(tmp_path / "x.npy", np.stack([np.sin(angle), np.cos(angle)], axis=2))
    own = ["sim=file", "sim.path=x.npy", "sim.dt=0.1"]
    done = simulate(*own, "data.root=mine", "--look")
    assert done.returncode == 0, done.stderr
    assert "train      3 trajectories of 80 states (2,)" in done.stdout
    assert command(*own, "data.root=trains", "model=persistence", "logger=none").returncode == 0
    mine, trains = only(tmp_path / "mine"), only(tmp_path / "trains")
    assert mine.name == trains.name
    assert Dataset(mine).manifest == Dataset(trains).manifest
    assert sha256(mine / "stats.yaml") == sha256(trains / "stats.yaml")
    assert {path.name for path in (mine / "look").iterdir()} == PICTURES["lorenz"]
    assert not list(verify(mine))
    (mine / "data" / "train" / "00000.hdf5").unlink()
    done = simulate("repair", str(mine))
    assert done.returncode == 2
    assert "run the command that imported it again" in done.stderr


def test_it_prints_what_was_made_and_measured(simulate: Command) -> None:
    done = simulate(*small("lorenz"), "data.limits=true", "observe.stride=2")
    assert done.returncode == 0, done.stderr
    lines = dict(line.split(None, 1) for line in done.stdout.splitlines() if line[:1].isalpha())
    dataset = Dataset(Path(lines["dataset"]))
    assert lines["channels"] == "x [1], y [1], z [1], 0.02 apart"
    assert lines["train"] == "8 trajectories of 159 states (3,)"
    first, *_, last = lines["exponents"].removesuffix(" per unit of time").split(", ")
    assert len(lines["exponents"].split(", ")) == 3
    value, error = map(float, first.split(" ± "))
    assert abs(value - 0.9056) < 4 * error < 0.4
    assert abs(float(last.split(" ± ")[0]) + 14.57) < 0.1
    assert lines["ceiling"].startswith("DOP853 and LSODA agree for ≥ ")
    assert "to make" in lines["seconds"]
    size = sum(path.stat().st_size for path in dataset.folder.rglob("*.hdf5")) / 1e6
    assert lines["size"] == f"{size:.1f} MB in 4 shards"
    done = simulate(*small("heat"), "data.limits=true")
    assert "ceiling    none: the solution is exact" in done.stdout


def test_a_sweep_makes_one_dataset_each(simulate: Command, tmp_path: Path) -> None:
    done = simulate("-m", *small("lorenz"), "data.seed=1,2")
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "data").iterdir())) == 2


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("sim.dtt=1", "did you mean 'sim.dt'?"),
        ("sim=lorentz", "unknown sim 'lorentz'; choose from: "),
        ("sim.dt=-1", "sim.dt=-1 must be a positive number"),
        ("sim.system.rho=nan", "sim.system: rho=nan must be"),
        ("data.workers=0", "data.workers=0 must be a whole number"),
        ("data.root=5", "data.root=5 must be a folder's name"),
        ("observe.channels=[a]", "has no channel 'a'"),
        ("verfy", "verfy"),
        ("+store.password=x", "a secret would be written"),
    ],
)
def test_wrong_input_is_one_line(
    simulate: Command, tmp_path: Path, argument: str, words: str
) -> None:
    done = simulate(argument)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_help_gives_the_verbs_and_imports_no_torch(tmp_path: Path) -> None:
    code = (
        "import runpy, sys; sys.argv = sys.argv[1:]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "assert 'torch' not in sys.modules"
    )
    done = run_command(["-c", code, SCRIPT, *small("lorenz")], tmp_path)
    assert done.returncode == 0, done.stderr
    assert "sirve simulate repair FOLDER" in run_command([SCRIPT, "-h"], tmp_path).stdout


PICTURES = {
    "lorenz": {"series.png", "phase.png", "spectrum.png"},
    "pendulum": {"series.png", "phase.png", "spectrum.png", "invariants.png"},
    "heat": {"film.png", "film.mp4", "spectrum.png", "invariants.png"},
}


@pytest.mark.parametrize("sim", quick(PICTURES, "lorenz", "heat"))
def test_it_draws_what_was_made(simulate: Command, tmp_path: Path, sim: str) -> None:
    done = simulate(*small(sim), "--look")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    folder = only(tmp_path / "data")
    drawn = {path.name: path for path in (folder / "look").iterdir()}
    assert set(drawn) == PICTURES[sim]
    for name, path in drawn.items():
        assert f"drew       data/{folder.name}/look/{name}" in done.stdout
        if path.suffix == ".png":
            image = matplotlib.image.imread(path)
            assert image.std() > 0.02
            for edge in (image[0], image[-1], image[:, 0], image[:, -1]):  # no text is cut off
                assert np.ptp(edge) == 0
        else:
            with av.open(str(path)) as film:
                frames = [frame.to_ndarray(format="gray") for frame in film.decode(video=0)]
            assert len(frames) == Dataset(folder).read("train", 1).shape[1]
            assert frames[0].std() > frames[-1].std() > 0
    assert not list(verify(folder))


def test_pictures_replace_links_and_follow_none(simulate: Command, tmp_path: Path) -> None:
    assert simulate(*small("lorenz")).returncode == 0
    folder, precious = only(tmp_path / "data"), tmp_path / "precious"
    precious.write_text("precious")
    (folder / "look").mkdir()
    (folder / "look" / "phase.png").symlink_to(precious)
    assert simulate("look", str(folder)).returncode == 0
    assert precious.read_text() == "precious"
    assert not (folder / "look" / "phase.png").is_symlink()
    shutil.rmtree(folder / "look")
    (folder / "look").symlink_to(tmp_path)
    done = simulate("look", str(folder))
    assert done.returncode == 2
    assert "is a link that leaves the dataset" in done.stderr


def test_your_own_system_is_imported_only_where_trusted(
    simulate: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Making a dataset trusts the command line; drawing or repairing one needs --trust."""
    monkeypatch.syspath_prepend(str(AIDS))
    keys = yaml.safe_load((CONF / "sim" / "lorenz.yaml").read_text())["system"]
    own = [f"~sim.system.{key}" for key in keys if key != "_target_"]
    done = simulate(*small("lorenz"), *own, "sim.system._target_=planted.Faulty")
    assert done.returncode == 0, done.stderr
    folder = only(tmp_path / "data")
    done = simulate("look", str(folder))
    assert done.returncode == 0
    assert "its invariants are not drawn: sim.system: planted.Faulty is outside" in done.stderr
    shard = folder / "data" / "valid" / "00000.hdf5"
    before = sha256(shard)
    shard.unlink()
    done = simulate("repair", str(folder))
    assert done.returncode == 2
    assert "planted.Faulty is outside the trusted packages" in done.stderr
    assert not shard.exists()
    assert simulate("repair", str(folder), "--trust", "planted").returncode == 0
    assert sha256(shard) == before
    assert simulate("look", str(folder), "--trust", "planted").stderr == ""


# A process's own peak; what getrusage says may be that of the process it was forked from.
MEMORY = """
import re, runpy, sys
from pathlib import Path
def peak(pid):
    return int(re.search(r"VmHWM:\\s*(\\d+)", Path(f"/proc/{pid}/status").read_text())[1]) // 1024
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
children = Path("/proc/self/task").glob("*/children")
pids = [pid for path in children for pid in path.read_text().split()]
workers = [pid for pid in pids if "popen_loky" in Path(f"/proc/{pid}/cmdline").read_text()]
print("peaks", peak("self"), *map(peak, workers))
"""
LARGE = [  # shards of 4 MB
    *("sim=pendulum", "sim.states=10000", "sim.steps=50", "sim.valid_steps=50", "data.workers=2"),
    *("data.limits=false", "sim.trajectories.valid=16", "sim.trajectories.test=16"),
]


@pytest.mark.slow
def test_memory_is_flat_while_a_dataset_grows_tenfold(tmp_path: Path) -> None:
    peaks, sizes = [], []
    for count in (64, 640):
        arguments = [*LARGE, f"sim.trajectories.train={count}", f"data.root=of{count}"]
        done = run_command(["-c", MEMORY, SCRIPT, *arguments], tmp_path)
        assert done.returncode == 0, done.stderr
        (line,) = [line for line in done.stdout.splitlines() if line.startswith("peaks")]
        peaks.append([int(value) for value in line.split()[1:]])
        sizes.append(sum(p.stat().st_size for p in (tmp_path / f"of{count}").rglob("*.hdf5")))
    assert sizes[1] > 9 * sizes[0] > 100e6, sizes
    assert len(peaks[0]) == len(peaks[1]) == 3
    assert peaks[1][0] < peaks[0][0] + 30, peaks  # MB, of the process itself
    assert max(peaks[1][1:]) < max(peaks[0][1:]) + 30, peaks  # of its workers
