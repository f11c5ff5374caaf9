"""Operators and modes on a grid of cells, written without the transforms that they check."""

from typing import Any

import numpy as np
from scipy import sparse

BOUNDARIES = ("neumann", "dirichlet", "periodic")


def second_difference(n: int, wall: str) -> sparse.csr_array:
    """Cell centres with one ghost cell a side: +edge (Neumann), -edge (Dirichlet), the far edge."""
    matrix = sparse.lil_array((n, n))
    for i in range(n):
        matrix[i, i] -= 2.0
        for j, edge in ((i - 1, 0), (i + 1, n - 1)):
            if wall == "periodic" or 0 <= j < n:
                matrix[i, j % n] += 1.0
            else:
                matrix[i, edge] += {"neumann": 1.0, "dirichlet": -1.0}[wall]
    return matrix.tocsr()


def five_point(size: tuple[int, int], spacing: float, wall: str) -> sparse.csr_array:
    """The 5-point Laplacian on the cells of a frame, row by row."""
    rows, columns = (second_difference(n, wall) for n in size)
    return sparse.kronsum(columns, rows, format="csr") / spacing**2


def mode(sim: Any, p: int, q: int) -> tuple[np.ndarray, float]:
    """An eigenfunction of the continuum at the cell centres (H, W), and its squared wavenumber."""
    lengths = [n * sim.spacing for n in sim.size]
    turn = 2 * np.pi if sim.boundary == "periodic" else np.pi
    kx, ky = turn * p / lengths[0], turn * q / lengths[1]
    wave = np.sin if sim.boundary == "dirichlet" else np.cos
    x, y = sim.coordinates.values()
    return wave(kx * x)[:, None] * wave(ky * y), kx**2 + ky**2
