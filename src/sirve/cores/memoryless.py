"""The baselines, by the same contract as the networks: no gradient, no memory but of states."""

from typing import Any

from torch import Tensor

from sirve.cores.base import AnySize, Zero, make_lift, require_fits, require_positive, zeroed
from sirve.cores.delays import Delayed
from sirve.cores.lift import Walls


class Memoryless(AnySize):
    """A core whose features are the state itself."""

    def features(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        return self.own(x), state


class Persistence(Memoryless):
    """Tomorrow is as today: y = x."""

    def __init__(self, shape: tuple[int, ...], known: int = 0) -> None:
        super().__init__(shape, residual=True, known=known)
        self.readout = Zero()


class Climatology(Memoryless):
    """Tomorrow is as the average day: y = the training mean, 0 in normalised units."""

    def __init__(self, shape: tuple[int, ...], known: int = 0) -> None:
        super().__init__(shape, residual=False, known=known)
        self.readout = Zero()


class Linear(Delayed, AnySize):
    """y = x + A z + b by least squares in closed form: a matrix, or on fields a convolution.

    z is the last ``delays`` states, ``stride`` apart. ``kernel`` is the width of that
    convolution; ``symmetric``: it looks the same turned and mirrored.
    """

    closed_form = True

    def __init__(
        self,
        shape: tuple[int, ...],
        walls: Walls | None = None,
        kernel: int = 3,
        symmetric: bool = False,
        delays: int = 1,
        stride: int = 1,
        known: int = 0,
    ) -> None:
        super().__init__(shape, delays, stride, known=known)
        require_positive(kernel=kernel)
        require_fits(shape, kernel=kernel)
        dims = len(shape) - 1
        lift = make_lift(self.inputs, shape[0], dims, kernel, walls, symmetric=symmetric)
        self.readout = zeroed(lift)

    def features(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        return self.stack(x, state)
