"""How the arrays of a user are to be read: conf/sim/file.yaml, or the arguments of from_arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from sirve.data.dataset import SPLITS
from sirve.data.info import BOUNDARIES
from sirve.data.own.stack import AXES
from sirve.errors import UserError, cut

SHARES = {"train": 0.7, "valid": 0.15, "test": 0.15}
_SPLIT_BY = ("trajectory", "time")


@dataclass(frozen=True)
class Options:
    """Overrides for a file's metadata; None keeps the file's value, or a default that is reported.

    Raises UserError for an invalid value.
    """

    path: str | None = None
    dataset: str | Sequence[str] | None = None
    axes: Sequence[str] | None = None
    name: str | None = None
    channels: Sequence[str] | None = None
    units: Sequence[str] | None = None
    boundary: str | None = None
    dt: float | None = None
    time_unit: str | None = None
    unit: float | None = None
    split: str | None = None
    shares: Mapping[str, float] = field(default_factory=lambda: dict(SHARES))

    @staticmethod
    def from_config(sim: Mapping[str, Any]) -> "Options":
        """Take the options from the group ``sim`` of a configuration; raises UserError."""
        options = Options(**{f.name: sim[f.name] for f in fields(Options) if f.name in sim})
        path = options.path
        if not isinstance(path, str) or not path.isprintable() or not 0 < len(path) < 1000:
            raise UserError(
                f"sim.path={cut(str(path))} must name your data: a .npy, .npz, HDF5 file, or "
                "a folder in The Well's layout"
            )
        return options

    def __post_init__(self) -> None:
        words = "a list of words, such as [a,b]"
        for key, valid, expected in (
            ("axes", _is_words(self.axes, 5), words),
            ("channels", _is_words(self.channels), words),
            ("units", _is_words(self.units), words),
            ("name", isinstance(self.name, str), "a word"),
            ("time_unit", isinstance(self.time_unit, str), "a word"),
            (
                "dataset",
                isinstance(self.dataset, str) or _is_words(self.dataset),
                "an array's name, or a list of names",
            ),
            ("dt", _is_positive(self.dt), "a positive number"),
            ("unit", _is_positive(self.unit), "a positive number"),
            ("boundary", self.boundary in BOUNDARIES, f"one of {', '.join(BOUNDARIES)}"),
            ("split", self.split in _SPLIT_BY, f"one of {', '.join(_SPLIT_BY)}"),
        ):
            value = getattr(self, key)
            if value is not None and not valid:
                raise UserError(f"sim.{key}={value} must be {expected}")
        axes = self.axes or ("time",)
        if "time" not in axes or len(set(axes)) < len(axes) or not set(axes) <= set(AXES):
            raise UserError(
                f"sim.axes={list(axes)} must be some of {', '.join(AXES)}, time among them, in the "
                "order of the array's axes"
            )
        if not (
            isinstance(self.shares, Mapping)
            and set(self.shares) == set(SPLITS)
            and all(isinstance(v, int | float) and 0 < v < 1e9 for v in self.shares.values())
        ):
            raise UserError(f"sim.shares={self.shares} must be positive, such as {SHARES}")
        if (self.unit is None) != (self.time_unit is None):
            raise UserError(
                f"sim.time_unit={self.time_unit} and sim.unit={self.unit} go together: the unit of "
                "time, and its length; give both or none"
            )


def _is_words(value: Any, most: int = 100_000) -> bool:
    return (
        isinstance(value, list | tuple)
        and 0 < len(value) <= most
        and all(isinstance(word, str) for word in value)
    )


def _is_positive(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and 0 < value < float("inf")
