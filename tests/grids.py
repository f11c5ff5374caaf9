"""Operators and modes on a grid of cells, written without the transforms under test."""

from typing import Any

import numpy as np
from scipy import sparse

BOUNDARIES = ("neumann", "dirichlet", "periodic")


def second_difference(n: int, boundary: str) -> sparse.csr_array:
    """Return the second difference of n cells with a ghost cell on each side.

    The ghost cell is the edge cell (Neumann), minus the edge cell (Dirichlet) or the far cell.
    """
    matrix = sparse.lil_array((n, n))
    for i in range(n):
        matrix[i, i] -= 2.0
        for j, edge in ((i - 1, 0), (i + 1, n - 1)):
            if boundary == "periodic" or 0 <= j < n:
                matrix[i, j % n] += 1.0
            else:
                matrix[i, edge] += {"neumann": 1.0, "dirichlet": -1.0}[boundary]
    return matrix.tocsr()


def five_point(size: tuple[int, int], spacing: float, boundary: str) -> sparse.csr_array:
    """Return the 5-point Laplacian on the cells of a frame, row by row."""
    rows, columns = (second_difference(n, boundary) for n in size)
    return sparse.kronsum(columns, rows, format="csr") / spacing**2


def mode(sim: Any, p: int, q: int) -> tuple[np.ndarray, float]:
    """Return an eigenfunction of the continuum at the cell centres, and its wavenumber squared."""
    lengths = [n * sim.spacing for n in sim.size]
    turn = 2 * np.pi if sim.boundary == "periodic" else np.pi
    kx, ky = turn * p / lengths[0], turn * q / lengths[1]
    wave = np.sin if sim.boundary == "dirichlet" else np.cos
    x, y = sim.coordinates.values()
    return wave(kx * x)[:, None] * wave(ky * y), kx**2 + ky**2
