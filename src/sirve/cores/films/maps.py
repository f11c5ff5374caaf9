"""The convolutional encoder and decoder of the cores of films."""

import math
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from sirve.cores.base import make_lift
from sirve.cores.lift import Boundary, Convolution, Matrix, extend

KERNEL = 3  # cells


def sizes(space: tuple[int, ...], levels: int) -> list[tuple[int, ...]]:
    """Return the size of a field and of each of its ``levels`` halvings, rounded up.

    Raises:
        ValueError: the field is too small for so many.
    """
    found = [tuple(space)]
    for _ in range(levels):
        if min(found[-1]) < 2:
            raise ValueError(
                f"levels={levels} halves a field of {tuple(space)} cells to nothing; take less"
            )
        found.append(tuple((n + 1) // 2 for n in found[-1]))
    return found


class Encoder(nn.Module):
    """A map from fields (B, channels, *space) to ``latent`` numbers (B, latent).

        a_0 = x,   a_l = g(W_l * a_{l-1}) at every second cell,   z = W a_levels,   g the GELU

    Args:
        channels: of the fields.
        space: size of the fields.
        latent: number of numbers.
        width: number of channels of the convolutions.
        levels: number of convolutions, each of which halves the field.
        boundary: "neumann", "dirichlet" or "periodic".
    """

    def __init__(
        self,
        channels: int,
        space: tuple[int, ...],
        latent: int,
        width: int,
        levels: int,
        boundary: Boundary | None,
    ) -> None:
        super().__init__()
        dims = len(space)
        self.lifts = nn.ModuleList(
            make_lift(width if level else channels, width, dims, KERNEL, boundary)
            for level in range(levels)
        )
        cells = math.prod(sizes(space, levels)[-1])
        self.last = Matrix(width * cells, latent)

    def forward(self, x: Tensor) -> Tensor:
        for lift in self.lifts:
            x = F.gelu(_at_every_second_cell(lift, x))
        z: Tensor = self.last(x.flatten(1))
        return z


class Decoder(nn.Module):
    """A map from ``numbers`` numbers (B, numbers) to maps (B, outputs, *space).

        a_0 = g(W z),   a_l = g(up(W_l * a_{l-1})),   g the GELU

    ``up`` doubles the size of a field: a convolution computes the 2 or 4 new cells at each cell.

    Args:
        numbers: read.
        space: size of the maps.
        outputs: number of maps.
        width: number of channels of the convolutions.
        levels: number of doublings.
        boundary: "neumann", "dirichlet" or "periodic".

    Source of ``up``: W. Shi et al., CVPR 2016, section 3 (sub-pixel convolution).
    """

    def __init__(
        self,
        numbers: int,
        space: tuple[int, ...],
        outputs: int,
        width: int,
        levels: int,
        boundary: Boundary | None,
    ) -> None:
        super().__init__()
        self.sizes = sizes(space, levels)[::-1]
        channels = [width] * levels + [outputs]
        dims = len(space)
        self.first = Matrix(numbers, channels[0] * math.prod(self.sizes[0]))
        self.lifts = nn.ModuleList(
            make_lift(inputs, 2**dims * after, dims, KERNEL, boundary)
            for inputs, after in pairwise(channels)
        )

    def forward(self, z: Tensor) -> Tensor:
        a = F.gelu(self.first(z)).unflatten(1, (-1, *self.sizes[0]))
        for lift, size in zip(self.lifts, self.sizes[1:], strict=True):
            a = F.gelu(_doubled(lift(a), size))
        return a


def _at_every_second_cell(lift: nn.Module, x: Tensor) -> Tensor:
    """Apply a convolution, but compute every second cell along each axis only."""
    assert isinstance(lift, Convolution)
    wide = extend(x, lift.margin, lift.boundary)
    return {3: F.conv1d, 4: F.conv2d}[x.ndim](wide, lift.weight, lift.bias, stride=2)


def _doubled(x: Tensor, size: tuple[int, ...]) -> Tensor:
    """Return x (B, 2^dims * C, *space) as (B, C, *size): its channels become cells."""
    dims = len(size)
    x = x.unflatten(1, (-1, *[2] * dims))  # (B, C, 2, 2, H, W)
    order = [axis for k in range(dims) for axis in (2 + dims + k, 2 + k)]
    x = x.permute(0, 1, *order)
    x = x.reshape(*x.shape[:2], *(2 * n for n in x.shape[2::2]))
    for axis, n in enumerate(size, start=2):
        x = x.narrow(axis, 0, n)
    return x
