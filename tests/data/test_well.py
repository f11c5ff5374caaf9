"""The reader of the_well opens the datasets of every field system."""

import dataclasses
import pkgutil
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from grids import BOUNDARIES
from support import CONF, SYSTEMS, recipe

from simulators import Heat, Simulator
from sirve.data.dataset import SPLITS, Dataset
from sirve.data.simulated.generate import generate

TINY = {1: (16,), 2: (10, 8)}  # cells, by the number of axes
STATES = 9


def tiny_fields() -> list[Simulator]:
    """Each field system in conf/sim, on a few cells."""
    found = []
    for name in SYSTEMS:
        target = yaml.safe_load((CONF / "sim" / f"{name}.yaml").read_text())["system"]["_target_"]
        sim = pkgutil.resolve_name(target)()
        if sim.boundary is not None:
            found.append(dataclasses.replace(sim, size=TINY[len(sim.coordinates)]))
    return found


def make(root: Path, sim: Simulator) -> Dataset:
    states = dict.fromkeys(SPLITS, STATES)
    return generate(recipe(sim, dt=0.1, states=states), dict.fromkeys(SPLITS, 2), root)


def check(root: Path, sim: Simulator) -> None:
    from the_well.data import WellDataset

    dataset = make(root, sim)
    shutil.copy(dataset.folder / "stats.yaml", root)  # where the_well 1.1 looks for it
    well = WellDataset(
        path=str(dataset.folder),
        well_split_name="train",
        n_steps_input=4,
        n_steps_output=2,
        use_normalization=False,
        return_grid=True,
    )
    x = np.moveaxis(dataset.read("train", 2), 2, -1)  # channels last, as in The Well
    windows = STATES - 6 + 1
    assert len(well) == 2 * windows
    item = {name: np.asarray(value) for name, value in well[windows + 1].items()}
    np.testing.assert_array_equal(item["input_fields"], x[1, 1:5])
    np.testing.assert_array_equal(item["output_fields"], x[1, 5:7])
    np.testing.assert_allclose(np.diff(item["input_time_grid"]), 0.1, rtol=1e-5)
    centres = np.stack(np.meshgrid(*sim.coordinates.values(), indexing="ij"), axis=-1)
    np.testing.assert_allclose(item["space_grid"], centres, rtol=1e-6)
    names = [field for order in well.metadata.field_names.values() for field in order]
    assert names == [channel.name for channel in sim.channels]


def test_there_are_field_systems() -> None:
    """Without any, the next test would pass unnoticed."""
    assert len(tiny_fields()) >= 4


@pytest.mark.parametrize("sim", tiny_fields(), ids=lambda sim: type(sim).__name__)
def test_the_well_reads_every_field(tmp_path: Path, sim: Simulator) -> None:
    check(tmp_path, sim)


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_the_well_reads_every_boundary(tmp_path: Path, boundary: str) -> None:
    sim = Heat(size=TINY[2], boundary=boundary)
    check(tmp_path, sim)
