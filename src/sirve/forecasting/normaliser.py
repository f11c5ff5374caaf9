"""Physical units and the units that a core reads."""

import numpy as np
import torch
from torch import Tensor, nn


class Normaliser(nn.Module):
    """(x - mean) / std of each channel, and back; moments in float64."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: np.ndarray, std: np.ndarray, dims: int) -> None:
        super().__init__()
        shape = (-1, *[1] * dims)
        safe = np.where(std > 0, std, 1.0)  # a constant channel is its mean, whatever the unit
        self.register_buffer("mean", torch.as_tensor(mean, dtype=torch.float64).reshape(shape))
        self.register_buffer("std", torch.as_tensor(safe, dtype=torch.float64).reshape(shape))

    def forward(self, x: Tensor) -> Tensor:
        """As the core reads x (..., C, *space), whose last channels, the known, may be left out."""
        channels = x.shape[-self.mean.ndim]
        return (x - self.mean[:channels]) / self.std[:channels]

    def back(self, x: Tensor) -> Tensor:
        """Physical units of such an x, float64."""
        channels = x.shape[-self.mean.ndim]
        return x * self.std[:channels] + self.mean[:channels]
