"""The normaliser: physical units to those that a core reads, and back."""

import numpy as np
import torch
from torch import Tensor, nn


def filled(x: Tensor) -> Tensor:
    """Return normalised x with 0, the training mean, in hidden cells, which are NaN."""
    return torch.where(x.isnan(), 0.0, x)


class Normaliser(nn.Module):
    """Maps each channel to (x - mean) / std, and back; mean and std in float64."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: np.ndarray, std: np.ndarray, dims: int) -> None:
        super().__init__()
        shape = (-1, *[1] * dims)
        safe = np.where(std > 0, std, 1.0)  # a constant channel becomes 0
        self.register_buffer("mean", torch.as_tensor(mean, dtype=torch.float64).reshape(shape))
        self.register_buffer("std", torch.as_tensor(safe, dtype=torch.float64).reshape(shape))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x (..., C, *space); the last channels, the covariates, may be left out."""
        channels = x.shape[-self.mean.ndim]
        return (x - self.mean[:channels]) / self.std[:channels]

    def back(self, x: Tensor) -> Tensor:
        """Return x in physical units, float64."""
        channels = x.shape[-self.mean.ndim]
        return x * self.std[:channels] + self.mean[:channels]
