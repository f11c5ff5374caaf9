"""Lyapunov exponents by QR in tangent space."""

from collections.abc import Callable

import numpy as np


def spectrum(
    rhs: Callable[[np.ndarray], np.ndarray],
    jacobian: Callable[[np.ndarray], np.ndarray],
    x0: np.ndarray,
    time: float,
    step: float = 0.01,
    every: int = 10,
) -> np.ndarray:
    """Exponents of dx/dt = rhs(x), largest first, averaged over B orbits from ``x0`` (B, D).

    State and tangent vectors, dV/dt = J(x) V, advance together by the classical Runge-Kutta
    scheme of order 4; V is orthonormalised every ``every`` steps and the logarithms of R's
    diagonal are averaged. ``rhs`` maps (D, B) to (D, B), ``jacobian`` maps (D, B) to (B, D, D).

    Source: G. Benettin et al., Meccanica 15 (1980) 9-20; K. Geist et al., Prog. Theor. Phys. 83
    (1990), section 3.
    """
    x = x0.T.copy()
    batch, dim = x0.shape
    tangent = np.broadcast_to(np.eye(dim), (batch, dim, dim)).copy()
    total = np.zeros((batch, dim))
    blocks = max(1, round(time / (step * every)))
    turning = blocks // 5  # first the tangent vectors turn into place, uncounted

    def slope(x: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return rhs(x), jacobian(x) @ v

    for block in range(turning + blocks):
        for _ in range(every):
            a, da = slope(x, tangent)
            b, db = slope(x + step / 2 * a, tangent + step / 2 * da)
            c, dc = slope(x + step / 2 * b, tangent + step / 2 * db)
            d, dd = slope(x + step * c, tangent + step * dc)
            x = x + step / 6 * (a + 2 * b + 2 * c + d)
            tangent = tangent + step / 6 * (da + 2 * db + 2 * dc + dd)
        tangent, r = np.linalg.qr(tangent)
        if block >= turning:
            total += np.log(np.abs(np.diagonal(r, axis1=1, axis2=2)))
    return np.sort((total / (blocks * every * step)).mean(0))[::-1]
