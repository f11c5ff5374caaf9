"""How much of the past a forecast has used: the number of states whose limit it reaches."""

import numpy as np


def effective_memory(frames: np.ndarray, limit: np.ndarray, error: float) -> float:
    """Return the number of states k whose limit equals ``error``, interpolated in log k.

    Args:
        frames: numbers of states, (K,), ascending.
        limit: errors (K,) of the true equations fitted to so many states.
        error: of a forecast at the same step.

    Returns:
        k between the first and the last of ``frames``: the first where the forecast is no better
        than the limit of so few, the last where it is as good as the limit of all. nan where the
        limit does not fall, since then no number of states can be told from another.
    """
    falling = np.minimum.accumulate(np.asarray(limit, float))
    if not np.isfinite(falling).all() or falling[0] <= falling[-1] * (1 + 1e-9):
        return float("nan")
    if not error < falling[0]:
        return float(frames[0])
    if error <= falling[-1]:
        return float(frames[-1])
    after = int(np.argmax(falling < error))  # the first whose limit is lower
    high, low = np.log(falling[after - 1]), np.log(max(falling[after], 1e-300))
    share = (high - np.log(error)) / (high - low)
    steps = np.log(frames[after] / frames[after - 1])
    return float(frames[after - 1] * np.exp(share * steps))
