"""The settings of each way to fit a forecaster: one class for each file of conf/fit.

sirve.pipeline.fit does the fitting that they describe.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar

from sirve.cores import Core
from sirve.cores.lift import Lift
from sirve.errors import UserError, nearest, one_line
from sirve.training.least_squares import PATH


@dataclass(frozen=True)
class Fit:
    """How the weights of a forecaster are found.

    ``hidden`` and ``readout_kernel`` are the sizes of recurrent models that suit this fit:
    conf/model takes them from here, so that a value given there replaces them.
    """

    kind: ClassVar[str]

    def require_suits(self, core: Core) -> None:
        """Raise UserError for a core that this cannot fit."""


@dataclass(frozen=True)
class NotFitted(Fit):
    """For a core without weights."""

    kind: ClassVar[str] = "none"


@dataclass(frozen=True)
class Gradient(Fit):
    """All weights by gradient descent through time."""

    kind: ClassVar[str] = "gradient"
    hidden: int = 64
    readout_kernel: int = 3


@dataclass(frozen=True)
class ReadoutSearch:
    """A search for the readout by least squares; what forecasts best is taken.

    ``noise`` lists standard deviations, in normalised units, of Gaussian noise on the observed
    states, the targets staying clean; None tries the core's own ``search_noises``. ``path`` lists
    ridges, on the squared singular values of columns of length 1.

    First round: every setting of the random weights and every noise is fitted to
    ``screening_size`` trajectories, and forecasts the beginning of the validation set. Second
    round: the best ``finalists`` are fitted to all trajectories and forecast the whole of it. Of
    these the best one is taken whose forecast stays bounded, over twice the steps of a test, after
    a ``perturbation`` of its context in normalised units; if none does, the best one.
    """

    path: Sequence[float] = PATH
    noise: Sequence[float] | None = None
    screening_size: int = 16
    finalists: int = 4
    perturbation: float = 0.01

    def __post_init__(self) -> None:
        for name, values in {"path": self.path, "noise": self.noise}.items():
            if values is None:
                continue
            if not values or not all(0 <= value < float("inf") for value in values):
                raise ValueError(f"{name}={list(values)} must be numbers, none of them negative")
        for name in ("screening_size", "finalists"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name}={value} must be a positive whole number")


@dataclass(frozen=True)
class Ridge(ReadoutSearch, Fit):
    """Random recurrent weights, and the readout by least squares.

    ``grid`` lists values to try of each number by which a core draws its random weights, such as
    ``{"input_scaling": [0.1, 0.3]}``; None tries the core's own ``search_grid``. Every combination
    is one setting.
    """

    kind: ClassVar[str] = "ridge"
    grid: Mapping[str, Sequence[Any]] | None = None
    hidden: int = 300
    readout_kernel: int = 7

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, values in (self.grid or {}).items():
            if not isinstance(values, list | tuple) or not values:
                raise ValueError(f"grid.{name}={values} must be a list of values to try")

    def require_suits(self, core: Core) -> None:
        _require_linear_readout(self.kind, core)
        self.settings(core)

    def settings(self, core: Core) -> list[dict[str, Any]]:
        """Return every combination for this core; raise UserError for one that it refuses."""
        for name in self.grid or {}:
            if name not in core.search_grid:
                raise UserError(
                    f"fit.grid.{name}: {type(core).__name__} has no such setting; "
                    + nearest(name, core.search_grid)
                )
        grid = {**core.search_grid, **(self.grid or {})}
        settings = [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
        for setting in settings:
            try:
                core.init_weights(0, **setting)
            except (TypeError, ValueError) as error:
                raise UserError(f"fit.grid: {one_line(str(error))}") from error
        return settings


@dataclass(frozen=True)
class GradientRidge(ReadoutSearch, Fit):
    """All weights by gradient descent, and afterwards the readout by least squares."""

    kind: ClassVar[str] = "gradient_ridge"
    hidden: int = 64
    readout_kernel: int = 3

    def require_suits(self, core: Core) -> None:
        _require_linear_readout(self.kind, core)


def fit_for(core: Core, asked: Fit) -> Fit:
    """Return the fit of this core, given the one that was asked for; raise UserError.

    A core without weights is not fitted. A core of which only the readout is ever fitted, such as
    an echo state network, is fitted by least squares whatever was asked.
    """
    if not any(p.requires_grad for p in core.parameters()):
        return NotFitted()
    if core.closed_form:
        asked = asked if isinstance(asked, Ridge) else Ridge()
    asked.require_suits(core)
    return asked


def _require_linear_readout(kind: str, core: Core) -> None:
    if not isinstance(core.readout, Lift):
        raise UserError(
            f"fit={kind} needs a linear readout, a sirve.cores.lift.Lift, which "
            f"{type(core).__name__} does not have; take fit=gradient"
        )
    if core.feedback:
        raise UserError(
            f"fit={kind}: the features of {type(core).__name__} depend on its own readout, which "
            "least squares cannot find then; take fit=gradient"
        )
