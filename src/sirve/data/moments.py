"""Mean and standard deviation of each channel, computed block by block."""

import numpy as np


class Moments:
    """Running ``mean`` and ``std``, (C,) in float64, of all blocks x (n, T, C, *space) added.

    Hidden cells, which are NaN in all channels of a state, are left out.

    Source: T. Chan, G. Golub, R. LeVeque, The American Statistician 37 (1983), eq. 2.1.
    """

    def __init__(self) -> None:
        self.count = 0  # values of a channel
        self.mean = self._squares = np.zeros(0)

    def add(self, x: np.ndarray) -> None:
        """Include a block x (n, T, C, *space)."""
        hidden = np.isnan(x)
        if hidden.any():
            x = x.swapaxes(0, 2)[:, ~hidden.any(2).swapaxes(0, 1)].T[None]  # (1, cells, C)
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


class StepMoments:
    """The moments of all blocks x (n, T, C, *space) added, and of their increments in time."""

    def __init__(self) -> None:
        self.states, self.increments = Moments(), Moments()

    def add(self, x: np.ndarray) -> None:
        """Include a block x (n, T, C, *space)."""
        self.states.add(x)
        self.increments.add(np.diff(x, axis=1))

    def plain(self, channels: tuple[str, ...]) -> dict[str, dict[str, float]]:
        """Return the content of stats.yaml, with The Well's names."""
        rows = {
            "mean": self.states.mean,
            "std": self.states.std,
            "mean_delta": self.increments.mean,
            "std_delta": self.increments.std,
        }
        return {k: dict(zip(channels, v.tolist(), strict=True)) for k, v in rows.items()}
