"""Heat conduction in a medium that is not the same everywhere, with heaters and sinks."""

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

HEATER = 1.5  # standard deviation of a heater's bell, in cells
MOST_WORK = 1e5  # norm of the operator times the time, about the products that it takes


@dataclass(frozen=True)
class Conduction(Simulator):
    """Temperature in a composite plate, as frames.

        du/dt = div(kappa(x, y) grad u) + s(x, y)

    Behaviour: what is left of the initial state flows away, fast where kappa is high, and what
    stays is the steady state between heaters and sinks. Heaters and sinks are of equal power, so
    that with Neumann or periodic walls the mean is constant. The departure from the steady state
    obeys the maximum principle. The medium and the places of heaters and sinks are the same in
    all trajectories; a model must find them out.

    Solution: finite volumes on cell centres, with the harmonic mean of kappa on the faces; the
    departure from the steady state decays by the matrix exponential, exact in time.

    Parameters: ``conductivity`` the geometric middle of kappa, m^2/s (per heat capacity);
    ``contrast`` its largest value over its smallest; ``material`` "smooth", log-normal but for
    its tails, or "two-phase", half of the cells each; ``grain`` the size of its features, in cells
    (the standard deviation of the bell that smooths noise into it); ``medium`` the seed of kappa
    and of the places; ``heaters``, each with a sink, of a power ``strength``, K m^2/s; ``size``
    cells along x and y; ``spacing`` h in m; ``walls``; ``smoothness`` s of the initial spectrum
    exp(-s |k|^2), k in radians per cell; each initial field is scaled to unit standard deviation.
    Good value: conductivity dt / h^2 0.5.

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
        _ = self.basis  # which refuses a bad grid
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
        """Of the initial states."""
        return Laplacian(self.size, self.spacing, self.boundary)

    @cached_property
    def kappa(self) -> np.ndarray:
        """The conductivity of each cell, (H, W), relative to ``conductivity``."""
        free: Boundary = "periodic" if self.boundary == "periodic" else "neumann"
        grid = Laplacian(self.size, self.spacing, free)
        field = grid.inverse(grid.noise(np.random.default_rng(self.medium), self.grain**2 / 2))
        if self.material == "two-phase":
            field = np.where(field > np.median(field), 1.0, 0.0)
        level = (field - field.min()) / np.ptp(field) - 0.5
        return self.contrast**level

    @cached_property
    def source(self) -> np.ndarray:
        """Heat, (H, W), in 1/m^2, of heaters of power 1 and their sinks; its sum is zero."""
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
        """div(kappa grad) of the cells of a frame, row by row, for ``conductivity`` 1."""
        height, width = self.size
        across = sparse.kron(_differences(height, self.boundary), sparse.eye_array(width))
        along_rows = sparse.kron(sparse.eye_array(height), _differences(width, self.boundary))
        d = sparse.vstack([across, along_rows])
        faces = 2 / (abs(d) @ (1 / self.kappa.ravel()))
        return -(d.T @ sparse.diags_array(faces) @ d).tocsr() / self.spacing**2

    @cached_property
    def _balance(self) -> np.ndarray:
        """The steady state (H, W) of power 1 in conductivity 1; of zero mean where that is free."""
        matrix, heat = -self.operator.tocsc(), self.source.ravel()
        if self.boundary == "dirichlet":
            return spsolve(matrix, heat).reshape(self.size)
        others = spsolve(matrix[1:, 1:], heat[1:])  # with the first cell held at zero
        return (np.append(0.0, others) - others.sum() / heat.size).reshape(self.size)

    def steady(self, x: np.ndarray) -> np.ndarray:
        """The steady state for each trajectory of x (B, ...), as it is subtracted from x."""
        return along(np.divide(self.strength, self.conductivity), x) * self._balance

    def initial(self, rng: np.random.Generator) -> np.ndarray:
        field = self.basis.inverse(self.basis.noise(rng, self.smoothness))
        return (field / field.std())[None]

    def invariants(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """Mean temperature (K) where no heat leaves, and by how much (K) the departure from the
        steady state exceeds what it was."""
        space = (-3, -2, -1)
        found = {} if self.boundary == "dirichlet" else {"mean temperature": x.mean(space)}
        departure = x - self.steady(x)
        high, low = departure.max(space), departure.min(space)
        top, bottom = high[:, :1], low[:, :1]
        if self.boundary == "dirichlet":  # the wall itself is at 0 K
            top, bottom = np.maximum(top, 0.0), np.minimum(bottom, 0.0)
        found["maximum principle"] = np.maximum(np.maximum(high - top, bottom - low), 0.0)
        return found

    def solve(self, x0: np.ndarray, t: np.ndarray) -> np.ndarray:
        rates = np.broadcast_to(self.conductivity, len(x0))
        block = sparse.kron(sparse.diags_array(rates), self.operator, format="csr")
        work = abs(block).sum(0).max() * (t[-1] - t[0])
        if work > MOST_WORK:
            raise SimulationError(
                f"to t={t[-1]:g} takes {work:.1e} sparse products, more than {MOST_WORK:g}: "
                "conductivity contrast^0.5 / spacing^2 is too high"
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
    """Across each face of a row of cells, (faces, cells). Beyond a Dirichlet wall there is 0, and
    half a cell to go, as the harmonic mean over what is on a face has it."""
    d = sparse.eye_array(cells + 1, cells) - sparse.eye_array(cells + 1, cells, k=-1)
    if boundary == "dirichlet":
        return d
    if boundary == "neumann":
        return d.tocsr()[1:-1]
    return d.tocsr()[:-1] - sparse.eye_array(cells, k=cells - 1)
