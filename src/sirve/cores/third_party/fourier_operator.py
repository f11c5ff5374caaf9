"""The Fourier neural operator of the package neuraloperator, for fields."""

from typing import Any

import torch
from torch import Tensor, nn

from sirve.cores.base import make_lift, require_frames, require_positive, zeroed
from sirve.cores.lift import Boundary
from sirve.cores.stacked import Stacked
from sirve.cores.third_party.importing import import_package


class FourierOperator(Stacked):
    """A Fourier neural operator of the last frames, for fields.

        phi = FNO(x_t, ..., x_{t - frames + 1}),   y = x + scale * readout(phi)

    Along each axis the waves of up to ``modes`` periods are mixed, or fewer if it has too few
    cells; all else is mixed cell by cell. Waves are periodic: for another boundary the field is
    first continued to twice its size, mirrored (neumann) or mirrored with the opposite sign
    (dirichlet). The network reads no coordinates, so it is equivariant under shifts of a periodic
    field.

    Args:
        shape: of a state, (C, N) or (C, H, W).
        boundary: "neumann", "dirichlet" or "periodic".
        frames: number of frames, including the present one; 1 is no memory.
        width: number of channels.
        modes: periods of the finest wave that is mixed.
        layers: number of layers.
        covariates: number of further channels of x that are given and never predicted.

    Raises:
        ValueError: states are vectors, a number is not positive, or neuraloperator is missing.

    Source: Z. Li et al., ICLR 2021, section 4; code: neuraloperator, neuralop.models.FNO.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        boundary: Boundary | None = None,
        frames: int = 1,
        width: int = 10,
        modes: int = 4,
        layers: int = 4,
        covariates: int = 0,
    ) -> None:
        super().__init__(shape, residual=True, covariates=covariates)
        require_frames(shape)
        require_positive(frames=frames, width=width, modes=modes, layers=layers)
        self.frames, self.boundary, self.dims = frames, boundary, len(shape) - 1
        self.readout = zeroed(make_lift(width, shape[0], self.dims, 1, boundary))
        self.waves = [min(modes, (n - 1) // 2) for n in self._periodic(shape[1:])]
        self.net = import_package("neuralop.models", "neuraloperator").FNO(
            n_modes=self.waves,
            in_channels=self.inputs,
            out_channels=width,
            hidden_channels=width,
            n_layers=layers,
            positional_embedding=None,
            conv_module=Spectral,
        )
        self.register_state_dict_post_hook(_without_metadata)

    def accepts_shape(self, shape: tuple[int, ...]) -> bool:
        cells = self._periodic(shape[1:])
        return super().accepts_shape(shape) and all(
            (n - 1) // 2 >= waves for n, waves in zip(cells, self.waves, strict=True)
        )

    def maps(self, stack: Tensor) -> Tensor:
        whole = stack
        if self.boundary != "periodic":
            sign = -1 if self.boundary == "dirichlet" else 1
            for axis in range(2, stack.ndim):
                whole = torch.cat([whole, sign * whole.flip(axis)], dim=axis)
        phi = self.net(whole)
        for axis in range(2, stack.ndim):
            phi = phi.narrow(axis, 0, stack.shape[axis])
        return phi

    def _periodic(self, cells: tuple[int, ...]) -> list[int]:
        return [n if self.boundary == "periodic" else 2 * n for n in cells]


class Spectral(nn.Module):
    """The spectral convolution of a block of ``FNO`` on x (N, inputs, *space).

    It mixes the waves of up to ``modes[i]`` periods along axis i and drops all others. The one of
    neuralop 2.0.0 computes in complex64 whatever the type of x, and shifts the waves of an odd
    number of rows back wrongly. This one stores pairs of real numbers in the type of the core. As
    there, the forward transform divides by the number of cells; the initial weights are the same.
    """

    def __init__(self, inputs: int, outputs: int, modes: list[int], **_: Any) -> None:
        super().__init__()
        *others, self.last = modes
        self.others = others
        kept = [2 * m + 1 for m in others] + [self.last + 1]
        std = (inputs + outputs) ** -0.5  # of each part; of a number, 2 ** 0.5 times that
        self.weight = nn.Parameter(std * torch.randn(inputs, outputs, *kept, 2))
        self.bias = nn.Parameter((2**0.5) * std * torch.randn(outputs, *[1] * len(modes)))

    def transform(self, x: Tensor, output_shape: Any = None) -> Tensor:
        """Return x for the skip connection: no size changes."""
        return x

    def forward(self, x: Tensor, output_shape: Any = None) -> Tensor:
        cells = x.shape[2:]
        z = torch.fft.rfft(x.to(self.weight.dtype), norm="forward")[..., : self.last + 1]
        rows = [
            torch.arange(-m, m + 1, device=x.device) % n
            for m, n in zip(self.others, cells, strict=False)
        ]
        for axis, kept in enumerate(rows, start=2):
            z = torch.fft.fft(z, dim=axis, norm="forward").index_select(axis, kept)
        z = torch.einsum("bi...,io...->bo...", z, torch.view_as_complex(self.weight))
        for axis, kept in enumerate(rows, start=2):
            shape = (*z.shape[:axis], cells[axis - 2], *z.shape[axis + 1 :])
            z = z.new_zeros(shape).index_copy(axis, kept, z)
            z = torch.fft.ifft(z, dim=axis, norm="forward")
        return torch.fft.irfft(z, n=cells[-1], norm="forward") + self.bias


def _without_metadata(module: nn.Module, state: dict[str, Any], prefix: str, _: Any) -> None:
    """Remove the entry with neuralop's constructor arguments: a state has weights only."""
    state.pop("_metadata", None)
