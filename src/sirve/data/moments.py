"""Mean and standard deviation of each channel, block by block."""

import numpy as np


class Moments:
    """Of all x (n, T, C, *space) that were added, in float64: ``mean`` and ``std``, (C,).

    Source: T. Chan, G. Golub, R. LeVeque, The American Statistician 37 (1983), eq. 2.1.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean = self._squares = np.zeros(0)

    def add(self, x: np.ndarray) -> None:
        axes = tuple(i for i in range(x.ndim) if i != 2)
        count, mean = x.size // x.shape[2], x.mean(axes, dtype=np.float64)
        squares = x.var(axes, dtype=np.float64) * count
        if self.count == 0:
            self.count, self.mean, self._squares = count, mean, squares
        elif count:
            total, delta = self.count + count, mean - self.mean
            self._squares = self._squares + squares + delta**2 * (self.count * count / total)
            self.mean = self.mean + delta * (count / total)
            self.count = total

    @property
    def std(self) -> np.ndarray:
        return np.sqrt(self._squares / max(self.count, 1))
