"""Systems of a split: parameters drawn for each trajectory, shared, or other in the test."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from support import recipe

from simulators import Distribution, Family, Heat, Lorenz, Pendulum
from sirve.data.dataset import SPLITS
from sirve.data.simulated.generate import generate
from sirve.data.simulated.recipe import Recipe, families
from sirve.errors import UserError
from sirve.io.instantiate import trusted

LORENZ = {"_target_": "simulators.Lorenz", "rho": {"uniform": [26, 32]}}


def test_each_trajectory_draws_and_stores_its_parameters(tmp_path: Path) -> None:
    dataset = generate(
        recipe(Lorenz(), draws={"rho": Distribution("uniform", (26.0, 32.0))}, dt=0.01),
        dict.fromkeys(SPLITS, 6),
        tmp_path,
    )
    found = dataset.parameters("train", 6)
    rho = found["rho"]
    assert len(set(rho.tolist())) == 6
    assert ((rho >= 26) & (rho < 32)).all()
    assert found["sigma"].tolist() == [10.0] * 6
    x = dataset.read("train", 6)
    for i in range(6):
        again = Lorenz(rho=rho[i]).trajectories(x[i, :1], 0.01 * np.arange(5))
        np.testing.assert_allclose(x[i], again[0], atol=1e-8)
    with h5py.File(dataset.folder / "data/train/00001.hdf5") as file:
        assert file["scalars/rho"][:].tolist() == rho[2:4].tolist()
        assert "rho" in file.attrs["simulation_parameters"]


def test_drawn_parameters_do_not_depend_on_the_other_trajectories() -> None:
    """Trajectory i of a split is a function of the seed, the split and i alone."""
    family = Family(Pendulum(), {"omega0": Distribution("log_uniform", (0.5, 2.0))})
    rngs = [np.random.default_rng(i) for i in range(5)]
    alone = family.sample([np.random.default_rng(3)])["omega0"]
    assert family.sample(rngs)["omega0"][3] == alone[0]


@pytest.mark.parametrize(
    ("kind", "values", "middle"),
    [
        ("uniform", (1.0, 4.0), 2.5),
        ("log_uniform", (1.0, 4.0), 2.0),
        ("choice", (5.0, 1.0, 2.0), 2.0),
    ],
)
def test_draws_follow_their_distributions(
    kind: str, values: tuple[float, ...], middle: float
) -> None:
    draw = Distribution.from_config({kind: list(values)}, "x")
    rng = np.random.default_rng(0)
    drawn = np.array([draw(rng) for _ in range(4000)])
    assert draw.middle == middle
    assert drawn.min() >= min(values)
    assert drawn.max() <= max(values)
    if kind == "choice":
        assert set(drawn) == set(values)
    else:
        assert np.median(drawn) == pytest.approx(middle, rel=0.05)


@pytest.mark.parametrize(
    "plain",
    [
        {},
        {"normal": [0, 1]},
        {"uniform": [2, 1]},
        {"uniform": [1]},
        {"uniform": "ab"},
        {"uniform": [1, "a"]},
        {"uniform": [0, float("inf")]},
        {"log_uniform": [0, 1]},
        {"choice": []},
    ],
)
def test_an_invalid_distribution_is_refused(plain: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"sim.system.rho="):
        families({**LORENZ, "rho": plain}, {}, None)


def test_a_split_can_have_other_parameters() -> None:
    found = families(LORENZ, {"test": {"rho": {"uniform": [32, 36]}, "beta": 2.0}}, None)
    assert found["train"].draws["rho"].values == (26.0, 32.0)
    assert found["test"].draws["rho"].values == (32.0, 36.0)
    assert found["test"].sim.beta == 2.0  # type: ignore[attr-defined]
    assert found["valid"] == found["train"]


@pytest.mark.parametrize(
    ("system", "splits", "reason"),
    [
        (LORENZ, {"tset": {}}, "sim.splits.tset: no such split; did you mean 'test'"),
        (
            LORENZ,
            {"test": {"roh": 1}},
            "sim.splits.test.roh: Lorenz has no such parameter; did you mean 'rho'",
        ),
        (LORENZ, {"test": 3}, "must be parameters"),
        ({**LORENZ, "rho": {"uniform": [-1, 3]}}, {}, "rho=.* must be a positive number"),
        ({**LORENZ, "rtol": {"uniform": [1e-9, 1e-8]}}, {}, "rtol cannot vary .* these can: sigma"),
    ],
)
def test_invalid_systems_are_refused(
    system: dict[str, Any], splits: dict[str, Any], reason: str
) -> None:
    with pytest.raises(UserError, match=reason):
        families(system, splits, None)


def test_the_test_can_have_another_resolution(tmp_path: Path) -> None:
    node = {"_target_": "simulators.Heat", "size": [6, 6]}
    made = Recipe(
        "heat", families(node, {"test": {"size": [12, 12]}}, None), 1.0, dict.fromkeys(SPLITS, 4)
    )
    dataset = generate(made, dict.fromkeys(SPLITS, 2), tmp_path)
    assert dataset.read("train", 2).shape == (2, 4, 1, 6, 6)
    assert dataset.read("test", 2).shape == (2, 4, 1, 12, 12)


def test_a_recipe_is_rebuilt_from_its_manifest(tmp_path: Path) -> None:
    made = recipe(
        Heat(size=(4, 3)), draws={"diffusivity": Distribution("log_uniform", (0.25, 1.0))}
    )
    dataset = generate(made, dict.fromkeys(SPLITS, 1), tmp_path)
    again = Recipe.of(dataset.manifest.config, trusted(()))
    assert again.folder == made.folder == dataset.folder.name
    with pytest.raises(UserError, match="outside the trusted packages"):
        Recipe.of({**made.config, "system": "os.path.Lorenz"}, trusted(()))
    with pytest.raises(UserError, match="have changed since"):
        Recipe.of({**made.config, "code": "0" * 16}, trusted(()))
    with pytest.raises(UserError, match="recipe is damaged"):
        Recipe.of({"system": 3}, trusted(()))
