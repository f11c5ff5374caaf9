"""Exponential time differencing for periodic fields, whose stiff linear part is diagonal."""

from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
from scipy import fft

from simulators.base import SimulationError, require_positive
from simulators.periodic import Periodic

MAX_STEPS = 1_000_000
CONTOUR = np.exp(2j * np.pi * (np.arange(32) + 0.5) / 32)

Nonlinear = Callable[[np.ndarray], np.ndarray]


class Coefficients(NamedTuple):
    """Coefficients of a step: propagators over half and all of it, and nonlinear weights."""

    half: np.ndarray
    whole: np.ndarray
    q: np.ndarray
    f1: np.ndarray
    f2: np.ndarray
    f3: np.ndarray


@np.errstate(all="ignore")  # march reports values that are not finite
def coefficients(linear: np.ndarray, h: float) -> Coefficients:
    """Return the coefficients of a step ``h`` for each mode.

    The closed forms of q and f lose digits where h L is small. They are entire functions, so each
    is computed as its mean over the unit circle around h L, one point at a time to save memory.

    Args:
        linear: rates L of the modes in 1/time, real or complex, of any shape.
        h: the step.

    Source: A.-K. Kassam, L. N. Trefethen, SIAM J. Sci. Comput. 26 (2005), section 3.
    """
    centre = h * linear
    q, f1, f2, f3 = (np.zeros(centre.shape, complex) for _ in range(4))
    for point in CONTOUR:
        z = centre + point
        e = np.exp(z)
        q += (np.exp(z / 2) - 1) / z
        f1 += (-4 - z + e * (4 - 3 * z + z**2)) / z**3
        f2 += (2 + z + e * (z - 2)) / z**3
        f3 += (-4 - 3 * z - z**2 + e * (4 - z)) / z**3
    means = [h * total / len(CONTOUR) for total in (q, f1, f2, f3)]
    if np.isrealobj(linear):
        means = [mean.real for mean in means]
    return Coefficients(np.exp(centre / 2), np.exp(centre), *means)


@np.errstate(all="ignore")
def advance(v: np.ndarray, nonlinear: Nonlinear, c: Coefficients) -> np.ndarray:
    """Take one step of ETDRK4.

    Source: S. M. Cox, P. C. Matthews, J. Comput. Phys. 176 (2002), eqs. 26-29.
    """
    half = c.half * v
    n_v = nonlinear(v)
    a = half + c.q * n_v
    n_a = nonlinear(a)
    n_b = nonlinear(half + c.q * n_a)
    n_c = nonlinear(c.half * a + c.q * (2 * n_b - n_v))
    return c.whole * v + c.f1 * n_v + 2 * c.f2 * (n_a + n_b) + c.f3 * n_c


def march(
    linear: np.ndarray, nonlinear: Nonlinear, v0: np.ndarray, t: np.ndarray, step: float
) -> Iterator[np.ndarray]:
    """Yield the solution v (B, *modes) of dv/dt = linear v + nonlinear(v) at each time of ``t``.

    Each interval of ``t`` is divided into the fewest equal steps not longer than ``step``.
    Intervals that differ only by the rounding of ``t`` share their coefficients.

    Raises:
        SimulationError: v is not finite, with the time, or there are too many steps.
    """
    intervals = np.diff(t)
    counts = np.maximum(1, np.ceil(intervals / step * (1 - 1e-9)))
    if counts.sum() > MAX_STEPS:
        raise SimulationError(
            f"t={t[-1]:g} takes {counts.sum():g} steps of {step:g}, more than {MAX_STEPS}; "
            "take a longer step"
        )
    rounding = 4 * np.spacing(np.abs(t).max())
    v, length = v0, np.inf
    yield v
    for start, interval, count in zip(t, intervals, counts.astype(int), strict=False):
        if abs(interval - count * length) > rounding:
            length = interval / count
            c = coefficients(linear, length)
        for number in range(count):
            v = advance(v, nonlinear, c)
            finite = np.isfinite(v)
            if not finite.all():
                raise SimulationError(
                    f"not finite at t={start + (number + 1) * length:g}: step={step:g} is too long",
                    int(np.argmin(finite.reshape(len(v), -1).all(1))),
                )
        yield v


def resolved(n: int) -> int:
    """Return the largest wavenumber k of n points whose products do not alias: 3 k < n.

    Source: S. A. Orszag, J. Atmos. Sci. 28 (1971) 1074, the 2/3 rule.
    """
    return (n - 1) // 3


def require_wavenumber(size: tuple[int, ...], **values: int) -> None:
    """Raise ValueError for the first value that is not a wavenumber resolved by ``size`` points."""
    most = resolved(min(size))
    for name, value in values.items():
        if type(value) is not int or not 1 <= value <= most:
            raise ValueError(
                f"{name}={value} must be a whole number from 1 to {most}: size={size} resolves no "
                "finer wave"
            )


@dataclass(frozen=True)
class Spectral(Periodic):
    """A field on a periodic domain, solved by its Fourier modes v.

        dv/dt = linear v + nonlinear(v)

    Solution: Galerkin projection onto the modes up to ``kept`` along each axis, with products on
    the ``size`` points of the grid, and ETDRK4 in time. Higher modes of an initial state are
    dropped.

    Args:
        size: number of points along each axis.
        step: the longest step of time.
    """

    step: float

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(step=self.step)

    @property
    @abstractmethod
    def linear(self) -> np.ndarray:
        """The linear rate of each mode, (1, 1, *modes) or (B, 1, *modes), in 1/time."""

    @abstractmethod
    def nonlinear(self, v: np.ndarray) -> np.ndarray:
        """Return the nonlinear part of dv/dt for modes v (B, 1, *modes)."""

    @property
    def solver(self) -> str:
        return f"ETDRK4, step {self.step:g}"

    def reference_solver(self) -> Self:
        return replace(self, step=self.step / 2)

    def kept(self, points: int) -> int:
        """Return the largest wavenumber that is kept along an axis."""
        return resolved(points)

    @cached_property
    def wavenumbers(self) -> tuple[np.ndarray, ...]:
        """The wavenumbers along each axis, (H, 1) and (1, K), in radians per length."""
        *whole, last = self.size
        counts = [fft.fftfreq(n, 1 / n) for n in whole] + [np.arange(self.kept(last) + 1)]
        return np.ix_(*(2 * np.pi / self.side * count for count in counts))

    def modes(self, x: np.ndarray) -> np.ndarray:
        """Return the resolved Fourier modes of fields x (..., *size)."""
        *whole, last = self.size
        v = fft.rfft(x)[..., : self.kept(last) + 1]
        for n in whole:
            v = fft.fft(v, axis=-2)
            v[..., self.kept(n) + 1 : n - self.kept(n), :] = 0
        return v

    def field(self, v: np.ndarray) -> np.ndarray:
        """Return the fields on the grid, (..., *size), of modes v."""
        *whole, last = self.size
        for _ in whole:
            v = fft.ifft(v, axis=-2)
        return fft.irfft(v, n=last)

    def column(self, value: Any) -> np.ndarray:
        """Reshape a parameter, a number or an array (B,), so that it multiplies (B, *shape)."""
        return np.reshape(value, (-1, *[1] * len(self.shape)))

    def solve(self, x0: np.ndarray, t: np.ndarray) -> np.ndarray:
        x = np.empty((len(x0), len(t), *self.shape))
        states = march(self.linear, self.nonlinear, self.modes(x0), t, self.step)
        for i, v in enumerate(states):
            x[:, i] = self.field(v)
        return x


def growth(value: np.ndarray) -> np.ndarray:
    """Return how far a value (B, T) is above its lowest so far: zero if it never grows."""
    return value - np.minimum.accumulate(value, axis=1)
