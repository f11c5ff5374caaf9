"""A U-Net of the blocks of the package MONAI, for fields."""

from itertools import pairwise
from typing import Literal

from torch import Tensor, nn

from sirve.cores.base import make_lift, require_frames, require_positive, zeroed
from sirve.cores.lift import Boundary
from sirve.cores.stacked import Stacked
from sirve.cores.third_party.importing import imported

PADDING: dict[str, Literal["zeros", "replicate", "circular"]] = {
    "neumann": "replicate",
    "dirichlet": "zeros",
    "periodic": "circular",
}


class UNet(Stacked):
    """phi = U(x_t, ..., x_{t - frames + 1}), U the blocks of MONAI's BasicUNet, read out 1 x 1.

    ``depth`` times the field is halved by maxima of 2 cells and the channels, ``width`` at first,
    doubled; on the way back each size is read again beside what comes from below. Two
    convolutions of 3 cells at each size, with GELU and, between them, one norm of all channels and
    cells (group norm of one group). BasicUNet itself has four halvings, too many for small fields.

    Every convolution continues its maps as the walls do: wrapped (periodic), the cell at the wall
    once more (neumann, which is its mirror image); dirichlet: 0, which is no mirror image, and not
    exact. A periodic field shifted by 2^depth cells is forecast shifted; where a size is odd, the
    last cell of the halved field is repeated, and a periodic one has a seam there.

    Raises ValueError for vectors, fields of less than 2^depth cells, sizes that are not positive, a
    package that is not there. Source: O. Ronneberger et al., MICCAI 2015; code: MONAI,
    monai.networks.nets.BasicUNet.
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
        monai = imported("monai.networks.nets.basic_unet", "monai")
        look = {"act": "GELU", "norm": ("group", {"num_groups": 1}), "bias": True}
        widths = [width * 2**level for level in range(depth + 1)]
        steps = list(pairwise(widths))
        self.first = monai.TwoConv(dims, self.inputs, width, **look)
        self.down = nn.ModuleList(monai.Down(dims, a, b, **look) for a, b in steps)
        self.up = nn.ModuleList(
            monai.UpCat(dims, b, a, a, halves=a > width, **look) for a, b in reversed(steps)
        )
        assert boundary is not None  # make_lift has refused that
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
