"""The limit of spectral systems: the most likely state, by gradients of their equations."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from simulators import SimulationError
from simulators.etdrk import Spectral
from sirve.errors import UserError
from sirve.limit.fit import Fit
from sirve.limit.operator import Observation
from sirve.limit.prior import Prior
from sirve.limit.problem import Problem
from sirve.limit.tensors import SpectralTensors

NUMBERS = 2**16  # of the states that are fitted together, in one batch
ITERATIONS, LAST = 40, 80  # of L-BFGS, in a window that grows and in the whole one
COARSER = (8, 4, 2)  # multiples of the simulator's step that a fit may take
SHARE = 0.03  # error of the coarser step, in standard deviations of the noise
CHECKED = 8  # states over which that error is measured


class Variational:
    """Fits of the state at the first of the last ``frames`` states of the context.

    The cost of coordinates z of the state (``Prior``) is |y - G(z)|^2 / 2 + |z - z0|^2 / 2, where
    G solves the equations without error and observes them, in units of the noise. Its gradient
    is computed backwards in time through the solver (strong-constraint 4D-Var).

    Source: O. Talagrand, P. Courtier, Q. J. R. Meteorol. Soc. 113 (1987) 1311.
    """

    def __init__(self, problem: Problem, frames: int) -> None:
        if problem.hidden:
            raise UserError(
                f"limit: {', '.join(problem.hidden)} of this system cannot be fitted with its "
                "state; give it by observe.parameters"
            )
        self.problem, self.frames = problem, frames
        self.prior = Prior.of(problem.near(frames), problem.info.boundary)
        self.mean, self.factor = (
            torch.as_tensor(self.prior.mean),
            torch.as_tensor(self.prior.factor),
        )
        self.observation = Observation(problem)
        self.step = coarse_step(problem, frames)

    def states(self, z: Tensor) -> Tensor:
        """Return the states (B, C, *space) of coordinates z (B, C, M)."""
        modes = torch.einsum("mcd,bdm->bcm", self.factor, z).reshape(-1, *self.mean.shape)
        whole = torch.fft.fftn(modes, dim=tuple(range(2, modes.ndim)), norm="ortho")
        return self.mean + whole.real - whole.imag

    def solve(self, rows: np.ndarray, members: int, rng: np.random.Generator) -> np.ndarray:
        """Return the fitted states (1 + members, B, *shape) of the starts ``rows`` (B,).

        The first are the most likely states. Each other is fitted to observations and to a prior
        mean with noise added, which samples the posterior of a linear system exactly.

        Source: Y. Chen, D. S. Oliver, Math. Geosci. 44 (2012) 1, randomised maximum likelihood.
        """
        seen = self.problem.seen[rows][:, self.problem.context - self.frames :]
        y = torch.as_tensor((seen / self.problem.sigma).reshape(len(rows), self.frames, -1))
        shape = (len(rows), len(self.mean), len(self.factor))
        best, window = torch.zeros(shape, dtype=y.dtype), 1
        while True:
            whole = window >= self.frames
            steps = LAST if whole else ITERATIONS
            best = self._minimise(rows, best, torch.zeros_like(best), y[:, :window], steps)
            if whole:
                break
            window = min(2 * window, self.frames)
        found = [self.states(best)]
        together = max(1, NUMBERS // (len(rows) * self.mean.numel()))
        for first in range(0, members, together):
            m = min(together, members - first)
            noisy = y.repeat(m, 1, 1) + torch.as_tensor(rng.normal(size=(m * len(y), *y.shape[1:])))
            centre = torch.as_tensor(rng.normal(size=(m * shape[0], *shape[1:])))
            start = best.repeat(m, 1, 1)
            z = self._minimise(np.tile(rows, m), start, centre, noisy, ITERATIONS)
            found.append(self.states(z))
        return torch.cat(found).numpy().reshape(1 + members, len(rows), *self.problem.info.shape)

    def _minimise(
        self, rows: np.ndarray, start: Tensor, centre: Tensor, y: Tensor, iterations: int
    ) -> Tensor:
        """Minimise the cost of all fits of a batch together, from coordinates ``start``."""
        sim = self.problem.system(rows, {})
        assert isinstance(sim, Spectral)
        equations = SpectralTensors(replace(sim, step=self.step))
        count, c = equations.steps(self.problem.dt)
        z, visible = start.clone().requires_grad_(True), torch.isfinite(y)
        optimizer = torch.optim.LBFGS(
            [z],
            max_iter=iterations,
            history_size=20,
            tolerance_grad=1e-6,
            tolerance_change=1e-6,
            line_search_fn="strong_wolfe",
        )

        def cost() -> Tensor:
            optimizer.zero_grad()
            v = equations.modes(self.states(z))
            total = ((z - centre) ** 2).sum() / 2
            for i in range(y.shape[1]):
                if i:
                    v = checkpoint(equations.march, v, count, c, use_reentrant=False)
                apart = self.observation(equations.field(v)) - y[:, i]
                total = total + (apart[visible[:, i]] ** 2).sum() / 2
            total.backward()
            return total

        optimizer.step(cost)
        found = z.detach()
        return found if bool(torch.isfinite(found).all()) else start


def fit(problem: Problem, frames: int, members: int, seed: int) -> Fit:
    """Fit all starts, a batch at a time; raises UserError for a hidden parameter."""
    model = Variational(problem, frames)
    rng = np.random.default_rng([seed, frames])
    size = max(1, NUMBERS // int(np.prod(problem.info.shape)))
    n = len(problem.seen)
    parts = [
        model.solve(np.arange(first, min(first + size, n)), members, rng)
        for first in range(0, n, size)
    ]
    states = np.concatenate(parts, axis=1)
    return Fit.of(states.reshape(-1, *problem.info.shape), members, {})


def coarse_step(problem: Problem, frames: int) -> float:
    """Return the longest step whose error is small beside the noise, from training states."""
    sim = problem.family.sim
    assert isinstance(sim, Spectral)
    count = min(4, len(problem.training))
    sim = sim.each(**{name: value[:count] for name, value in problem.drawn.items()})
    x = problem.training[:count, : min(frames, CHECKED) + 1].astype(np.float64)
    time = sim.transient + problem.dt * np.arange(x.shape[1])
    fine = problem.observed(sim.trajectories(x[:, 0], time))
    for times in COARSER:
        if times * sim.step > problem.dt:
            continue
        try:
            coarse = replace(sim, step=times * sim.step).trajectories(x[:, 0], time)
        except SimulationError:
            continue
        apart = (problem.observed(coarse) - fine) / problem.sigma
        if np.sqrt((apart[:, -1] ** 2).mean()) < SHARE:
            return times * sim.step
    return sim.step
