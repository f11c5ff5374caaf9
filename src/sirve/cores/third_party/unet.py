"""A U-Net of the blocks of the package MONAI, for fields."""

from itertools import pairwise
from typing import Literal

from torch import Tensor, nn

from sirve.cores.base import make_lift, require_frames, require_positive, zeroed
from sirve.cores.lift import Boundary
from sirve.cores.stacked import Stacked
from sirve.cores.third_party.importing import import_package

PADDING: dict[str, Literal["zeros", "replicate", "circular"]] = {
    "neumann": "replicate",
    "dirichlet": "zeros",
    "periodic": "circular",
}


class UNet(Stacked):
    """A U-Net of the last frames, for fields.

        phi = U(x_t, ..., x_{t - frames + 1}),   y = x + scale * readout(phi)

    U is made of the blocks of MONAI's BasicUNet, and the readout is 1 x 1. ``depth`` times the
    field is halved by maxima of 2 cells while the number of channels doubles; on the way back each
    size is read again together with the result from below. Each size has two convolutions of 3
    cells with GELU and, between them, one norm over all channels and cells (group norm of one
    group). BasicUNet itself has four halvings, too many for small fields.

    Each convolution continues its maps beyond the edges: wrapped for "periodic"; the cell at the
    edge repeated for "neumann", which is its mirror image; 0 for "dirichlet", which is not the
    mirror image with the opposite sign and so not exact. The network is equivariant under shifts of
    a periodic field by 2^depth cells. If a size is odd, the last cell of the halved field is
    repeated, and a periodic field has a seam there.

    Args:
        shape: of a state, (C, N) or (C, H, W).
        boundary: "neumann", "dirichlet" or "periodic".
        frames: number of frames, including the present one; 1 is no memory.
        width: number of channels at full size.
        depth: number of times the field is halved.
        covariates: number of further channels of x that are given and never predicted.

    Raises:
        ValueError: states are vectors, a field has fewer than 2^depth cells, a number is not
            positive, or MONAI is missing.

    Source: O. Ronneberger et al., MICCAI 2015; code: MONAI, monai.networks.nets.BasicUNet.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        boundary: Boundary | None = None,
        frames: int = 1,
        width: int = 9,
        depth: int = 2,
        covariates: int = 0,
    ) -> None:
        super().__init__(shape, residual=True, covariates=covariates)
        require_frames(shape)
        require_positive(frames=frames, width=width, depth=depth)
        self.frames, self.depth = frames, depth
        dims = len(shape) - 1
        self.readout = zeroed(make_lift(width, shape[0], dims, 1, boundary))
        if not self.accepts_shape(shape):
            raise ValueError(
                f"depth={depth} halves a field of {tuple(shape[1:])} cells to nothing; take less"
            )
        monai = import_package("monai.networks.nets.basic_unet", "monai")
        options = {"act": "GELU", "norm": ("group", {"num_groups": 1}), "bias": True}
        widths = [width * 2**level for level in range(depth + 1)]
        steps = list(pairwise(widths))
        self.first = monai.TwoConv(dims, self.inputs, width, **options)
        self.down = nn.ModuleList(monai.Down(dims, a, b, **options) for a, b in steps)
        self.up = nn.ModuleList(
            monai.UpCat(dims, b, a, a, halves=a > width, **options) for a, b in reversed(steps)
        )
        assert boundary is not None  # make_lift raises otherwise
        for module in self.modules():
            if isinstance(module, nn.Conv1d | nn.Conv2d) and module.padding != (0,) * dims:
                module.padding_mode = PADDING[boundary]

    def accepts_shape(self, shape: tuple[int, ...]) -> bool:
        return super().accepts_shape(shape) and min(shape[1:]) >= 2**self.depth

    def maps(self, stack: Tensor) -> Tensor:
        sizes = [self.first(stack)]
        for down in self.down:
            sizes.append(down(sizes[-1]))
        phi = sizes.pop()
        for up in self.up:
            phi = up(phi, sizes.pop())
        return phi
