"""The arrays that forecasts are scored from, checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from sirve import metrics
from sirve.errors import UserError

_LAYOUT = "give (rollouts, steps, channels), and the axes of space after them"
_AXES = 4  # of channels and space, at most


@dataclass(frozen=True)
class Rollouts:
    """Forecasts, the truth, and what else is known of them: the arguments of ``score.score``.

    ``futures`` are the members of an ensemble; a run keeps ``ensemble`` instead, the arrays of
    ``metrics.scores.member_scores`` of ``members`` members. float32 stays float32, so that scores
    of a run are computed from the same bits; all else becomes float64. Raises UserError where a
    shape does not fit, or the truth or the context is not finite.
    """

    truth: np.ndarray
    prediction: np.ndarray
    std: np.ndarray | None = None
    dt: float = 1.0
    unit: float = 1.0
    context: np.ndarray | None = None
    invariants: Mapping[str, np.ndarray] = field(default_factory=dict)
    futures: np.ndarray | None = None
    ensemble: Mapping[str, np.ndarray] = field(default_factory=dict)
    members: int = 0
    diffuses: bool = False
    boundary_value: float | None = None

    def __post_init__(self) -> None:
        for name in ("truth", "prediction", "context", "futures"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, as_floats(getattr(self, name)))
        shape = self.truth.shape
        if not 3 <= len(shape) <= 1 + _AXES or not self.truth.size:
            raise UserError(f"truth has the shape {shape}; {_LAYOUT}")
        if self.prediction.shape != shape:
            raise UserError(
                f"prediction has the shape {self.prediction.shape} and truth {shape}; "
                "give both the same"
            )
        _require_finite("truth", self.truth)
        if self.context is not None:
            _require_shape("context", self.context, (shape[0], None, *shape[2:]))
            _require_finite("context", self.context)
        if self.futures is not None:
            _require_shape("ensemble", self.futures, (None, *shape))
        for name, path in self.invariants.items():
            _require_shape(f"invariants/{name}", path, (shape[0], shape[1] + 1))
        for name, array in self.ensemble.items():
            whole = name in ("mean", "spread")
            _require_shape(f"ensemble/{name}", array, shape if whole else shape[:2])
        for name in ("dt", "unit"):
            if not 0 < getattr(self, name) < np.inf:
                raise UserError(f"{name}={getattr(self, name):g} must be a positive number")
        if self.boundary_value is not None and not np.isfinite(self.boundary_value):
            raise UserError(f"boundary_value={self.boundary_value:g} must be a finite number")
        if self.std is not None and self.std.shape != shape[2:3]:
            raise UserError(
                f"std has {self.std.size} numbers, and states {shape[2]} channels; "
                "give one for each"
            )
        if self.std is not None and not ((self.std > 0) & (self.std < np.inf)).all():
            raise UserError(f"std={self.std.tolist()} must be positive numbers")

    @property
    def is_field(self) -> bool:
        """Return True for states with axes of space."""
        return self.truth.ndim > 3

    @cached_property
    def error(self) -> np.ndarray:
        """Return the normalised error of each step (n, steps); std must be given."""
        assert self.std is not None
        return metrics.normalised_error(self.truth, self.prediction, self.std)


def as_floats(x: object) -> np.ndarray:
    """Return ``x`` as an array, of float32 where it is of float32, else of float64."""
    array = np.asarray(x)
    return array if array.dtype == np.float32 else array.astype(np.float64, copy=False)


def truth_std(truth: object) -> np.ndarray:
    """Return the standard deviation of each channel of ``truth`` (n, steps, C, *space): (C,)."""
    x = as_floats(truth)
    return np.asarray(x.std(tuple(i for i in range(x.ndim) if i != 2), dtype=np.float64))


def _require_shape(name: str, x: np.ndarray, shape: tuple[int | None, ...]) -> None:
    fits = x.ndim == len(shape) and all(n in (None, m) for n, m in zip(shape, x.shape, strict=True))
    if not fits or not x.size:
        expected = ", ".join("any" if n is None else str(n) for n in shape)
        raise UserError(f"{name} has the shape {x.shape}, not ({expected})")


def _require_finite(name: str, x: np.ndarray) -> None:
    finite = np.isfinite(x)
    if not finite.all():
        at = np.unravel_index(int(np.argmin(finite)), x.shape)
        place = ", ".join(map(str, at))
        raise UserError(
            f"{name} is {x[at]} at ({place}); a forecast cannot be scored against that, "
            "leave that rollout out"
        )
