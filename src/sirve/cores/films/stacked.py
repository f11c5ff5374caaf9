"""The core of films without a recurrent memory."""

from torch import Tensor, nn
from torch.nn import functional as F

from sirve.cores.base import (
    Core,
    make_lift,
    require_frames,
    require_output,
    require_positive,
    zeroed,
)
from sirve.cores.films.maps import KERNEL, Decoder, Encoder
from sirve.cores.lift import Boundary, Matrix
from sirve.cores.stacked import Stacked


class FilmStacked(Stacked):
    """An encoder and a decoder of the last frames: the ablation of ``FilmRecurrent``.

        z_t = encoder(x_t, ..., x_{t - frames + 1}),   phi_t = decoder(g(W z_t))
        y_t = scale * readout(phi_t)                    (``output="increment"``: x_t + the same)

    It has the depth of ``FilmRecurrent``; a layer of GELU takes the place of the cell.

    Args:
        shape: of a state, (C, N) or (C, H, W).
        boundary: "neumann", "dirichlet" or "periodic".
        frames: number of frames, including the present one; 1 is no memory.
        hidden: number of units between encoder and decoder.
        latent: number of numbers to which the frames are encoded.
        width: number of channels of the convolutions.
        levels: number of times the frame is halved.
        output: "absolute" or "increment".
        covariates: number of further channels of x that are given and never predicted.

    Raises:
        ValueError: states are vectors, or a number is not valid.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        boundary: Boundary | None = None,
        frames: int = 4,
        hidden: int = 256,
        latent: int = 32,
        width: int = 16,
        levels: int = 2,
        output: str = "absolute",
        covariates: int = 0,
    ) -> None:
        require_film(
            shape, output, frames=frames, hidden=hidden, latent=latent, width=width, levels=levels
        )
        super().__init__(shape, output == "increment", covariates)
        self.frames = frames
        self.encoder = Encoder(self.inputs, shape[1:], latent, width, levels, boundary)
        self.middle = Matrix(latent, hidden)
        self.decoder, self.readout = decoder(shape, hidden, width, levels, boundary)

    def accepts_shape(self, shape: tuple[int, ...]) -> bool:
        return Core.accepts_shape(self, shape)

    def maps(self, stack: Tensor) -> Tensor:
        phi: Tensor = self.decoder(F.gelu(self.middle(self.encoder(stack))))
        return phi


def require_film(shape: tuple[int, ...], output: str, **numbers: int) -> None:
    """Raise ValueError for what no core of films accepts."""
    require_frames(shape)
    require_positive(**numbers)
    require_output(output)


def decoder(
    shape: tuple[int, ...], numbers: int, width: int, levels: int, boundary: Boundary | None
) -> tuple[Decoder, nn.Module]:
    """Return a decoder to ``width`` / 2 maps, and a readout of them that starts at zero."""
    maps = max(1, width // 2)
    readout = make_lift(maps, shape[0], len(shape) - 1, KERNEL, boundary)
    return Decoder(numbers, shape[1:], maps, width, levels, boundary), zeroed(readout)
