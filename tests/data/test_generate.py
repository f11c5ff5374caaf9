"""Datasets: the same bits for any number of workers, and growth that keeps existing shards."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import yaml
from support import ROOT, quick, recipe, run_command

from simulators import Heat, Lorenz, Pendulum, Simulator
from sirve.data.dataset import SPLITS, Dataset
from sirve.data.simulated import generate as generating
from sirve.data.simulated.generate import generate
from sirve.data.simulated.verify import verify
from sirve.errors import UserError
from sirve.runs.provenance import code_of

STATES = {"train": 12, "valid": 9, "test": 15}


def make(root: Path, sim: Simulator | None = None, **changes: Any) -> Dataset:
    sim = sim or Pendulum()
    settings: dict[str, Any] = {
        "states": STATES,
        "counts": dict.fromkeys(SPLITS, 6),
        "block": 3,
        "seed": 0,
        "workers": 1,
    }
    settings |= changes
    counts, workers = settings.pop("counts"), settings.pop("workers")
    return generate(recipe(sim, **settings), counts, root, workers)


def contents(dataset: Dataset) -> dict[str, str]:
    return dataset.manifest.shards


WORKED = [Lorenz(), Pendulum(method="DOP853"), Heat(size=(6, 5))]


@pytest.mark.parametrize("sim", quick(WORKED, WORKED[2]))
def test_any_number_of_workers_makes_the_same_files(tmp_path: Path, sim: Simulator) -> None:
    made = [contents(make(tmp_path / str(n), sim, workers=n)) for n in (1, 2, 4)]
    assert len(made[0]) == 6
    assert made[0] == made[1] == made[2]


def test_any_order_of_blocks_makes_the_same_files(tmp_path: Path) -> None:
    expected = contents(make(tmp_path / "a"))
    made = recipe(Pendulum(), states=STATES, block=3)
    blocks = [(split, number) for number in (1, 0) for split in reversed(SPLITS)]
    assert dict(generating.make(made, tmp_path / "b", blocks, 1)) == expected


def test_adding_trajectories_leaves_old_shards_untouched(tmp_path: Path) -> None:
    few = make(tmp_path)
    old = few.read("train", 6)
    times = {p: p.stat().st_mtime_ns for p in few.folder.rglob("*.hdf5")}
    more = make(tmp_path, counts={"train": 11, "valid": 6, "test": 6})
    assert more.folder == few.folder
    assert {p: p.stat().st_mtime_ns for p in times} == times
    new = more.read("train", 11)
    assert new.shape == (11, 12, 3)
    assert np.array_equal(new[:6], old)


def test_fewer_trajectories_are_the_first_ones(tmp_path: Path) -> None:
    dataset = make(tmp_path)
    assert np.array_equal(dataset.read("test", 4), dataset.read("test", 6)[:4])


def test_trajectories_equal_those_simulated_one_by_one(tmp_path: Path) -> None:
    sim = Pendulum()
    x = make(tmp_path, sim).read("valid", 6)
    for i in (0, 4):
        rng = np.random.default_rng(np.random.SeedSequence(0, spawn_key=(1, i)))
        expected = sim.trajectories(sim.initial(rng)[None], 0.1 * np.arange(9))[0]
        np.testing.assert_allclose(x[i], expected, atol=1e-14)


def test_no_two_trajectories_start_from_the_same_state(tmp_path: Path) -> None:
    dataset = make(tmp_path)
    starts = np.concatenate([dataset.read(split, 6)[:, 0] for split in SPLITS])
    starts = np.concatenate([starts, make(tmp_path, seed=1).read("train", 6)[:, 0]])
    assert len(np.unique(starts.round(9), axis=0)) == 24


@pytest.mark.parametrize(
    "change",
    [{"seed": 1}, {"dt": 0.2}, {"block": 2}, {"sim": Pendulum(omega0=2.0)}]
    + [{"states": STATES | {split: 16}} for split in SPLITS],
)
def test_another_configuration_gets_another_folder(tmp_path: Path, change: dict[str, Any]) -> None:
    assert make(tmp_path).folder != make(tmp_path, **change).folder


def test_a_finished_dataset_is_reused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(make(tmp_path))
    monkeypatch.setattr(Pendulum, "simulate", lambda *_: pytest.fail("simulated again"))
    assert contents(make(tmp_path)) == before


def test_simultaneous_jobs_make_one_complete_dataset(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from simulators import Family, Lorenz\n"
        "from sirve.data.dataset import SPLITS\n"
        "from sirve.data.simulated.generate import generate\n"
        "from sirve.data.simulated.recipe import Recipe\n"
        "counts = dict(train=int(sys.argv[1]), valid=4, test=4)\n"
        "sims = dict.fromkeys(SPLITS, Family(Lorenz(), {}))\n"
        "made = Recipe('lorenz', sims, 0.02, states=dict.fromkeys(SPLITS, 40), seed=0, block=2)\n"
        "generate(made, counts, Path('.')).read('train', counts['train'])"
    )
    with ThreadPoolExecutor(3) as pool:
        jobs = [
            pool.submit(run_command, ["-c", code, n], tmp_path, {"PYTHONPATH": str(ROOT)})
            for n in ("4", "12", "8")
        ]
        done = [job.result() for job in jobs]
    assert [d.returncode for d in done] == [0, 0, 0], [d.stderr for d in done]
    (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
    assert len(Dataset(folder).manifest.shards) == 10
    assert Dataset(folder).read("train", 12).shape == (12, 40, 3)


def test_equal_numbers_are_the_same_dataset(tmp_path: Path) -> None:
    whole = make(tmp_path, Pendulum(omega0=2))
    assert whole.folder == make(tmp_path, Pendulum(omega0=2.0)).folder


def test_changed_equations_make_another_dataset_and_comments_do_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = 'class A:\n    """Words."""\n    def f(self):\n        return 1  # why\n'
    digests = []
    for text in (
        source,
        source.replace("Words", "Other").replace("why", "how"),
        source.replace("return 1", "return -1"),
    ):
        monkeypatch.setattr("inspect.getsource", lambda _, text=text: text)
        digests.append(code_of(Pendulum))
    assert digests[0] == digests[1] != digests[2]


def test_stats_describe_all_training_data_after_an_interruption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path)
    more = {"train": 11, "valid": 6, "test": 6}
    with monkeypatch.context() as patch, pytest.raises(InterruptedError):
        patch.setattr(generating, "write_stats", raising(InterruptedError))
        make(tmp_path, counts=more)
    grown = make(tmp_path, counts=more)
    assert not list(verify(grown.folder))
    assert not list(verify(make(tmp_path).folder))  # fewer are requested, and all are kept


def raising(error: type[Exception]) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise error

    return fail


def test_missing_stats_are_written_again(tmp_path: Path) -> None:
    path = make(tmp_path).folder / "stats.yaml"
    before = path.read_text()
    path.unlink()
    make(tmp_path)
    assert path.read_text() == before


@pytest.mark.parametrize("damage", ["flip", "truncate", "delete"])
def test_a_damaged_shard_is_made_again_to_the_same_checksum(tmp_path: Path, damage: str) -> None:
    dataset = make(tmp_path)
    before = dict(contents(dataset))
    path = dataset.folder / "data" / "train" / "00001.hdf5"
    data = bytearray(path.read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 1
    path.write_bytes(data[: -1 if damage == "truncate" else None])
    if damage == "delete":
        path.unlink()
    with pytest.raises(UserError, match="differs from its checksum"):
        Dataset(dataset.folder).read("train", 6)
    assert contents(make(tmp_path)) == before
    assert Dataset(dataset.folder).read("train", 6).shape[0] == 6


def test_no_temporary_files_are_left(tmp_path: Path) -> None:
    names = {p.name for p in make(tmp_path).folder.rglob("*") if p.is_file()}
    kept = {".lock", ".workers", "manifest.json", "stats.yaml"}
    assert names == {*kept, "00000.hdf5", "00001.hdf5"}


def test_a_failing_trajectory_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        Pendulum, "solve", lambda _self, x0, t: np.full((len(x0), len(t), 3), np.nan)
    )
    with pytest.raises(UserError, match=r"split train, trajectory 0, data.seed=0, omega0=1.0, "):
        make(tmp_path)
    assert not list(tmp_path.rglob("*.hdf5"))


def test_a_damaged_manifest_is_refused(tmp_path: Path) -> None:
    dataset = make(tmp_path)
    (dataset.folder / "manifest.json").write_text("{")
    with pytest.raises(UserError, match=r"manifest.json is damaged"):
        make(tmp_path)


def test_vectors_are_float64_frames_float32_and_time_float64(tmp_path: Path) -> None:
    vector, frame = make(tmp_path), make(tmp_path, Heat(size=(6, 5)))
    assert vector.read("train", 1).dtype == np.float64
    assert frame.read("train", 1).dtype == np.float32
    with h5py.File(frame.folder / "data/train/00000.hdf5") as file:
        assert file["dimensions/time"].dtype == np.float64
        assert file["t0_fields/temperature"].shape == (3, 12, 6, 5)
        assert file.attrs["diffusivity"] == 0.5
        assert file.attrs["dt"] == 0.1
        assert file.attrs["walls"] == "neumann"
        assert file["t0_fields/temperature"].attrs["units"] == "K"


def test_stats_are_computed_from_the_training_data(tmp_path: Path) -> None:
    dataset = make(tmp_path)
    stats = yaml.safe_load((dataset.folder / "stats.yaml").read_text())
    x = dataset.read("train", 6)
    assert list(stats) == ["mean", "std", "mean_delta", "std_delta"]
    np.testing.assert_allclose(stats["mean"]["omega"], x[..., 2].mean())
    np.testing.assert_allclose(stats["std_delta"]["sin"], np.diff(x[..., 0], axis=1).std())


def test_the_manifest_describes_the_dataset(tmp_path: Path) -> None:
    content = json.loads((make(tmp_path).folder / "manifest.json").read_text())
    assert content["infos"]["test"]["time_unit"] == "period"
    assert content["infos"]["train"]["unit"] == pytest.approx(2 * np.pi)
    assert content["config"]["parameters"]["valid"]["release"] == 2.5
