"""Heat conduction in a non-uniform medium with heaters and sinks."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import expm_multiply, spsolve

from simulators.base import (
    Boundary,
    Channel,
    SimulationError,
    Simulator,
    along,
    require_choice,
    require_positive,
    require_whole,
)
from simulators.laplacian import Laplacian

HEATER = 1.5  # standard deviation of the Gaussian of a heater, in cells
MOST_WORK = 1e5  # norm of the operator times the time: about the number of sparse products


@dataclass(frozen=True)
class Conduction(Simulator):
    """Heat conduction in a composite plate, as frames of temperature.

        du/dt = div(kappa(x, y) grad u) + s(x, y)

    Behaviour: the initial state decays to the steady state between heaters and sinks, faster where
    kappa is high. Heaters and sinks have equal power, so with a Neumann or periodic boundary the
    mean is constant. The departure from the steady state obeys the maximum principle. The medium
    and the places of heaters and sinks are the same in all trajectories; a model must learn them.

    Solution: finite volumes on cell centres, with the harmonic mean of kappa on the faces. The
    departure from the steady state decays by the matrix exponential, exact in time. Each initial
    field is scaled to unit standard deviation. Good time step of the data:
    conductivity dt / spacing^2 = 0.5.

    Args:
        conductivity: geometric middle of kappa, m^2/s (per heat capacity).
        contrast: largest value of kappa over its smallest.
        material: "smooth", log-normal except for its tails, or "two-phase", half of the cells each.
        grain: size of the features of kappa, in cells: the standard deviation of the Gaussian that
            smooths noise into it.
        medium: seed of kappa and of the places of heaters and sinks.
        heaters: number of heaters, and of sinks.
        strength: power of each, K m^2/s.
        size: number of cells along x and y.
        spacing: width h of a cell, m.
        boundary: "neumann", "dirichlet" (0 K) or "periodic".
        smoothness: s of the initial spectrum exp(-s |k|^2), k in radians per cell.

    Source: R. J. LeVeque, Finite Volume Methods for Hyperbolic Problems (2002), section 4.2;
    harmonic mean S. V. Patankar, Numerical Heat Transfer and Fluid Flow (1980), section 4.2-3;
    exponential A. H. Al-Mohy, N. J. Higham, SIAM J. Sci. Comput. 33 (2011).
    """

    conductivity: float = 0.5
    contrast: float = 10.0
    material: str = "smooth"
    grain: float = 3.0
    medium: int = 0
    heaters: int = 2
    strength: float = 2.0
    size: tuple[int, int] = (32, 32)
    spacing: float = 1.0
    boundary: Boundary = "neumann"
    smoothness: float = 2.0

    channels: ClassVar = (Channel("temperature", "K"),)
    varying: ClassVar = ("conductivity", "strength", "smoothness")

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", tuple(self.size))
        require_positive(
            conductivity=self.conductivity,
            contrast=self.contrast,
            grain=self.grain,
            strength=self.strength,
            smoothness=self.smoothness,
        )
        if self.contrast < 1:
            raise ValueError(f"contrast={self.contrast} must be at least 1, a uniform medium")
        require_choice(("smooth", "two-phase"), material=self.material)
        require_whole(medium=self.medium, heaters=self.heaters)
        _ = self.basis  # raises for an invalid grid
        if self.grain > min(self.size):
            raise ValueError(
                f"grain={self.grain} must be at most the shorter side, {min(self.size)} cells"
            )

    @property
    def shape(self) -> tuple[int, ...]:
        return (1, *self.size)

    @property
    def coordinates(self) -> dict[str, np.ndarray]:
        return self.basis.coordinates

    @property
    def solver(self) -> str:
        return "exact in time, finite volumes"

    @cached_property
    def basis(self) -> Laplacian:
        """The grid and modes of the initial states."""
        return Laplacian(self.size, self.spacing, self.boundary)

    @cached_property
    def kappa(self) -> np.ndarray:
        """The conductivity of each cell, (H, W), relative to ``conductivity``."""
        free: Boundary = "periodic" if self.boundary == "periodic" else "neumann"
        grid = Laplacian(self.size, self.spacing, free)
        field = grid.inverse(
            grid.sample_modes(np.random.default_rng(self.medium), self.grain**2 / 2)
        )
        if self.material == "two-phase":
            field = np.where(field > np.median(field), 1.0, 0.0)
        level = (field - field.min()) / np.ptp(field) - 0.5
        return self.contrast**level

    @cached_property
    def source(self) -> np.ndarray:
        """The heat source (H, W), in 1/m^2, of heaters and sinks of power 1; its sum is zero."""
        rng = np.random.default_rng([self.medium, 1])
        cells = np.ix_(*(np.arange(n) + 0.5 for n in self.size))
        total = np.zeros(self.size)
        for number in range(2 * self.heaters):
            distance = [x - n * rng.uniform() for x, n in zip(cells, self.size, strict=True)]
            if self.boundary == "periodic":
                distance = [
                    (d + n / 2) % n - n / 2 for d, n in zip(distance, self.size, strict=True)
                ]
            bell = np.exp(-(distance[0] ** 2 + distance[1] ** 2) / (2 * HEATER**2))
            total += (-1) ** number * bell / bell.sum()
        return total / self.spacing**2

    @cached_property
    def operator(self) -> sparse.csr_array:
        """The matrix of div(kappa grad) for ``conductivity`` 1, on the cells row by row."""
        height, width = self.size
        across = sparse.kron(_differences(height, self.boundary), sparse.eye_array(width))
        along_rows = sparse.kron(sparse.eye_array(height), _differences(width, self.boundary))
        d = sparse.vstack([across, along_rows])
        faces = 2 / (abs(d) @ (1 / self.kappa.ravel()))
        return -(d.T @ sparse.diags_array(faces) @ d).tocsr() / self.spacing**2

    @cached_property
    def _balance(self) -> np.ndarray:
        """The steady state (H, W) of power 1 and conductivity 1; zero mean if that is free."""
        matrix, heat = -self.operator.tocsc(), self.source.ravel()
        if self.boundary == "dirichlet":
            return spsolve(matrix, heat).reshape(self.size)
        others = spsolve(matrix[1:, 1:], heat[1:])  # with the first cell held at zero
        return (np.append(0.0, others) - others.sum() / heat.size).reshape(self.size)

    def steady(self, x: np.ndarray) -> np.ndarray:
        """Return the steady state of each trajectory, shaped to be subtracted from x (B, ...)."""
        return along(np.divide(self.strength, self.conductivity), x) * self._balance

    def initial(self, rng: np.random.Generator) -> np.ndarray:
        field = self.basis.inverse(self.basis.sample_modes(rng, self.smoothness))
        return (field / field.std())[None]

    def invariants(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """Return the mean temperature (K) if no heat leaves, and the excess of the departure (K).

        The excess is how far the departure from the steady state exceeds its initial extremes.
        """
        space = (-3, -2, -1)
        found = {} if self.boundary == "dirichlet" else {"mean temperature": x.mean(space)}
        departure = x - self.steady(x)
        high, low = departure.max(space), departure.min(space)
        top, bottom = high[:, :1], low[:, :1]
        if self.boundary == "dirichlet":  # the boundary is at 0 K
            top, bottom = np.maximum(top, 0.0), np.minimum(bottom, 0.0)
        found["maximum principle"] = np.maximum(np.maximum(high - top, bottom - low), 0.0)
        return found

    def solve(self, x0: np.ndarray, t: np.ndarray) -> np.ndarray:
        rates = np.broadcast_to(self.conductivity, len(x0))
        block = sparse.kron(sparse.diags_array(rates), self.operator, format="csr")
        work = abs(block).sum(0).max() * (t[-1] - t[0])
        if work > MOST_WORK:
            raise SimulationError(
                f"t={t[-1]:g} takes {work:.1e} sparse products, more than {MOST_WORK:g}: "
                "lower conductivity contrast^0.5 / spacing^2"
            )
        steady, trace = self.steady(x0), block.trace()
        x = np.empty((len(x0), len(t), *self.shape))
        departure = (x0 - steady).ravel()
        x[:, 0] = x0
        for i, interval in enumerate(np.diff(t), start=1):
            departure = expm_multiply(interval * block, departure, traceA=interval * trace)
            x[:, i] = departure.reshape(x0.shape) + steady
        return x


def _differences(cells: int, boundary: Boundary) -> sparse.sparray:
    """Return the differences across each face of a row of cells, a matrix (faces, cells).

    On a Dirichlet boundary the outer value is 0 at a distance of half a cell: there the harmonic
    mean has one term only.
    """
    d = sparse.eye_array(cells + 1, cells) - sparse.eye_array(cells + 1, cells, k=-1)
    if boundary == "dirichlet":
        return d
    if boundary == "neumann":
        return d.tocsr()[1:-1]
    return d.tocsr()[:-1] - sparse.eye_array(cells, k=cells - 1)
