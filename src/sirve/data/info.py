"""The description of a dataset: all that learning knows of the system."""

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

import numpy as np

from sirve.errors import UserError, printable
from sirve.io.files import require_name

CHANNELS = 100_000  # most channels of a system
BOUNDARIES = ("neumann", "dirichlet", "periodic")
_OLD_NAMES = {"walls": "boundary", "known": "covariates"}  # in files written before version 0.2


@dataclass(frozen=True)
class Info:
    """The description of a dataset, which its manifest stores.

    ``shape`` is that of a state, (C, *space), without covariates. ``dt`` is the time between two
    states, and ``unit`` the length of one ``time_unit``, both in the system's own time.
    ``covariates`` are parameters that a model is given as further channels and never predicts.
    ``frames`` is the type in which fields are stored.
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
        """Return the description as JSON types."""
        return asdict(self)

    @staticmethod
    def of(plain: dict[str, Any]) -> "Info":
        """Build a description from ``plain()``; raises ValueError for anything else in a file."""
        if isinstance(plain, dict):
            plain = {_OLD_NAMES.get(key, key): value for key, value in plain.items()}
        if not isinstance(plain, dict) or set(plain) | {"frames"} != {f.name for f in fields(Info)}:
            raise ValueError("info does not have the entries it should have")
        lists = {key: plain[key] for key in ("shape", "channels", "units", "covariates")}
        for key, value in lists.items():
            least = 0 if key == "covariates" else 1
            if not isinstance(value, list | tuple) or not least <= len(value) <= CHANNELS:
                raise ValueError(f"info.{key} is not a list of {least} to {CHANNELS} values")
        info = Info(**{**plain, **{key: tuple(value) for key, value in lists.items()}})
        info._require_names()
        info._require_values()
        return info

    def _require_names(self) -> None:
        """Raise ValueError for a text that is unfit for a folder, a file or a line."""
        try:
            require_name(str(self.name))
        except UserError as error:
            raise ValueError(f"info: {error}") from error
        for word in (
            *(self.name, self.time_unit, self.solver),
            *(*self.channels, *self.units, *self.covariates),
        ):
            if not isinstance(word, str) or not word.isprintable() or len(word) > 1000:
                raise ValueError(f"info holds {printable(word)}, not a word")
        for name in self.channels:
            if not name or name.startswith(".") or "/" in name:
                raise ValueError(f"info.channels holds {printable(name)}, not a name")

    def _require_values(self) -> None:
        for n in self.shape:
            if type(n) is not int or not 0 < n < 2**31:
                raise ValueError(f"info.shape holds {printable(n)}, not a positive whole number")
        if len(self.shape) > 3 or not self.shape[0] == len(self.channels) == len(self.units):
            raise ValueError(f"info.shape {printable(self.shape)} does not fit its channels")
        for key, value in (("dt", self.dt), ("unit", self.unit)):
            if type(value) not in (int, float) or not 0 < value < 1e300:
                raise ValueError(f"info.{key} is {printable(value)}, not a positive number")
        if self.frames not in ("float32", "float64"):
            raise ValueError(f"info.frames is {printable(self.frames)}, not float32 or float64")
        if self.boundary not in (None, *BOUNDARIES) or not isinstance(self.parameters, dict):
            raise ValueError("info.boundary or info.parameters is not valid for a system")
        try:
            json.dumps(self.parameters)
        except (TypeError, RecursionError) as error:
            raise ValueError("info.parameters holds more than JSON can") from error


def dtype_of(info: Info) -> type[np.floating[Any]]:
    """Return the type in which states are stored."""
    return np.float64 if len(info.shape) == 1 or info.frames == "float64" else np.float32
