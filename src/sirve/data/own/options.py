"""How arrays of one's own are to be understood: conf/sim/file.yaml, and sirve.from_arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from sirve.data.dataset import SPLITS
from sirve.data.own.stack import AXES
from sirve.errors import UserError, cut

SHARES = {"train": 0.7, "valid": 0.15, "test": 0.15}


@dataclass(frozen=True)
class Choices:
    """What a file does not say, or says wrongly; null: as it says, else by a rule, said aloud."""

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
    def of(sim: Mapping[str, Any]) -> "Choices":
        """From the configuration, which may be a stranger's; UserError names what is wrong."""
        choices = Choices(**{f.name: sim[f.name] for f in fields(Choices) if f.name in sim})
        path = choices.path
        if not isinstance(path, str) or not path.isprintable() or not 0 < len(path) < 1000:
            raise UserError(
                f"sim.path={cut(str(path))} must name what you bring: a .npy, .npz, HDF5 file, or "
                "a folder in The Well's layout"
            )
        return choices

    def __post_init__(self) -> None:
        for key, most in (("axes", 5), ("channels", None), ("units", None)):
            value = getattr(self, key)
            if value is not None and not _words(value, most):
                raise UserError(f"sim.{key}={value} must be a list of words, such as [a,b]")
        for key in ("name", "time_unit"):
            self._require(key, getattr(self, key), isinstance(getattr(self, key), str), "a word")
        dataset = isinstance(self.dataset, str) or _words(self.dataset, None)
        self._require("dataset", self.dataset, dataset, "an array's name, or a list of names")
        for key in ("dt", "unit"):
            value = getattr(self, key)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            self._require(key, value, number and 0 < value < float("inf"), "a positive number")
        boundaries = ("neumann", "dirichlet", "periodic")
        self._require(
            "boundary",
            self.boundary,
            self.boundary in boundaries,
            f"one of {', '.join(boundaries)}",
        )
        by = ("trajectory", "time")
        self._require("split", self.split, self.split in by, f"one of {', '.join(by)}")
        self._require_axes()
        self._require_shares()
        if (self.unit is None) != (self.time_unit is None):
            raise UserError(
                f"sim.time_unit={self.time_unit} and sim.unit={self.unit} go together: what times "
                "are counted in, and its length; give both or none"
            )

    def _require(self, key: str, value: Any, good: bool, what: str) -> None:
        if value is not None and not good:
            raise UserError(f"sim.{key}={value} must be {what}")

    def _require_axes(self) -> None:
        axes = self.axes or ("time",)
        if "time" not in axes or len(set(axes)) < len(axes) or not set(axes) <= set(AXES):
            raise UserError(
                f"sim.axes={list(axes)} must be some of {', '.join(AXES)}, time among them, in the "
                "order of the array's"
            )

    def _require_shares(self) -> None:
        good = isinstance(self.shares, Mapping) and set(self.shares) == set(SPLITS)
        values = self.shares.values() if good else ()
        if not good or not all(isinstance(v, int | float) and 0 < v < 1e9 for v in values):
            raise UserError(f"sim.shares={self.shares} must be positive, such as {SHARES}")


def _words(value: Any, most: int | None) -> bool:
    return (
        isinstance(value, list | tuple)
        and 0 < len(value) <= (most or 100_000)
        and all(isinstance(word, str) for word in value)
    )
