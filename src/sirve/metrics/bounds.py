"""The maximum principle: a field that only diffuses never exceeds its initial extremes."""

import numpy as np

from sirve.metrics.error import shaped


def excess(
    states: np.ndarray, start: np.ndarray, std: np.ndarray, boundary_value: float | None = None
) -> np.ndarray:
    """Return how far states leave the range of the first state, (n, steps).

        max over c and points of max(x - max start_c, min start_c - x, 0) / std_c

    It is infinite where a state is not finite. It is 0 for a solution of a diffusion equation
    without sources by finite differences that obey the principle, or for an exact solution sampled
    on a line with its extremes on grid points. Otherwise an exact solution exceeds the range by as
    much as the grid misses of the initial extremes.

    Args:
        states: (n, steps, C, *space).
        start: first states (n, C, *space).
        std: standard deviation of each channel, (C,).
        boundary_value: value on a Dirichlet boundary, which belongs to the range.

    Source: L. C. Evans, Partial Differential Equations (2010), section 2.3.3.
    """
    space = tuple(range(2, start.ndim))
    low, high = (f(start, axis=space, keepdims=True)[:, None] for f in (np.min, np.max))
    if boundary_value is not None:
        low, high = np.minimum(low, boundary_value), np.maximum(high, boundary_value)
    with np.errstate(all="ignore"):
        over = np.maximum(np.float64(1) * states - high, np.float64(1) * low - states)
        found = (over / shaped(std, states.ndim)).max(tuple(range(2, states.ndim)))
    finite = np.isfinite(states).all(tuple(range(2, states.ndim)))
    return np.where(finite, np.maximum(found, 0.0), np.inf)
