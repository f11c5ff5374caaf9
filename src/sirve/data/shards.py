"""One shard: a block of trajectories in The Well's HDF5 layout.

Source of the layout: PolymathicAI/the_well, docs/data_format.md. A state vector uses it with no
spatial dimension; vectors are float64 (float32 alone would end a perfect forecast of Lorenz at 15.4
Lyapunov times), frames float32.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np

from sirve.errors import UserError
from sirve.files import sha256
from sirve.hdf5 import create


@dataclass(frozen=True)
class Info:
    """What a dataset says of itself; all that learning knows of the system.

    ``unit`` is the length of one ``time_unit`` in the system's own time.
    """

    name: str
    shape: tuple[int, ...]
    channels: tuple[str, ...]
    units: tuple[str, ...]
    walls: Literal["neumann", "dirichlet", "periodic"] | None
    dt: float
    time_unit: str
    unit: float
    solver: str
    parameters: dict[str, Any]

    def plain(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)

    @staticmethod
    def of(plain: dict[str, Any]) -> "Info":
        """From what ``plain`` gave."""
        tuples = {key: tuple(plain[key]) for key in ("shape", "channels", "units")}
        return Info(**{**plain, **tuples})


_BOUNDARY = {"neumann": "WALL", "dirichlet": "WALL", "periodic": "PERIODIC"}


def write_shard(
    path: Path,
    x: np.ndarray,
    info: Info,
    coordinates: dict[str, np.ndarray],
    attributes: dict[str, Any],
) -> str:
    """Write trajectories x (B, T, *shape) whole, read them back, and return the file's sha256."""
    dtype = np.float64 if len(info.shape) == 1 else np.float32
    x = x.astype(dtype)
    with create(path) as file:
        _describe(file, x, info, coordinates, attributes)
        fields = _group(file, "t0_fields", info.channels)
        for i, name in enumerate(info.channels):
            chunks = (1, min(len(x[0]), 64), *x.shape[3:])
            field = fields.create_dataset(name, data=x[:, :, i], chunks=chunks, fletcher32=True)
            field.attrs["dim_varying"] = [True] * len(coordinates)
            field.attrs["units"] = info.units[i]
            _varying(field, sample=True, time=True)
        for order in (1, 2):
            _group(file, f"t{order}_fields", ())
    if not np.array_equal(read_shard(path, info), x):
        raise OSError(f"{path} does not read back as it was written; check the disk")
    return sha256(path)


def read_shard(path: Path, info: Info, rows: int | None = None) -> np.ndarray:
    """Trajectories (rows, T, *shape) of one shard; UserError if it is not what ``info`` says."""
    try:
        with h5py.File(path, "r", locking="best-effort") as file:
            fields = [file["t0_fields"][name] for name in info.channels]
            if any(field.shape[2:] != info.shape[1:] for field in fields):
                raise UserError(
                    f"{path}: fields of shape {fields[0].shape[2:]}, expected {info.shape[1:]}; "
                    "delete the dataset's folder to simulate it again"
                )
            return np.stack([field[:rows] for field in fields], axis=2)
    except (OSError, KeyError) as error:
        raise UserError(
            f"{path} is not readable ({error}); delete it and run the command again"
        ) from error


def _describe(
    file: h5py.File,
    x: np.ndarray,
    info: Info,
    coordinates: dict[str, np.ndarray],
    attributes: dict[str, Any],
) -> None:
    scalars = {
        k: float(v)
        for k, v in info.parameters.items()
        if isinstance(v, (int, float)) and not isinstance(v, bool)
    }
    file.attrs.update(
        dataset_name=info.name,
        grid_type="cartesian",
        n_spatial_dims=len(coordinates),
        n_trajectories=len(x),
        simulation_parameters=list(scalars),
        **{**{k: str(v) for k, v in info.parameters.items()}, **scalars, **attributes},
    )
    dimensions = file.create_group("dimensions")
    dimensions.attrs["spatial_dims"] = list(coordinates)
    time = dimensions.create_dataset("time", data=info.dt * np.arange(x.shape[1]))
    time.attrs["sample_varying"] = False
    walls = file.create_group("boundary_conditions")
    for axis, values in coordinates.items():
        _varying(
            dimensions.create_dataset(axis, data=values.astype("f4")), sample=False, time=False
        )
        assert info.walls is not None
        wall = walls.create_group(f"{axis}_{info.walls}")
        wall.attrs.update(
            associated_dims=[axis], associated_fields=[], bc_type=_BOUNDARY[info.walls]
        )
        _varying(wall, sample=False, time=False)
        mask = np.zeros(len(values), bool)
        mask[[0, -1]] = True
        wall.create_dataset("mask", data=mask)
        wall.create_dataset("values", data=np.zeros(2, "f4"))
    group = _group(file, "scalars", list(scalars))
    for name, value in scalars.items():
        _varying(group.create_dataset(name, data=np.float32(value)), sample=False, time=False)


def _group(file: h5py.File, name: str, field_names: Any) -> h5py.Group:
    group = file.create_group(name)
    group.attrs["field_names"] = list(field_names)
    return group


def _varying(item: Any, sample: bool, time: bool) -> None:
    item.attrs["sample_varying"], item.attrs["time_varying"] = sample, time
