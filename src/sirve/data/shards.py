"""One shard: a block of trajectories in The Well's HDF5 layout.

Source of the layout: PolymathicAI/the_well, docs/data_format.md. A state vector uses it with no
spatial dimension; vectors are float64 (float32 alone would end a perfect forecast of Lorenz at 15.4
Lyapunov times), frames float32 unless asked otherwise.
"""

import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np

from sirve.errors import UserError, shown
from sirve.io.files import move, require_name, sha256
from sirve.io.hdf5 import create, reading

CHANNELS = 100_000  # of a system, at most


@dataclass(frozen=True)
class Info:
    """What a dataset says of itself; all that learning knows of the system.

    ``unit`` is the length of one ``time_unit`` in the system's own time. ``covariates`` are parameters
    that a model is given beside the channels, and never predicts. ``frames``: the type in which a
    field is stored.
    """

    name: str
    shape: tuple[int, ...]
    channels: tuple[str, ...]
    units: tuple[str, ...]
    boundary: Literal["neumann", "dirichlet", "periodic"] | None
    dt: float
    time_unit: str
    unit: float
    solver: str
    parameters: dict[str, Any]
    covariates: tuple[str, ...] = ()
    frames: Literal["float32", "float64"] = "float32"

    def plain(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)

    @staticmethod
    def of(plain: dict[str, Any]) -> "Info":
        """From what ``plain`` gave; ValueError for whatever else a stranger may have written."""
        names = {field.name for field in fields(Info)}
        if isinstance(plain, dict):  # files written before 0.2 use these two other names
            plain = {
                {"walls": "boundary", "known": "covariates"}.get(k, k): v for k, v in plain.items()
            }
        if not isinstance(plain, dict) or set(plain) | {"frames"} != names:
            raise ValueError("info does not have the entries it should have")
        lists = {key: plain[key] for key in ("shape", "channels", "units", "covariates")}
        for key, value in lists.items():
            least = 0 if key == "covariates" else 1
            if not isinstance(value, list | tuple) or not least <= len(value) <= CHANNELS:
                raise ValueError(f"info.{key} is not a list of {least} to {CHANNELS} values")
        info = Info(**{**plain, **{key: tuple(value) for key, value in lists.items()}})
        info._require_sane()
        return info

    def _require_sane(self) -> None:
        try:
            require_name(str(self.name))
        except UserError as error:
            raise ValueError(f"info: {error}") from error
        for n in self.shape:
            if type(n) is not int or not 0 < n < 2**31:
                raise ValueError(f"info.shape holds {shown(n)}, not a positive whole number")
        if len(self.shape) > 3 or not self.shape[0] == len(self.channels) == len(self.units):
            raise ValueError(f"info.shape {shown(self.shape)} does not fit its channels")
        for word in (
            self.name,
            self.time_unit,
            self.solver,
            *self.channels,
            *self.units,
            *self.covariates,
        ):
            if not isinstance(word, str) or not word.isprintable() or len(word) > 1000:
                raise ValueError(f"info holds {shown(word)}, not a word")
        for name in self.channels:
            if not name or name.startswith(".") or "/" in name:
                raise ValueError(f"info.channels holds {shown(name)}, not a name")
        for key, value in (("dt", self.dt), ("unit", self.unit)):
            if type(value) not in (int, float) or not 0 < value < 1e300:
                raise ValueError(f"info.{key} is {shown(value)}, not a positive number")
        if self.frames not in ("float32", "float64"):
            raise ValueError(f"info.frames is {shown(self.frames)}, not a type of numbers")
        if self.boundary not in (None, *_BOUNDARY) or not isinstance(self.parameters, dict):
            raise ValueError("info.boundary or info.parameters is none that a system has")
        try:
            json.dumps(self.parameters)
        except (TypeError, RecursionError) as error:
            raise ValueError("info.parameters holds more than JSON can") from error


_AGAIN = "delete it and run the command again"
_BOUNDARY = {"neumann": "WALL", "dirichlet": "WALL", "periodic": "PERIODIC"}


def write_shard(
    path: Path,
    x: np.ndarray,
    info: Info,
    coordinates: dict[str, np.ndarray],
    attributes: dict[str, Any],
    drawn: dict[str, np.ndarray] | None = None,
    expected: str | None = None,
) -> str:
    """Write trajectories x (B, T, *shape) whole, once they read back, and return the file's sha256.

    ``drawn`` are parameters of their own, (B,). A field is one run of bytes, so that any window of
    it is one read. What has another sha256 than is ``expected`` is not put in place.
    """
    x = x.astype(dtype_of(info))
    temporary = path.with_name(f".{path.name}.{os.getpid()}.made.tmp")
    with create(temporary) as file:
        _describe(file, x, info, coordinates, attributes, drawn or {})
        fields = _group(file, "t0_fields", info.channels)
        for i, name in enumerate(info.channels):
            field = fields.create_dataset(name, data=x[:, :, i])
            field.attrs["dim_varying"] = [True] * len(coordinates)
            field.attrs["units"] = info.units[i]
            _varying(field, sample=True, time=True)
        for order in (1, 2):
            _group(file, f"t{order}_fields", ())
    try:
        if not np.array_equal(read_shard(temporary, info), x):
            raise OSError(f"{path} does not read back as it was written; check the disk")
        checksum = sha256(temporary)
        if expected in (None, checksum):
            move(temporary, path)
        return checksum
    finally:
        temporary.unlink(missing_ok=True)


def dtype_of(info: Info) -> type[np.floating[Any]]:
    """In which states are stored."""
    return np.float64 if len(info.shape) == 1 or info.frames == "float64" else np.float32


def read_shard(path: Path, info: Info, rows: int | None = None) -> np.ndarray:
    """Trajectories (rows, T, *shape) of one shard; UserError if it is not what ``info`` says."""
    with reading(path, _AGAIN) as file:
        found = [file.get(f"t0_fields/{name}") for name in info.channels]
        if not all(isinstance(field, h5py.Dataset) for field in found):
            raise UserError(f"{path} lacks one of the channels {shown(info.channels)}; {_AGAIN}")
        states = {field.shape[:2] for field in found}
        if len(states) > 1 or any(
            field.ndim < 2 or field.shape[2:] != info.shape[1:] for field in found
        ):
            raise UserError(
                f"{path}: fields of shape {found[0].shape}, expected (n, T, "
                f"{', '.join(map(str, info.shape[1:]))}); {_AGAIN}"
            )
        if any(field.dtype != dtype_of(info) for field in found):
            raise UserError(
                f"{path}: fields of type {found[0].dtype}, expected {np.dtype(dtype_of(info))}; "
                + _AGAIN
            )
        return np.stack([field[:rows] for field in found], axis=2)


def rows_of(path: Path, info: Info) -> int:
    """How many trajectories one shard holds; UserError for what is none."""
    with reading(path, _AGAIN) as file:
        field = file.get(f"t0_fields/{info.channels[0]}")
        if not isinstance(field, h5py.Dataset) or field.ndim < 2:
            raise UserError(f"{path} lacks one of the channels {shown(info.channels)}; {_AGAIN}")
        return int(field.shape[0])


def read_drawn(path: Path, name: str, rows: int) -> np.ndarray:
    """The parameter ``name`` of the first ``rows`` trajectories of one shard, (rows,)."""
    with reading(path, _AGAIN) as file:
        found = file.get(f"scalars/{name}")
        if not isinstance(found, h5py.Dataset) or found.ndim != 1 or len(found) < rows:
            raise UserError(f"{path} lacks the parameter {shown(name)}; {_AGAIN}")
        return found[:rows].astype(np.float64)


@dataclass(frozen=True)
class Place:
    """Where one field lies in a shard: from byte ``offset`` on, (n, T, *space) in C order."""

    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype


def places(path: Path, info: Info) -> list[Place]:
    """Of each channel of a shard that ``read_shard`` has read before."""
    with reading(path, _AGAIN) as file:
        found = [file[f"t0_fields/{name}"] for name in info.channels]
        if any(field.id.get_offset() is None for field in found):
            raise UserError(f"{path} is not as this version writes it; {_AGAIN}")
        return [Place(field.id.get_offset(), field.shape, field.dtype) for field in found]


def _describe(
    file: h5py.File,
    x: np.ndarray,
    info: Info,
    coordinates: dict[str, np.ndarray],
    attributes: dict[str, Any],
    drawn: dict[str, np.ndarray],
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
        simulation_parameters=[*scalars, *drawn],
        **{**{k: str(v) for k, v in info.parameters.items()}, **scalars, **attributes},
    )
    dimensions = file.create_group("dimensions")
    dimensions.attrs["spatial_dims"] = list(coordinates)
    time = dimensions.create_dataset("time", data=info.dt * np.arange(x.shape[1]))
    time.attrs["sample_varying"] = False
    boundary = file.create_group("boundary_conditions")
    for axis, values in coordinates.items():
        _varying(
            dimensions.create_dataset(axis, data=values.astype("f4")), sample=False, time=False
        )
        assert info.boundary is not None
        wall = boundary.create_group(f"{axis}_{info.boundary}")
        wall.attrs.update(
            associated_dims=[axis], associated_fields=[], bc_type=_BOUNDARY[info.boundary]
        )
        _varying(wall, sample=False, time=False)
        mask = np.zeros(len(values), bool)
        mask[[0, -1]] = True
        wall.create_dataset("mask", data=mask)
        wall.create_dataset("values", data=np.zeros(2, "f4"))
    group = _group(file, "scalars", [*scalars, *drawn])
    for name, value in scalars.items():
        _varying(group.create_dataset(name, data=np.float32(value)), sample=False, time=False)
    for name, values in drawn.items():
        _varying(group.create_dataset(name, data=values), sample=True, time=False)


def _group(file: h5py.File, name: str, field_names: Any) -> h5py.Group:
    group = file.create_group(name)
    group.attrs["field_names"] = list(field_names)
    return group


def _varying(item: Any, sample: bool, time: bool) -> None:
    item.attrs["sample_varying"], item.attrs["time_varying"] = sample, time
