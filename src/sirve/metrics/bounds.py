"""The maximum principle: what only diffuses never exceeds the extremes it began with."""

import numpy as np

from sirve.metrics.error import shaped


def excess(
    states: np.ndarray, start: np.ndarray, std: np.ndarray, wall: float | None = None
) -> np.ndarray:
    """By how much states (n, steps, C, *space) leave the range of ``start``: (n, steps).

        max over c and points of max(x - max start_c, min start_c - x, 0) / std_c

    ``start`` is (n, C, *space); where the walls are held at the value ``wall``, it is in the range
    too. Infinite where a state is not finite. 0 for an exact solution of a diffusion equation
    without sources, of finite differences that keep the principle, or sampled on a line where the
    extremes lie on points; of any other as much as its grid does not see of the first extremes.
    Source: L. C. Evans, Partial Differential Equations (2010), section 2.3.3.
    """
    space = tuple(range(2, start.ndim))
    low, high = (f(start, axis=space, keepdims=True)[:, None] for f in (np.min, np.max))
    if wall is not None:
        low, high = np.minimum(low, wall), np.maximum(high, wall)
    with np.errstate(all="ignore"):
        over = np.maximum(np.float64(1) * states - high, np.float64(1) * low - states)
        found = (over / shaped(std, states.ndim)).max(tuple(range(2, states.ndim)))
    finite = np.isfinite(states).all(tuple(range(2, states.ndim)))
    return np.where(finite, np.maximum(found, 0.0), np.inf)
