"""Lyapunov exponents of any simulator, by QR factorisation in tangent space."""

from dataclasses import dataclass
from typing import Any

import numpy as np

NUDGE = 1e-5  # in standard deviations of the state; central differences err by its square
CONFIDENCE = 1.96  # standard errors on each side of the mean: 95 %


@dataclass(frozen=True)
class Exponents:
    """The largest exponents in 1/time, and half the width of their 95 % intervals over orbits."""

    value: np.ndarray
    error: np.ndarray


def exponents(
    sim: Any,
    count: int | None = None,
    every: float = 0.2,
    intervals: int = 250,
    orbits: int = 32,
    seed: int = 0,
) -> Exponents:
    """Compute the largest Lyapunov exponents of a simulator.

    Tangent vectors V along each orbit are moved by the simulator itself, as central differences of
    its flow over the time ``every``, and then orthonormalised: V = Q R. The exponents are the mean
    logarithms of R's diagonal. They converge as 1/sqrt(orbits intervals every). Only
    ``trajectories`` of the simulator is used, so the exponents are those of its numerical solution.

    Args:
        sim: a simulator.
        count: the number of exponents; all by default.
        every: the time between two orthonormalisations.
        intervals: the number of times ``every`` that are averaged, after intervals // 5 in which
            the tangent vectors align.
        orbits: the number of orbits, in parallel.
        seed: of the initial states and tangent vectors.

    Source: G. Benettin et al., Meccanica 15 (1980) 9-20; K. Geist et al., Prog. Theor. Phys. 83
    (1990), section 3.
    """
    rngs = [np.random.default_rng([seed, i]) for i in range(orbits)]
    x = sim.simulate(rngs, every, 2)[:, -1]
    count = min(count or sim.dimension, sim.dimension)
    nudge = NUDGE * x.std()
    flat = x.reshape(orbits, -1)
    tangent = np.random.default_rng(seed).normal(size=(orbits, flat.shape[1], count))
    tangent = np.linalg.qr(tangent)[0]
    turning = intervals // 5
    total = np.zeros((orbits, count))
    start = sim.transient + every
    for interval in range(turning + intervals):
        t = start + every * np.array([interval, interval + 1])
        moved = nudge * tangent.swapaxes(1, 2)
        near = np.concatenate([flat[:, None], flat[:, None] + moved, flat[:, None] - moved], axis=1)
        after = sim.trajectories(near.reshape(-1, *x.shape[1:]), t)[:, -1].reshape(near.shape)
        flat = after[:, 0]
        slope = (after[:, 1 : count + 1] - after[:, count + 1 :]) / (2 * nudge)
        tangent, r = np.linalg.qr(slope.swapaxes(1, 2))
        if interval >= turning:
            grown = np.abs(np.diagonal(r, axis1=1, axis2=2))
            total += np.log(np.maximum(grown, np.finfo(float).tiny))
    rate = total / (intervals * every)
    order = np.argsort(rate.mean(0))[::-1]
    error = CONFIDENCE * rate.std(0, ddof=1) / np.sqrt(orbits)
    return Exponents(rate.mean(0)[order], error[order])
