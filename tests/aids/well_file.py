"""A file in The Well's layout as someone else writes it: none of our code."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np

Fields = dict[int, dict[str, np.ndarray]]


def write(path: Path, fields: Fields, dims: dict[str, int], dt: float = 0.1, **how: Any) -> None:
    """``fields`` by order and name, (n, T, *dims[, D]); ``how`` is how HDF5 stores them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    n, states = next(iter(fields[min(fields)].values())).shape[:2]
    with h5py.File(path, "w") as file:
        file.attrs.update(
            dataset_name="mini", grid_type="cartesian", n_spatial_dims=len(dims), n_trajectories=n
        )
        file.attrs["simulation_parameters"] = ["F"]
        file.attrs["F"] = 0.04
        group = file.create_group("dimensions")
        group.attrs["spatial_dims"] = list(dims)
        group["time"] = np.arange(states, dtype="f4") * np.float32(dt)
        for name, cells in dims.items():
            group[name] = np.linspace(0, 1, cells, endpoint=False, dtype="f4")
            wall = file.create_group(f"boundary_conditions/{name}_periodic")
            wall.attrs.update(associated_dims=[name], associated_fields=[], bc_type="PERIODIC")
            wall["mask"], wall["values"] = np.zeros(cells, bool), np.zeros(2, "f4")
        file.create_group("scalars").attrs["field_names"] = ["F"]
        file["scalars/F"] = np.float32(0.04)
        for order in range(3):
            group = file.create_group(f"t{order}_fields")
            names = list(fields.get(order, {}))
            group.attrs["field_names"] = names if names else np.array([], "S1")
            for name, x in fields.get(order, {}).items():
                data = group.create_dataset(name, data=x.astype("f4"), **how)
                data.attrs["dim_varying"] = [True] * len(dims)
                data.attrs["sample_varying"] = data.attrs["time_varying"] = True
        given = file["t0_fields"].create_dataset("height", data=np.ones(list(dims.values()), "f4"))
        given.attrs["sample_varying"] = given.attrs["time_varying"] = False
