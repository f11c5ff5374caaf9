"""The pendulum, with damping and drive."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from scipy.special import ellipj, ellipk, ellipkinc

from simulators.base import (
    Channel,
    Simulator,
    along,
    require_choice,
    require_finite,
    require_not_negative,
    require_positive,
)
from simulators.ode import METHODS, integrate, reference_method
from simulators.scene import Scene


@dataclass(frozen=True)
class Pendulum(Simulator):
    """A rigid pendulum with the state (sin theta, cos theta, omega).

        d theta/dt = omega
        d omega/dt = -omega0^2 sin theta - damping omega + drive cos(drive_frequency t)

    Behaviour: without damping and drive it swings for ever with constant energy, and more slowly
    the wider it swings (the period diverges at theta = pi). With damping it comes to rest. With
    both it can be chaotic (omega0 1, damping 0.5, drive 1.15, drive_frequency 2/3); its times are
    then counted in periods of the drive. Good time step of the data: dt 0.1 s.

    Args:
        omega0: angular frequency of small swings, rad/s.
        damping: 1/s.
        drive: amplitude of the drive, rad/s^2.
        drive_frequency: angular frequency of the drive, rad/s.
        release: the largest amplitude of the initial states, rad, below pi; good value 2.5.
        method: "auto" takes the closed form if there is one (no damping, no drive) and DOP853
            otherwise; a method of SciPy's solve_ivp always integrates.
        rtol: relative tolerance of the method.
        atol: absolute tolerance of the method.

    Source: L. D. Landau, E. M. Lifshitz, Mechanics, section 11, problem 1; A. Beléndez et al.,
    Rev. Bras. Ens. Fis. 29 (2007), section 2 (Jacobi elliptic functions).
    """

    omega0: float = 1.0
    damping: float = 0.0
    drive: float = 0.0
    drive_frequency: float = 2 / 3
    release: float = 2.5
    method: str = "auto"
    rtol: float = 1e-12
    atol: float = 1e-12

    channels: ClassVar = (
        Channel("sin", "1"),
        Channel("cos", "1"),
        Channel("omega", "rad/s"),
    )
    varying: ClassVar = ("omega0", "damping", "drive", "drive_frequency", "release")
    dimension: ClassVar = 2

    def __post_init__(self) -> None:
        require_positive(
            omega0=self.omega0,
            drive_frequency=self.drive_frequency,
            release=self.release,
            rtol=self.rtol,
            atol=self.atol,
        )
        require_not_negative(damping=self.damping)
        require_finite(drive=self.drive)
        # Closer to pi, SciPy's elliptic functions lose all digits.
        if np.any(np.greater(self.release, np.pi - 1e-4)):
            raise ValueError(f"release={self.release} must be at most pi - 1e-4, nearly upright")
        require_choice(("auto", *METHODS), method=self.method)

    @property
    def conservative(self) -> bool:
        """True if the energy is constant: no damping and no drive."""
        return not (np.any(self.damping) or np.any(self.drive))

    @property
    def shape(self) -> tuple[int, ...]:
        return (3,)

    @property
    def period(self) -> float | None:
        """The period of the drive, or of small swings if there is no drive."""
        return 2 * np.pi / (self.drive_frequency if self.drive else self.omega0)

    @property
    def solver(self) -> str:
        return "Jacobi elliptic functions" if self._exact else self._method

    @property
    def _exact(self) -> bool:
        return self.conservative and self.method == "auto"

    @property
    def _method(self) -> str:
        return "DOP853" if self.method == "auto" else self.method

    def reference_solver(self) -> Simulator:
        return replace(self, method="DOP853" if self._exact else reference_method(self._method))

    def initial(self, rng: np.random.Generator) -> np.ndarray:
        """Sample a point on the free orbit of an amplitude between 0.1 release and release."""
        k = np.sin(rng.uniform(0.1, 1.0) * self.release / 2)
        sn, cn, dn, _ = ellipj(rng.uniform(0, 4) * ellipk(k**2), k**2)
        return np.array([2 * k * sn * dn, 1 - 2 * (k * sn) ** 2, 2 * k * self.omega0 * cn])

    def invariants(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """Return the energy per m l^2, omega^2/2 + omega0^2 (1 - cos theta), 1/s^2, if constant."""
        if not self.conservative:
            return {}
        stiffness = along(self.omega0, x[..., 1]) ** 2
        return {"energy": x[..., 2] ** 2 / 2 + stiffness * (1 - x[..., 1])}

    def scene(self, x: np.ndarray) -> Scene:
        """Draw a rod of length 1 with a bob, hanging from the middle."""
        bob = np.stack([x[..., 0], -x[..., 1]], axis=-1)
        radius, thickness = np.full_like(bob[..., :1], 0.18), np.full_like(bob[..., :1], 0.05)
        rod = np.concatenate([np.zeros_like(bob), bob, thickness], axis=-1)
        return Scene(
            np.concatenate([bob, radius], axis=-1)[..., None, :],
            rod[..., None, :],
            (-1.3, -1.3, 2.6),
        )

    def solve(self, x0: np.ndarray, t: np.ndarray) -> np.ndarray:
        if not self._exact:
            return self.integrated(x0, t)
        half_sin = np.sin(np.arctan2(x0[:, 0], x0[:, 1]) / 2)
        k2 = (x0[:, 2] / (2 * self.omega0)) ** 2 + half_sin**2
        separatrix = np.abs(k2 - 1) < 1e-9  # SciPy's ellipj is wrong for m > 1 - 1e-10
        x = np.empty((len(x0), len(t), 3))
        x[~separatrix] = self.rows(~separatrix).closed_form(x0[~separatrix], t)
        if separatrix.any():
            x[separatrix] = self.rows(separatrix).integrated(x0[separatrix], t)
        return x

    def integrated(self, x0: np.ndarray, t: np.ndarray) -> np.ndarray:
        """Integrate with a method of SciPy's solve_ivp, for any damping and drive."""
        angle = np.stack([np.arctan2(x0[:, 0], x0[:, 1]), x0[:, 2]], axis=-1)
        theta, omega = np.moveaxis(
            integrate(self.rhs, angle, t, self.rtol, self.atol, self._method), -1, 0
        )
        return np.stack([np.sin(theta), np.cos(theta), omega], axis=-1)

    def rhs(self, t: float, u: np.ndarray) -> np.ndarray:
        """Return d(theta, omega)/dt for u of shape (2, B)."""
        theta, omega = u
        force = self.drive * np.cos(self.drive_frequency * t)
        return np.array([omega, force - self.omega0**2 * np.sin(theta) - self.damping * omega])

    def closed_form(self, x0: np.ndarray, t: np.ndarray) -> np.ndarray:
        """Return the exact motion of the free pendulum, swinging (k < 1) or turning over (k > 1).

        With k^2 = (omega/2 omega0)^2 + sin^2(theta/2), swinging: sin(theta/2) = k sn(u, k^2),
        u = omega0 t + u0; turning: sin(theta/2) = sn(u, 1/k^2), u = +-k omega0 t + u0.
        """
        half_sin = np.sin(np.arctan2(x0[:, 0], x0[:, 1]) / 2)
        half_cos = np.cos(np.arctan2(x0[:, 0], x0[:, 1]) / 2)
        speed = x0[:, 2] / (2 * self.omega0)
        k = np.sqrt(speed**2 + half_sin**2)
        swings = k <= 1
        k_safe = np.where(k > 0, k, 1.0)  # k = 0 hangs still, at any phase
        m = np.where(swings, k**2, 1 / k_safe**2)
        sign = np.where(swings | (speed >= 0), 1.0, -1.0)
        amplitude = np.where(
            swings, np.arctan2(half_sin / k_safe, speed / k_safe), np.arctan2(half_sin, half_cos)
        )
        rate = self.omega0 * np.where(swings, 1.0, sign * k)
        u = ellipkinc(amplitude, m)[:, None] + rate[:, None] * (t - t[0])
        sn, cn, dn, _ = ellipj(u, m[:, None])
        k, swings, sign = k[:, None], swings[:, None], sign[:, None]
        sin_half, cos_half = np.where(swings, k * sn, sn), np.where(swings, dn, cn)
        omega = 2 * along(self.omega0, k) * k * np.where(swings, cn, sign * dn)
        return np.stack([2 * sin_half * cos_half, 1 - 2 * sin_half**2, omega], axis=-1)
