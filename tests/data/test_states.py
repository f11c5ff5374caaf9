"""Training states held in memory or read from disk: the same windows, bit for bit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support import FEW, SMALL, quick, recipe, run_command

from simulators import Distribution, Heat, Lorenz, Simulator
from sirve.data.dataset import SPLITS, Dataset
from sirve.data.observe import Channels
from sirve.data.simulated.generate import generate
from sirve.data.states import StatesInMemory, StatesOnDisk
from sirve.data.windows import HELD, Windows, permuted

STD = {"vector": np.array([8.0, 9.0, 8.6]), "frame": np.array([0.3])}
OBSERVED = {
    "all": Channels(),
    "strided": Channels(stride=3),
    "noisy": Channels(noise=0.1, stride=2),
    "covariates": Channels(parameters=["rho", "sigma"], noise=0.01),
    "part": Channels(channels=["z", "x"]),
}


def made(root: Path, sim: Simulator, **changes: Any) -> Dataset:
    settings = {"states": dict.fromkeys(SPLITS, 31), "block": 4} | changes
    return generate(recipe(sim, dt=0.02, **settings), dict.fromkeys(SPLITS, 10), root)


@pytest.fixture(scope="module")
def varied(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Trajectories of different systems."""
    draws = {"rho": Distribution("uniform", (26.0, 32.0))}
    return made(tmp_path_factory.mktemp("varied"), Lorenz(), draws=draws)


@pytest.mark.parametrize("name", quick(OBSERVED, "noisy", "covariates"))
def test_windows_from_disk_equal_those_from_memory(varied: Dataset, name: str) -> None:
    observe, dataset = OBSERVED[name], varied
    std = STD["vector"][: observe.info(dataset.info).shape[0]]
    stored = StatesOnDisk(dataset, 10, observe, std, seed=5)
    clean = observe.clean(dataset.read("train", 10), dataset.info)
    noisy = observe.noisy(clean, std, "train", 5)
    covariates = observe.covariates(dataset.parameters("train", 10), 10)
    columns = np.broadcast_to(covariates[:, None], (*noisy.shape[:2], covariates.shape[1]))
    held = StatesInMemory(torch.as_tensor(np.concatenate([noisy, columns], axis=2)), 4)
    assert stored.shape == held.shape
    for a, b in zip(stored.blocks(), held.blocks(), strict=True):
        np.testing.assert_array_equal(a, b)
    for length in (1, 5):
        pair = [Windows(x, length, 6, seed=2) for x in (held, stored)]
        for step in (0, 1, 7, 40):
            assert torch.equal(pair[0][step], pair[1][step])
    stored.close()


def test_frames_from_disk_equal_those_from_memory(tmp_path: Path) -> None:
    dataset = made(tmp_path, Heat(size=(6, 5)))
    stored = StatesOnDisk(dataset, 10, Channels(), STD["frame"], seed=0)
    held = StatesInMemory(torch.as_tensor(dataset.read("train", 10)))
    trajectory, start = torch.tensor([9, 0, 4]), torch.tensor([26, 0, 13])
    window = stored.windows(trajectory, start, 5)
    assert window.dtype == torch.float32
    assert torch.equal(window, held.windows(trajectory, start, 5))


def test_only_a_few_shards_are_open_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sirve.data.states.OPEN", 2)
    dataset = made(tmp_path, Heat(size=(3, 3)))
    stored = StatesOnDisk(dataset, 10, Channels(), STD["frame"], seed=0)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for trajectory in (0, 4, 9, 1, 8):
        stored.windows(torch.tensor([trajectory]), torch.tensor([0]), 2)
        assert len(list(Path("/proc/self/fd").iterdir())) <= before + 2
    stored.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.slow
def test_memory_does_not_grow_with_the_dataset(tmp_path: Path) -> None:
    """Ten times the trajectories are 220 MB more of frames, which are read window by window.

    Training itself takes less than one megabyte more. The least squares of the baselines, which
    read block after block, leave 15 to 40 MB with the allocator.
    """
    code = (
        "import sys, resource; sys.argv = ['train.py', *sys.argv[1:]]\n"
        "from sirve.cli.train import main\n"
        "try: main()\n"
        "finally: print('peak', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    peaks = []
    for count in (100, 1000):
        arguments = [
            *("sim=heat", "model=convgru", *SMALL["heat"], *FEW, "logger=none", "data.memory=0"),
            *("sim.states=60", "data.workers=1", "data.block=16"),
            f"sim.trajectories={{train: {count}, valid: 4, test: 4}}",
        ]
        done = run_command(["-c", code, *arguments], tmp_path)
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stdout.rpartition("peak")[2]) / 1024)
    assert peaks[1] - peaks[0] <= 60, peaks


@settings(derandomize=True, deadline=None, database=None)
@given(count=st.integers(1, 3000), seed=st.integers(0, 2**63))
def test_the_computed_order_is_a_permutation(count: int, seed: int) -> None:
    key = np.random.SeedSequence(seed)
    whole = permuted(np.arange(count), count, key)
    assert np.array_equal(np.sort(whole), np.arange(count))
    piece = np.arange(count // 3, count // 2)
    assert np.array_equal(permuted(piece, count, key), whole[piece])


def test_the_computed_order_looks_random() -> None:
    """Neighbours are separated, and another seed gives another order."""
    count = 10_000
    order = permuted(np.arange(count), count, np.random.SeedSequence(0)) / count
    assert abs(np.corrcoef(order[:-1], order[1:])[0, 1]) < 0.03
    assert abs(np.corrcoef(order, np.arange(count))[0, 1]) < 0.03
    counts = np.histogram2d(order, np.arange(count), bins=8)[0]
    assert abs(counts - count / 64).max() < 5 * np.sqrt(count / 64)
    other = permuted(np.arange(count), count, np.random.SeedSequence(1)) / count
    assert abs(np.corrcoef(order, other)[0, 1]) < 0.03


def test_the_order_of_very_many_windows_is_not_in_memory() -> None:
    x = StatesInMemory(torch.zeros(1, 1, 1).expand(1, HELD + 2, 1))
    windows = Windows(x, 2, 1000, seed=0)
    assert windows[3].shape == (1000, 2, 1)
    assert windows._order.numel() == 0
