"""Data of users: understood, split, checked and copied; the original file stays unchanged."""

import dataclasses
import hashlib
import tracemalloc
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import yaml
from aids import well_file
from hypothesis import given, settings
from hypothesis import strategies as st
from support import CONF

import sirve
from sirve.data.dataset import SPLITS, Dataset
from sirve.data.own import source as imported
from sirve.data.own import survey
from sirve.data.own.import_data import MemoryArray, from_file
from sirve.data.own.options import Options
from sirve.data.own.source import Imported
from sirve.data.own.stack import Stack, share, split
from sirve.data.source import Wanted
from sirve.errors import UserError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 30, 3))
FRAMES = RNG.normal(size=(8, 20, 2, 6, 5)).astype("f4")
PACKING: list[dict[str, Any]] = [
    {"compression": "gzip", "shuffle": True, "fletcher32": True},
    {"compression": "lzf"},
    {"chunks": True, "maxshape": (None,) * 4},
]


def imported_from(path: Path | str, **sim: Any) -> Imported:
    folder = Path(path).parent / "scratch"
    return from_file({"path": str(path), **sim}, folder)


def wanted(source: Imported, root: Path, **changes: Any) -> Wanted:
    whole = {
        "states": {name: part.states for name, part in source.parts.items()},
        "counts": {name: part.count for name, part in source.parts.items()},
    }
    return Wanted(**{**whole, "root": root, "block": 4, "workers": 1, **changes})


def everything(source: Imported) -> np.ndarray:
    """All splits joined again, along trajectories or along time."""
    found = [part.read(range(part.count), part.states) for part in source.parts.values()]
    return np.concatenate(found, axis=int(len({x.shape[1] for x in found}) > 1))


def saved(folder: Path, kind: str, **more: Any) -> Path:
    path = folder / f"my.{kind}"
    if kind == "npy":
        np.save(path, X)
    elif kind == "npz":
        np.savez_compressed(path, x=X)
    else:
        with h5py.File(path, "w") as file:
            file.create_dataset("runs/x", data=X, chunks=(7, 8, 2), **more)
            file["note"] = "a note"
            file.attrs["author"] = "someone"
    return path


@pytest.mark.parametrize("kind", ["npy", "npz", "h5"])
def test_an_array_gives_the_same_data_from_any_file_format(tmp_path: Path, kind: str) -> None:
    source = imported_from(saved(tmp_path, kind), dt=0.1)
    np.testing.assert_array_equal(everything(source), X)
    assert source.info.channels == ("x0", "x1", "x2")
    assert (source.info.dt, source.info.time_unit, source.info.unit) == (0.1, "step", 0.1)
    assert [part.count for part in source.parts.values()] == [14, 3, 3]


@pytest.mark.parametrize("how", PACKING, ids=str)
def test_compressed_and_resizable_datasets_are_read(tmp_path: Path, how: dict[str, Any]) -> None:
    how = {key: value for key, value in how.items() if key not in ("chunks", "maxshape")}
    source = imported_from(saved(tmp_path, "h5", maxshape=(None, None, 3), **how), dt=0.1)
    np.testing.assert_array_equal(everything(source), X)


@pytest.mark.parametrize(
    ("shape", "axes", "state"),
    [
        ((40,), None, (1,)),
        ((9, 40), None, (1,)),
        ((9, 40, 2), None, (2,)),
        ((9, 40, 2, 5), None, (2, 5)),
        ((9, 40, 2, 5, 4), None, (2, 5, 4)),
        ((40, 2), ["time", "channel"], (2,)),
        ((9, 40, 5, 4), ["trajectory", "time", "x", "y"], (1, 5, 4)),
        ((5, 40, 3, 9), ["x", "time", "channel", "trajectory"], (3, 5)),
    ],
    ids=str,
)
def test_axes_are_given_or_guessed_from_their_number(
    tmp_path: Path, shape: tuple[int, ...], axes: list[str] | None, state: tuple[int, ...]
) -> None:
    x = np.asfortranarray(RNG.normal(size=shape).astype("f4"))
    np.save(tmp_path / "x.npy", x)
    source = imported_from(tmp_path / "x.npy", dt=1.0, axes=axes)
    assert source.info.shape == state
    assert ("guessed" in source.notes[0]) == (axes is None)
    found = everything(source)
    if "trajectory" in (axes or "trajectory") and len(shape) > 1:
        assert found.shape == (9, 40, *state)
    if axes and axes[0] == "x":
        np.testing.assert_array_equal(found, x.transpose(3, 1, 2, 0))
    assert sorted(found.ravel()) == sorted(x.ravel())


def test_names_make_several_arrays_channels_or_splits(tmp_path: Path) -> None:
    times = 0.25 * np.arange(30)
    np.savez(tmp_path / "a.npz", u=X[..., 0], w=X[..., 2], t=times)
    source = imported_from(tmp_path / "a.npz")
    assert (source.info.channels, source.info.dt) == (("u", "w"), 0.25)
    np.testing.assert_array_equal(everything(source), X[..., [0, 2]])
    np.savez(tmp_path / "b.npz", train=X[:9], test=X[9:, :20])
    source = imported_from(tmp_path / "b.npz", dt=1.0)
    assert [part.count for part in source.parts.values()] == [7, 2, 11]
    assert [part.states for part in source.parts.values()] == [30, 30, 20]
    np.testing.assert_array_equal(source.parts["test"].read(range(11), 20), X[9:, :20])
    one = imported_from(tmp_path / "a.npz", dataset="w", dt=1.0)
    np.testing.assert_array_equal(everything(one), X[..., [2]])
    assert imported_from(tmp_path / "a.npz", dataset=["w", "u"]).info.channels == ("w", "u")


@settings(derandomize=True, deadline=None)
@given(
    counts=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    states=st.integers(1, 9),
    shares=st.lists(st.floats(0.01, 100), min_size=2, max_size=3),
    by=st.sampled_from(["trajectory", "time"]),
)
def test_every_state_is_in_one_split_and_no_split_is_empty(
    counts: list[int], states: int, shares: list[float], by: str
) -> None:
    numbers = iter(range(10**6))
    pool = []
    for count in counts:
        x = np.array([[next(numbers) for _ in range(states)] for _ in range(count)], float)
        pool.append(Stack("", ((MemoryArray("x", x), ("trajectory", "time")),)))
    names = dict(zip(SPLITS[-len(shares) :], shares, strict=True))
    total = states if by == "time" else sum(counts)
    if total < len(shares):
        with pytest.raises(UserError, match="too few"):
            split(pool, names, by)
        return
    parts = split(pool, names, by)
    found = [parts[name].read(range(parts[name].count), parts[name].states) for name in names]
    assert all(x.size for x in found)
    every = np.concatenate([x.ravel() for x in found])
    assert sorted(every) == list(range(sum(counts) * states))
    if by == "trajectory":
        assert list(every) == sorted(every)  # in order


def test_shares_are_met_as_nearly_as_possible() -> None:
    assert share(100, [0.7, 0.15, 0.15]) == [70, 15, 15]
    assert share(176, [128, 32, 16]) == [128, 32, 16]
    assert share(3, [0.98, 0.01, 0.01]) == [1, 1, 1]


def test_a_single_trajectory_is_split_in_time(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X[0])
    source = imported_from(tmp_path / "x.npy", dt=1.0, axes=["time", "channel"])
    np.testing.assert_array_equal(everything(source), X[:1])
    assert [source.parts[name].states for name in SPLITS] == [21, 5, 4]


@pytest.mark.parametrize("how", [{}, *PACKING[:2]], ids=str)
def test_a_folder_in_the_wells_layout_is_imported(tmp_path: Path, how: dict[str, Any]) -> None:
    x = FRAMES
    for name, rows in (("train", slice(0, 3)), ("train", slice(3, 5)), ("test", slice(5, 8))):
        path = tmp_path / "mini" / "data" / name / f"{rows.start}.hdf5"
        vector = np.moveaxis(x[rows], 2, -1)
        fields = {0: {"u10": x[rows, :, 0], "u9": x[rows, :, 1]}, 1: {"v": vector}}
        well_file.write(path, fields, {"x": 6, "y": 5}, **how)
    source = imported_from(tmp_path / "mini")
    info = source.info
    assert (info.name, info.channels, info.dt) == ("mini", ("u9", "u10", "v_x", "v_y"), 0.1)
    assert (info.shape, info.boundary) == ((4, 6, 5), "periodic")
    assert [part.count for part in source.parts.values()] == [
        4,
        1,
        3,
    ]  # no valid files: train's five are split
    np.testing.assert_array_equal(everything(source), x[:, :, [1, 0, 0, 1]])
    assert any("height does not vary" in line for line in source.notes)
    one = imported_from(
        tmp_path / "mini" / "data" / "train" / "0.hdf5", boundary="dirichlet", dt=3.0
    )
    assert (one.info.boundary, one.info.dt) == ("dirichlet", 3.0)
    assert [part.count for part in one.parts.values()] == [1, 1, 1]


def test_vectors_in_the_wells_layout_have_no_space_or_one_point(tmp_path: Path) -> None:
    for name, x, dims in (("a", X, {}), ("b", X[..., None, :], {"s": 1})):
        fields = {0: {key: x[..., i] for i, key in enumerate("xyz")}}
        well_file.write(tmp_path / f"{name}.hdf5", fields, dims)
        source = imported_from(tmp_path / f"{name}.hdf5")
        assert (source.info.shape, source.info.boundary) == ((3,), None)
        np.testing.assert_array_equal(everything(source), X.astype("f4"))


def test_time_steps_are_read_and_gaps_are_reported() -> None:
    t = MemoryArray("t", np.arange(1000, dtype="f4") * np.float32(0.1))
    assert survey.step_of(t, 1000) == (0.1, [])
    gap = np.arange(1000) * 0.02 + np.where(np.arange(1000) > 56, 0.5, 0)
    step, lines = survey.step_of(MemoryArray("t", np.stack([np.arange(1000) * 0.02, gap])), 1000)
    assert step == 0.02
    assert lines == [
        "gaps: 1 steps of time are not 0.02, the first 0.52, after time 56 of trajectory 1"
    ]
    with pytest.raises(UserError, match=r"does not increase .*give sim.dt="):
        survey.step_of(MemoryArray("t", np.zeros(5)), 5)
    with pytest.raises(UserError, match=r"does not fit 9 states"):
        survey.step_of(MemoryArray("t", np.arange(5)), 9)


@pytest.mark.parametrize("numbers", [10**6, 70, 1])
def test_every_number_is_checked_in_pieces_of_any_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, numbers: int
) -> None:
    monkeypatch.setattr(survey, "NUMBERS", numbers)
    x = X * [1, 10, 100] + [0, 1e6, 0]
    np.save(tmp_path / "x.npy", x)
    source = imported_from(tmp_path / "x.npy", dt=1.0)
    lines = source.inspect(wanted(source, tmp_path))
    table = [line.split() for line in lines if line.startswith("x")][1:]
    for i, (name, *words) in enumerate(table):
        c = x[..., i]
        assert [name, *words] == [
            f"x{i}",
            *(f"{v:.4g}" for v in (c.min(), c.max(), c.mean(), c.std())),
        ]


def test_repeated_states_are_reported(tmp_path: Path) -> None:
    x = X.copy()
    x[3, 12:27] = x[3, 12]
    x[17, :11] = 0
    np.save(tmp_path / "x.npy", x)
    source = imported_from(tmp_path / "x.npy", dt=1.0)
    assert source.inspect(wanted(source, tmp_path))[-1] == (
        "repeats: 2 trajectories keep one state for 10 times or more, the longest for 15, at "
        "x.npy, trajectory 3, time 12"
    )


def test_values_that_are_not_finite_are_refused_with_their_places(tmp_path: Path) -> None:
    x = X.copy()
    x[2, 4, 1] = np.nan
    x[19, 29, 0] = x[19, 29, 2] = np.inf
    np.save(tmp_path / "x.npy", x)
    source = imported_from(tmp_path / "x.npy", dt=1.0, channels=["a", "b", "c"])
    with pytest.raises(UserError) as error:
        source.inspect(wanted(source, tmp_path / "data"))
    assert str(error.value) == (
        "x: 3 values are NaN or infinite, the first at x.npy, trajectory 2, time 4, channel b; at "
        "x.npy, trajectory 19, time 29, channel a; at x.npy, trajectory 19, time 29, channel c; "
        "leave those trajectories out or fill them in, and save it again"
    )
    assert not (tmp_path / "data").exists()
    few = {"train": 2, "valid": 1, "test": 1}
    assert source.inspect(wanted(source, tmp_path, counts=few, block=2))
    with pytest.raises(
        UserError, match="trajectory 2"
    ):  # which a larger block would put into the first shard
        source.inspect(wanted(source, tmp_path, counts=few, block=3))


def copied(source: Imported, root: Path, **changes: Any) -> Dataset:
    return source.dataset(wanted(source, root, **changes))


def test_a_copy_is_an_ordinary_dataset(tmp_path: Path) -> None:
    path = saved(tmp_path, "npy")
    before = (hashlib.sha256(path.read_bytes()).digest(), path.stat().st_mtime_ns)
    source = imported_from(path, dt=0.1, units=["m", "s", "K"], time_unit="period", unit=3.0)
    dataset = copied(source, tmp_path / "data")
    again = np.concatenate([dataset.read(n, p.count) for n, p in source.parts.items()])
    np.testing.assert_array_equal(again, X)
    assert dataset.info == source.info
    assert (dataset.info.units, dataset.info.unit) == (("m", "s", "K"), 3.0)
    stats = yaml.safe_load((dataset.folder / "stats.yaml").read_text())
    np.testing.assert_allclose(stats["std"]["x1"], X[:14, :, 1].std())
    assert {p.name for p in dataset.folder.rglob("*.hdf5")} == {f"0000{i}.hdf5" for i in range(4)}
    assert (hashlib.sha256(path.read_bytes()).digest(), path.stat().st_mtime_ns) == before
    shard = next(dataset.folder.rglob("00001.hdf5"))
    shard.write_bytes(b"damaged")
    assert copied(source, tmp_path / "data").manifest.shards == dataset.manifest.shards
    assert source.inspect(wanted(source, tmp_path / "data"))[-1].startswith("checked before")


def test_other_content_or_options_make_another_dataset(tmp_path: Path) -> None:
    path = saved(tmp_path, "npy")
    one = imported_from(path, dt=0.1)
    folders = {one.digest(wanted(one, tmp_path))}
    for change in ({"dt": 0.2}, {"split": "time"}, {"channels": ["a", "b", "c"]}):
        other = imported_from(path, **{"dt": 0.1, **change})
        folders.add(other.digest(wanted(other, tmp_path)))
    np.save(path, X + 1e-12)
    other = imported_from(path, dt=0.1)
    folders.add(other.digest(wanted(other, tmp_path)))
    assert len(folders) == 5
    few = wanted(one, tmp_path, counts=dict.fromkeys(SPLITS, 1))
    assert one.digest(few) in folders


def test_adding_trajectories_leaves_old_shards_untouched(tmp_path: Path) -> None:
    source = imported_from(saved(tmp_path, "h5"), dt=0.1)
    few = copied(source, tmp_path / "data", counts={"train": 5, "valid": 1, "test": 1})
    old = {path: path.stat().st_mtime_ns for path in few.folder.rglob("*.hdf5")}
    assert len(old) == 4
    more = copied(source, tmp_path / "data")
    assert more.folder == few.folder
    assert {path: path.stat().st_mtime_ns for path in old} == old
    np.testing.assert_array_equal(more.read("train", 14), X[:14])


def test_null_sizes_become_all_there_is(tmp_path: Path) -> None:
    sim = yaml.safe_load((CONF / "sim" / "file.yaml").read_text())
    source = imported_from(saved(tmp_path, "npy"), dt=0.1)
    found = source.completed(sim, stride=1)
    assert {k: found[k] for k in ("dt", "states", "valid_steps", "steps", "trajectories")} == {
        "dt": 0.1,
        "states": 30,
        "valid_steps": 20,
        "steps": 20,
        "trajectories": {"train": 14, "valid": 3, "test": 3},
    }
    assert source.completed(sim, stride=2)["steps"] == 5
    few = source.completed({**sim, "steps": 7, "trajectories": {"train": 2}}, stride=1)
    assert (few["steps"], few["trajectories"]["train"]) == (7, 2)
    for change, message in (
        ({"steps": 21}, r"sim.steps=21, but there are 20; ask for at most that"),
        ({"trajectories": {"valid": 4}}, r"sim.trajectories.valid=4, but there are 3"),
        ({"context": 30}, r"valid has 30 states a trajectory, none beyond sim.context=30; lower"),
        ({"context": "x"}, r"sim.context=x must be a whole number"),
    ):
        with pytest.raises(UserError, match=message):
            source.completed({**sim, **change}, stride=1)


def test_yaml_and_python_have_the_same_options() -> None:
    sim = yaml.safe_load((CONF / "sim" / "file.yaml").read_text())
    for field in dataclasses.fields(Options):
        assert sim[field.name] == getattr(Options(), field.name), field.name


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"path": None}, "sim.path=None must name your data"),
    ({"path": "no.npy"}, "no.npy cannot be read (No such file or directory); name a file"),
    ({"dt": None}, "my.npy does not say the time from one state to the next; give sim.dt="),
    ({"dt": -1}, "sim.dt=-1 must be a positive number"),
    ({"axes": ["time", "channel"]}, "has 3 axes, sim.axes=['time', 'channel'] are 2; name them"),
    ({"axes": ["trajectory", "channel", "x"]}, "must be some of trajectory, time, channel, x, y"),
    ({"axes": "time"}, "sim.axes=time must be a list of words"),
    ({"channels": ["a", "b"]}, "sim.channels=['a', 'b'] must be 3 different names"),
    ({"channels": ["a", "a", "b"]}, "must be 3 different names, one a channel (my.npy: my, float"),
    ({"channels": ["a/b", "c", "d"]}, "sim.channels holds 'a/b', not a name"),
    ({"units": ["m"]}, "sim.units=['m'] must be 3, one a channel"),
    ({"boundary": "periodic"}, "sim.boundary=periodic is for fields, these are vectors"),
    ({"boundary": "brick"}, "sim.boundary=brick must be one of neumann"),
    ({"unit": 2.0}, "sim.time_unit=None and sim.unit=2.0 go together"),
    ({"split": "x"}, "sim.split=x must be one of trajectory, time"),
    ({"shares": {"train": 1}}, "sim.shares={'train': 1} must be positive"),
    ({"name": "../x"}, "must be letters, digits"),
    ({"dataset": "x"}, "my.npy: sim.dataset='x' is not there; choose from: my"),
]


@pytest.mark.parametrize(("change", "message"), WRONG, ids=str)
def test_invalid_options_are_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], message: str
) -> None:
    saved(tmp_path, "npy")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as error:
        from_file({"path": "my.npy", "dt": 0.1, **change}, tmp_path)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_arrays_of_different_sizes_are_refused_by_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", u=np.ones((4, 9)), v=np.ones((5, 9)))
    with pytest.raises(UserError, match=r"'v' of shape \(5, 9\) does not go with 'u' of shape"):
        imported_from(tmp_path / "x.npz", dt=1.0)
    np.savez(tmp_path / "x.npz", train=np.ones((4, 9, 2)), test=np.ones((4, 9, 3)))
    with pytest.raises(UserError, match=r"of shape \(9, 3\), but in x.npz of \(9, 2\)"):
        imported_from(tmp_path / "x.npz", dt=1.0)
    np.save(tmp_path / "two.npy", np.ones((2, 9, 2)))
    with pytest.raises(UserError, match=r"2 trajectories are too few .*; give sim.split=time"):
        imported_from(tmp_path / "two.npy", dt=1.0)
    assert imported_from(tmp_path / "two.npy", dt=1.0, split="time").parts["valid"].count == 2


@pytest.mark.parametrize("fields", [False, True])
def test_from_arrays_writes_a_dataset_that_can_be_imported(tmp_path: Path, fields: bool) -> None:
    x: Any = FRAMES if fields else {"train": X[:9], "valid": X[9:12], "test": X[12:]}
    channels = ["u", "v"] if fields else ["x2", "x10", "x1"]
    options = {"channels": channels, "units": ["K"] * len(channels), "name": "mine"}
    options |= {"boundary": "dirichlet"} if fields else {"time_unit": "period", "unit": 2.0}
    folder = sirve.from_arrays(x, tmp_path / "made", dt=0.5, **options)
    assert folder == tmp_path / "made"
    source = imported_from(folder)
    np.testing.assert_array_equal(everything(source), FRAMES if fields else X)
    info = source.info
    assert (info.name, info.dt, list(info.channels), info.units[0]) == ("mine", 0.5, channels, "K")
    assert (info.boundary, info.unit) == (("dirichlet", 0.5) if fields else (None, 2.0))
    with pytest.raises(UserError, match="made exists already; name a new folder"):
        sirve.from_arrays(x, folder, dt=0.5)
    shard = next(folder.rglob("*.hdf5"))
    shard.write_bytes(shard.read_bytes()[:-1] + b"x")
    with pytest.raises(UserError, match="differs from its checksum; import it again"):
        imported_from(folder)


def test_from_arrays_leaves_nothing_if_it_refuses(tmp_path: Path) -> None:
    for x, message in (
        (np.full((4, 9, 2), np.nan), "72 values are NaN or infinite"),
        (np.array([[["a"]]]), "holds <U1 of shape"),
        ({"valid": X, "test": X[:2]}, "does not go with"),
        (X, "^dt=0 must be a positive number"),
    ):
        with pytest.raises(UserError, match=message):
            sirve.from_arrays(x, tmp_path / "made", dt=0 if x is X else 1.0)
    assert not list(tmp_path.iterdir())


def test_memory_holds_only_a_few_trajectories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey, "NUMBERS", 50_000)
    monkeypatch.setattr(imported, "BLOCK", 50_000)
    monkeypatch.setattr(imported, "write_stats", lambda *_: None)  # it reads all training data
    x = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", "f8", (400, 1000, 10))
    x[:] = RNG.normal(size=10)
    x[:, ::2] += 1
    source = imported_from(tmp_path / "x.npy", dt=1.0)
    tracemalloc.start()
    source.inspect(wanted(source, tmp_path))
    source.copy(tmp_path / "made", wanted(source, tmp_path, counts=dict.fromkeys(SPLITS, 20)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 12e6 < x.nbytes / 2  # 10 MB of it are the limit for reading a manifest
