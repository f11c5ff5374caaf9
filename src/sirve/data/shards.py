"""One shard: a block of trajectories in The Well's HDF5 layout.

Source of the layout: PolymathicAI/the_well, docs/data_format.md. State vectors use it with no
spatial dimension. Vectors are stored in float64 (float32 alone would end a perfect forecast of
Lorenz at 15.4 Lyapunov times), frames in float32 unless the user asks for float64.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from sirve.data.info import Info, dtype_of
from sirve.errors import UserError, printable
from sirve.io.files import move, sha256
from sirve.io.hdf5 import create, reading

_REMEDY = "delete it and run the command again"
_BOUNDARY = {"neumann": "WALL", "dirichlet": "WALL", "periodic": "PERIODIC"}  # The Well's words


def write_shard(
    path: Path,
    x: np.ndarray,
    info: Info,
    coordinates: dict[str, np.ndarray],
    attributes: dict[str, Any],
    drawn: dict[str, np.ndarray] | None = None,
    expected: str | None = None,
) -> str:
    """Write trajectories x (B, T, *shape) to ``path`` and return the file's sha256.

    ``coordinates`` holds the cell centres along each axis of space, ``drawn`` the parameters that
    differ between trajectories, (B,) each. A field is stored as one run of bytes, so that any
    window of it is one read. The file is put in place only after it has been read back, and only
    if its sha256 is ``expected`` (where given). Raises OSError if it does not read back.
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


def read_shard(path: Path, info: Info, rows: int | None = None) -> np.ndarray:
    """Read the first ``rows`` trajectories of a shard (None: all), (rows, T, *shape).

    Raises UserError for a file that does not match ``info``.
    """
    with reading(path, _REMEDY) as file:
        found = [file.get(f"t0_fields/{name}") for name in info.channels]
        if not all(isinstance(field, h5py.Dataset) for field in found):
            raise UserError(
                f"{path} lacks one of the channels {printable(info.channels)}; {_REMEDY}"
            )
        states = {field.shape[:2] for field in found}
        if len(states) > 1 or any(
            field.ndim < 2 or field.shape[2:] != info.shape[1:] for field in found
        ):
            raise UserError(
                f"{path}: fields of shape {found[0].shape}, expected (n, T, "
                f"{', '.join(map(str, info.shape[1:]))}); {_REMEDY}"
            )
        if any(field.dtype != dtype_of(info) for field in found):
            raise UserError(
                f"{path}: fields of type {found[0].dtype}, expected {np.dtype(dtype_of(info))}; "
                + _REMEDY
            )
        return np.stack([field[:rows] for field in found], axis=2)


def rows_of(path: Path, info: Info) -> int:
    """Return the number of trajectories in a shard; raises UserError if it is damaged."""
    with reading(path, _REMEDY) as file:
        field = file.get(f"t0_fields/{info.channels[0]}")
        if not isinstance(field, h5py.Dataset) or field.ndim < 2:
            raise UserError(
                f"{path} lacks one of the channels {printable(info.channels)}; {_REMEDY}"
            )
        return int(field.shape[0])


def read_parameter(path: Path, name: str, rows: int) -> np.ndarray:
    """Read the parameter ``name`` of the first ``rows`` trajectories of a shard, (rows,)."""
    with reading(path, _REMEDY) as file:
        found = file.get(f"scalars/{name}")
        if not isinstance(found, h5py.Dataset) or found.ndim != 1 or len(found) < rows:
            raise UserError(f"{path} lacks the parameter {printable(name)}; {_REMEDY}")
        return found[:rows].astype(np.float64)


@dataclass(frozen=True)
class Place:
    """The place of one field in a shard: from byte ``offset`` on, (n, T, *space) in C order."""

    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype


def places(path: Path, info: Info) -> list[Place]:
    """Return the place of each channel in a shard, which ``read_shard`` must have read before."""
    with reading(path, _REMEDY) as file:
        found = [file[f"t0_fields/{name}"] for name in info.channels]
        if any(field.id.get_offset() is None for field in found):
            raise UserError(f"{path} is stored in chunks, as no file of sirve is; {_REMEDY}")
        return [Place(field.id.get_offset(), field.shape, field.dtype) for field in found]


def _describe(
    file: h5py.File,
    x: np.ndarray,
    info: Info,
    coordinates: dict[str, np.ndarray],
    attributes: dict[str, Any],
    drawn: dict[str, np.ndarray],
) -> None:
    """Write everything of the layout but the fields."""
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
    boundaries = file.create_group("boundary_conditions")
    for axis, values in coordinates.items():
        _varying(
            dimensions.create_dataset(axis, data=values.astype("f4")), sample=False, time=False
        )
        assert info.boundary is not None
        boundary = boundaries.create_group(f"{axis}_{info.boundary}")
        boundary.attrs.update(
            associated_dims=[axis], associated_fields=[], bc_type=_BOUNDARY[info.boundary]
        )
        _varying(boundary, sample=False, time=False)
        mask = np.zeros(len(values), bool)
        mask[[0, -1]] = True
        boundary.create_dataset("mask", data=mask)
        boundary.create_dataset("values", data=np.zeros(2, "f4"))
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
