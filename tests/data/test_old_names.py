"""Files written before version 0.2, which call the boundary walls and the covariates known."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import recipe

import sirve
from simulators import Heat
from sirve.data.dataset import SPLITS, Dataset
from sirve.data.info import Info
from sirve.data.own.import_data import from_file
from sirve.data.simulated.generate import generate
from sirve.data.simulated.repair import repair
from sirve.data.simulated.verify import verify
from sirve.errors import UserError
from sirve.io.instantiate import TRUSTED

X = np.random.default_rng(0).normal(size=(8, 20, 2, 4, 3)).astype("f4")


def with_old_names(info: dict[str, Any]) -> dict[str, Any]:
    old = {"boundary": "walls", "covariates": "known"}
    return {old.get(key, key): value for key, value in info.items()}


def rewrite(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "manifest.json"
    content = json.loads(path.read_text())
    content["infos"] = {split: with_old_names(info) for split, info in content["infos"].items()}
    change(content)
    path.write_text(json.dumps(content))


def test_an_old_description_is_read() -> None:
    info = Info("x", (2,), ("a", "b"), ("1", "m"), None, 0.1, "step", 0.1, "", {}, ("rho",))
    assert Info.of(with_old_names(info.plain())) == info
    with pytest.raises(ValueError, match="does not have the entries"):
        Info.of({**info.plain(), "walls": None, "more": 1})


def test_an_old_dataset_is_read_checked_and_imported(tmp_path: Path) -> None:
    folder = sirve.from_arrays(X, tmp_path / "old", dt=0.5, boundary="dirichlet")
    info = Dataset(folder).info
    rewrite(folder, lambda content: None)
    assert '"walls": "dirichlet"' in (folder / "manifest.json").read_text()
    assert Dataset(folder).info == info
    np.testing.assert_array_equal(Dataset(folder).read("train", 6), X[:6])
    assert list(verify(folder)) == []
    source = from_file({"path": str(folder)}, tmp_path / "scratch")
    assert (source.info.boundary, source.info.dt) == ("dirichlet", 0.5)


def test_imported_data_keep_the_folder_that_version_0_1_gave_them(tmp_path: Path) -> None:
    folder = sirve.from_arrays(X, tmp_path / "old", dt=0.5)
    config = json.loads((folder / "manifest.json").read_text())["config"]
    assert {"walls", "known"} <= config["info"].keys()
    assert not {"boundary", "covariates"} & config["info"].keys()


def test_an_old_simulated_dataset_is_whole_but_cannot_be_repaired(tmp_path: Path) -> None:
    made = recipe(Heat(size=(4, 3)))
    folder = generate(made, dict.fromkeys(SPLITS, 2), tmp_path).folder

    def old_code(content: dict[str, Any]) -> None:
        content["config"]["code"] = "0" * 16
        for part in content["config"]["parameters"].values():
            part["walls"] = part.pop("boundary")
        for info in content["infos"].values():
            info["parameters"]["walls"] = info["parameters"].pop("boundary")

    rewrite(folder, old_code)
    folder = folder.rename(tmp_path / "old")  # its name was the digest of the old configuration
    assert list(verify(folder)) == []
    (folder / "data" / "test" / "00000.hdf5").unlink()
    with pytest.raises(UserError, match=r"Heat have changed since .*; run the command to make a"):
        list(repair(folder, TRUSTED, 1))
