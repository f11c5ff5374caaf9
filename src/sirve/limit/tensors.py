"""The equations of a spectral simulator on tensors, so that its forecasts have gradients."""

from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from simulators import Simulator
from simulators.etdrk import Coefficients, Spectral, advance, coefficients


class SpectralTensors:
    """A spectral simulator whose ``nonlinear`` and step are evaluated on tensors.

    The equations are the simulator's own: its class's ``nonlinear`` is called on this object, which
    gives it tensors where the simulator has arrays, and Fourier transforms of tensors. So
    ``nonlinear`` may use arithmetic, ``self.modes``, ``self.field``, and attributes that are
    numbers or arrays. tests/limit/test_tensors.py compares every spectral simulator with its own
    solution.
    """

    def __init__(self, sim: Spectral) -> None:
        self.sim = sim
        self._found: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        found = self.__dict__.setdefault("_found", {})
        if name not in found:
            function = getattr(type(self.sim), name, None)
            if callable(function):
                found[name] = function.__get__(self)
            else:
                found[name] = as_tensors(getattr(self.sim, name))
        return found[name]

    @cached_property
    def masks(self) -> list[Tensor]:
        """1 for the modes kept along each axis but the last, and 0 for the others."""
        masks = []
        for n in self.sim.size[:-1]:
            mask = torch.ones(n, 1)
            mask[self.sim.kept(n) + 1 : n - self.sim.kept(n)] = 0
            masks.append(mask)
        return masks

    def modes(self, x: Tensor) -> Tensor:
        """Return the resolved Fourier modes of fields x (..., *size), as ``Spectral.modes``."""
        v = torch.fft.rfft(x)[..., : self.sim.kept(self.sim.size[-1]) + 1]
        for mask in self.masks:
            v = torch.fft.fft(v, dim=-2) * mask
        return v

    def field(self, v: Tensor) -> Tensor:
        """Return the fields on the grid, (..., *size), of modes v, as ``Spectral.field``."""
        for _ in self.masks:
            v = torch.fft.ifft(v, dim=-2)
        return torch.fft.irfft(v, n=self.sim.size[-1])

    def steps(self, interval: float) -> tuple[int, Coefficients]:
        """Return the number of steps in ``interval`` and their coefficients, as tensors."""
        count = max(1, int(np.ceil(interval / self.sim.step * (1 - 1e-9))))
        found = coefficients(self.sim.linear, interval / count)
        return count, Coefficients(*map(as_tensors, found))

    def march(self, v: Tensor, count: int, c: Coefficients) -> Tensor:
        """Take ``count`` steps from modes v."""
        for _ in range(count):
            v = advance(v, self.nonlinear, c)  # type: ignore[arg-type, assignment]
        return v


def has_tensors(sim: Simulator) -> bool:
    """Return whether a system is marched as it is stored, so that its equations take tensors.

    Shallow water is not: it is solved for the momentum and stored as the velocity.
    """
    return isinstance(sim, Spectral) and type(sim).solve is Spectral.solve


def as_tensors(value: Any) -> Any:
    """Return arrays, also in tuples, as tensors, and everything else as it is."""
    if isinstance(value, tuple) and value and all(isinstance(v, np.ndarray) for v in value):
        return tuple(map(as_tensors, value))
    return torch.from_numpy(np.array(value)) if isinstance(value, np.ndarray) else value
