"""Linear equations with constant coefficients on a periodic line, exact in space and time."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import fft

from simulators.base import (
    Channel,
    require_choice,
    require_not_negative,
    require_positive,
    require_size,
)
from simulators.etdrk import require_wavenumber
from simulators.periodic import Periodic


@dataclass(frozen=True)
class Line(Periodic):
    """A field u on a periodic line whose Fourier modes evolve independently.

        u_k(t) = exp(rates_k t) u_k(0)

    An initial state is the sum of the ``waves`` longest Fourier modes of white noise, without the
    mean. The amplitude of mode k is multiplied by k^-``decay``, and the sum is scaled to have the
    largest absolute value 1 or the root mean square 1. All quantities are dimensionless.

    Args:
        size: number of points.
        length: of the domain.
        waves: number of Fourier modes of an initial state.
        decay: how fast the amplitudes fall with the wavenumber; 0: all are equally strong.
        scaled_by: what is 1 in an initial state: "largest", the largest absolute value, or "rms",
            the root mean square.

    Source: F. Koehler et al., APEBench, NeurIPS (2024), whose linear scenarios and initial states
    these are (exponax, RandomTruncatedFourierSeries).
    """

    size: tuple[int, ...] = (160,)
    length: float = 1.0
    waves: int = 5
    decay: float = 0.0
    scaled_by: str = "largest"

    channels: ClassVar = (Channel("u", "1"),)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_size(self.size, 1, least=8)
        require_positive(length=self.length)
        require_wavenumber(self.size, waves=self.waves)
        require_not_negative(decay=self.decay)
        require_choice(("largest", "rms"), scaled_by=self.scaled_by)

    @property
    @abstractmethod
    def rates(self) -> np.ndarray:
        """The rate of each mode in 1/time, (1, 1, modes) or (B, 1, modes)."""

    @property
    def side(self) -> float:
        return self.length

    @property
    def solver(self) -> str:
        return "exact, by Fourier modes"

    @property
    def wavenumbers(self) -> np.ndarray:
        """The wavenumber of each mode, (modes,), in radians per length."""
        return 2 * np.pi / self.length * np.arange(self.size[0] // 2 + 1)

    def initial(self, rng: np.random.Generator) -> np.ndarray:
        modes = fft.rfft(rng.normal(size=self.shape))
        modes[:, 0] = 0
        modes[:, self.waves + 1 :] = 0
        modes[:, 1 : self.waves + 1] *= np.arange(1.0, self.waves + 1) ** -self.decay
        field = fft.irfft(modes, n=self.size[0])
        return field / (np.abs(field).max() if self.scaled_by == "largest" else field.std())

    def solve(self, x0: np.ndarray, t: np.ndarray) -> np.ndarray:
        elapsed = (t - t[0])[:, None, None]
        modes = fft.rfft(x0)[:, None] * np.exp(self.rates[:, None] * elapsed)
        return fft.irfft(modes, n=self.size[0])
