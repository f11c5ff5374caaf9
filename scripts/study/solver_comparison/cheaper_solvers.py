"""Solvers of one system, from the reference to coarser tolerances, steps and grids."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from math import ceil, prod
from typing import Any

import numpy as np
from scipy.signal import resample

from simulators import Conduction, Heat, Simulator, Wave
from simulators.base import along
from simulators.etdrk import Spectral

SECOND = "second solver: "
METHODS, TOLERANCES = ("DOP853", "RK45"), (1e-3, 1e-4, 1e-5, 1e-6, 1e-8, 1e-10)
SUBSTEPS = (1, 2, 4, 8, 16)  # of classical Runge-Kutta in a step of the forecast
GRIDS = (1.0, 0.75, 0.5)  # fractions of the points along each axis


@dataclass(frozen=True)
class Solver:
    """A solver with its name.

    ``solve`` returns the states (B, T, *shape) at the times t (T,) from x0 (B, *shape) at t[0].
    Where it fails it raises SimulationError or returns numbers that are not finite.
    """

    name: str
    solve: Callable[[np.ndarray, np.ndarray], np.ndarray]


def solvers(sim: Simulator, dt: float) -> list[Solver]:
    """Return the reference, its second solver if it has one, then cheaper ones for steps dt."""
    found = [Solver(f"reference: {sim.solver}", sim.trajectories)]
    second = sim.reference_solver()
    if second is not None:
        found.append(Solver(f"{SECOND}{second.solver}", second.trajectories))
    return [*found, *_integrators(sim), *_coarser(sim, dt), *_stencils(sim, dt)]


def _integrators(sim: Any) -> Iterator[Solver]:
    """Yield solvers of ordinary differential equations, adaptive and, if possible, fixed-step."""
    if not all(hasattr(sim, name) for name in ("method", "rtol", "atol")):
        return
    for method in METHODS:
        for tolerance in TOLERANCES:
            coarse = replace(sim, method=method, rtol=tolerance, atol=tolerance)
            yield Solver(f"{method}, {tolerance:.0e}", coarse.trajectories)
    if sim.dimension == prod(sim.shape):  # rhs acts on the state itself
        for count in SUBSTEPS:
            yield Solver(f"RK4, {count} a step", partial(runge_kutta, sim.rhs, substeps=count))


@np.errstate(all="ignore")
def runge_kutta(
    rhs: Callable[[float, np.ndarray], np.ndarray], x0: np.ndarray, t: np.ndarray, substeps: int
) -> np.ndarray:
    """Integrate by Runge-Kutta of order 4, with ``substeps`` equal steps between two times.

    x0 is (B, n) and the result (B, T, n); rhs(t, u) takes u (n, B), as in simulators.ode.
    """
    u = np.ascontiguousarray(x0.T)
    x = np.empty((len(t), *u.shape))
    x[0] = u
    for i in range(len(t) - 1):
        h = (t[i + 1] - t[i]) / substeps
        for k in range(substeps):
            now = t[i] + k * h
            a = rhs(now, u)
            b = rhs(now + h / 2, u + h / 2 * a)
            c = rhs(now + h / 2, u + h / 2 * b)
            d = rhs(now + h, u + h * c)
            u = u + h / 6 * (a + 2 * (b + c) + d)
        x[i + 1] = u
    return x.transpose(2, 0, 1)


def _coarser(sim: Any, dt: float) -> Iterator[Solver]:
    """Yield spectral solvers: ETDRK4 with longer steps, on this grid and on coarser ones."""
    if not isinstance(sim, Spectral):
        return
    finest = ceil(dt / sim.step * (1 - 1e-9))
    counts = sorted({max(1, finest // 2**k) for k in range(6)}, reverse=True)
    for share in GRIDS:
        size = tuple(2 * round(n * share / 2) for n in sim.size)
        for count in counts:
            if share == 1 and count == finest:
                continue  # the reference
            try:
                coarse = replace(sim, size=size, step=dt / count)
            except ValueError:  # the grid cannot hold its forcing or its initial states
                continue
            name = f"ETDRK4, {count} a step, {' x '.join(map(str, size))} points"
            yield Solver(name, partial(on_grid, coarse, sim.size))


def on_grid(coarse: Simulator, size: tuple[int, ...], x0: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Solve on the grid of ``coarse``; x0 and the result have ``size`` points (Fourier)."""
    x = coarse.trajectories(_resampled(x0, coarse.shape[1:]), t)
    return _resampled(x, size)


def _resampled(x: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    for axis, points in zip(range(-len(size), 0), size, strict=True):
        x = x if x.shape[axis] == points else resample(x, points, axis=axis)
    return x


def _stencils(sim: Any, dt: float) -> Iterator[Solver]:
    """Yield finite differences for linear fields, with the longest stable step and shorter ones.

    Forward Euler for diffusion, Störmer-Verlet for waves. Source: W. H. Press et al., Numerical
    Recipes (2007), sections 20.1 and 20.2.
    """
    if not isinstance(sim, Heat | Conduction | Wave):
        return
    operator, rate = _operator(sim)
    fastest = float(np.max(rate)) * abs(operator).sum(0).max()  # bounds the eigenvalues
    steps = dt * (np.sqrt(fastest) if isinstance(sim, Wave) else fastest) / 2
    method, label = (verlet, "Verlet") if isinstance(sim, Wave) else (euler, "Euler")
    for factor in (1, 2, 4, 8, 16):
        count = factor * ceil(steps * (1 - 1e-9))
        run = partial(method, sim, operator, rate, substeps=count)
        yield Solver(f"finite differences, {label}, {count} a step", run)


def _operator(sim: Any) -> tuple[Any, Any]:
    """Return the sparse operator div(kappa grad) over the cells of a frame, and its factor."""
    if isinstance(sim, Conduction):
        return sim.operator, sim.conductivity
    plate = Conduction(
        contrast=1.0,
        heaters=0,
        grain=1.0,
        size=sim.size,
        spacing=sim.spacing,
        boundary=sim.boundary,
    )
    return plate.operator, sim.speed**2 if isinstance(sim, Wave) else sim.diffusivity


def euler(
    sim: Any, operator: Any, rate: Any, x0: np.ndarray, t: np.ndarray, substeps: int
) -> np.ndarray:
    """Integrate du/dt = rate operator u + source by forward Euler."""
    u = np.ascontiguousarray(x0.reshape(len(x0), -1).T)  # (cells, B)
    source: Any = 0.0
    if isinstance(sim, Conduction):
        source = (along(sim.strength, x0) * sim.source).reshape(-1, u.shape[0]).T
    x = np.empty((len(t), *u.shape))
    x[0] = u
    for i in range(len(t) - 1):
        h = (t[i + 1] - t[i]) / substeps
        for _ in range(substeps):
            u = u + h * rate * (operator @ u) + h * source
        x[i + 1] = u
    return x.transpose(2, 0, 1).reshape(len(x0), len(t), *x0.shape[1:])


def verlet(
    sim: Any, operator: Any, rate: Any, x0: np.ndarray, t: np.ndarray, substeps: int
) -> np.ndarray:
    """Integrate du/dt = v, dv/dt = rate operator u by Störmer-Verlet."""
    u, v = np.ascontiguousarray(x0.reshape(len(x0), 2, -1).transpose(1, 2, 0))
    x = np.empty((len(t), 2, *u.shape))
    x[0] = u, v
    force = rate * (operator @ u)
    for i in range(len(t) - 1):
        h = (t[i + 1] - t[i]) / substeps
        for _ in range(substeps):
            v = v + h / 2 * force
            u = u + h * v
            force = rate * (operator @ u)
            v = v + h / 2 * force
        x[i + 1] = u, v
    return x.transpose(3, 0, 1, 2).reshape(len(x0), len(t), *x0.shape[1:])
