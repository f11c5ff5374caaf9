"""Cells of a field that are seen as one, or that a moving bar hides."""

import numpy as np

from sirve.errors import UserError

FEWEST = 4  # cells along an axis of a coarse field


def coarse(x: np.ndarray, cells: int, by: str) -> np.ndarray:
    """Return fields with ``cells`` times fewer cells along each axis.

    Args:
        x: fields (n, T, C, *space).
        cells: number of cells along each axis that become one.
        by: "mean" takes their mean, "subsample" the first of them.

    Returns:
        Fields (n, T, C, *space / cells) of the same type.
    """
    if by == "subsample":
        every = [slice(None)] * 3 + [slice(None, None, cells)] * (x.ndim - 3)
        return x[tuple(every)]
    split = [part for n in x.shape[3:] for part in (n // cells, cells)]
    axes = tuple(range(4, 3 + len(split), 2))
    return x.reshape(*x.shape[:3], *split).mean(axes, dtype=np.float64).astype(x.dtype)


def coarse_size(size: tuple[int, ...], cells: int) -> tuple[int, ...]:
    """Return the size of a coarse field; raises UserError where ``cells`` does not divide it."""
    if cells > 1 and any(n % cells or n < FEWEST * cells for n in size):
        fit = [k for k in range(1, min(size) // FEWEST + 1) if all(n % k == 0 for n in size)]
        raise UserError(
            f"observe.coarsen={cells} does not divide {' x '.join(map(str, size))} cells into "
            f"{FEWEST} or more along each axis; take one of {', '.join(map(str, fit or [1]))}"
        )
    return tuple(n // cells for n in size)


def behind_bar(first: np.ndarray, share: float, width: int) -> np.ndarray:
    """Return which cells of a periodic row a bar hides, (..., width).

    Args:
        first: number of the bar's first cell, (...,), counted modulo ``width``.
        share: of the row that the bar hides, above 0; at least one cell is hidden.
        width: number of cells of the row.
    """
    hidden = max(1, round(share * width))
    return (np.arange(width) - first[..., None]) % width < hidden
