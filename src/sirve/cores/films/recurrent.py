"""The recurrent core of films: encoder, cell, decoder."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from sirve.cores.base import Core, make_lift
from sirve.cores.cells import Cell, State, spread_time_scales
from sirve.cores.films.maps import Encoder
from sirve.cores.films.stacked import decoder, require_film
from sirve.cores.lift import Boundary, Matrix
from sirve.cores.recurrent import Layer


class FilmRecurrent(Core):
    """A recurrent network of encoded frames: an encoder, a cell with matrices and a decoder.

        z_t = encoder(x_t),   h_t = cell(z_t, h_{t-1}),   phi_t = decoder(h_t)
        y_t = scale * readout(phi_t)                    (``output="increment"``: x_t + the same)

    With ``latent_rollout`` the core also predicts the next encoded frame, p_t = P h_t + b, and the
    cell reads this prediction and by how much the observation departs from it:

        e_t = encoder(x_t) - encoder(y_{t-1}),   h_t = cell((p_{t-1}, e_t), h_{t-1})

    In a free forecast x_t = y_{t-1}, so e_t = 0: the network runs in its latent space and frames
    are only decoded, so errors of single cells are not fed back. Before the first frame e_t is the
    encoded frame itself.

    Args:
        shape: of a state, (C, N) or (C, H, W).
        cell: RNN, LSTM or GRU.
        boundary: "neumann", "dirichlet" or "periodic".
        hidden: number of units of the cell.
        latent: number of numbers to which a frame is encoded.
        width: number of channels of the convolutions.
        levels: number of times the frame is halved.
        output: "absolute" or "increment".
        latent_rollout: forecast in the latent space.
        time_scale: two numbers of frames, both above 1, over which the first and the last unit
            forget before training; None: all forget over about 2 frames.
        covariates: number of further channels of x that are given and never predicted.

    Raises:
        ValueError: states are vectors, or a number is not valid.

    Source: D. Hafner et al., ICML 2019, section 3 (a recurrent model that forecasts in a latent
    space and is corrected by encoded frames; here it is deterministic).
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        cell: Cell,
        boundary: Boundary | None = None,
        hidden: int = 256,
        latent: int = 32,
        width: int = 16,
        levels: int = 2,
        output: str = "absolute",
        latent_rollout: bool = True,
        time_scale: Sequence[float] | None = None,
        covariates: int = 0,
    ) -> None:
        numbers = {"hidden": hidden, "latent": latent, "width": width, "levels": levels}
        require_film(shape, output, **numbers)
        super().__init__(shape, output == "increment", covariates)
        self.latent_rollout = latent_rollout
        channels = shape[0] + covariates
        self.encoder = Encoder(channels, shape[1:], latent, width, levels, boundary)
        rows, read = cell.gates * hidden, 2 * latent if latent_rollout else latent
        w, u = Matrix(read, rows), Matrix(hidden, rows, bias=cell.recurrent_bias)
        if time_scale is not None:
            spread_time_scales(cell, w.bias, time_scale)
        self.layer = Layer(cell, hidden, w, u)
        self.predict = make_lift(hidden, latent, 0, 1, None) if latent_rollout else None
        self.decoder, self.readout = decoder(shape, hidden, width, levels, boundary)

    def features(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        z = self.encoder(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        if self.predict is None:
            h, state = self.layer(z, state)
            return self._decoded(h), state
        if state is None:
            h = x.new_zeros(len(x), self.layer.hidden)
            state = (*[h] * self.layer.cell.states, torch.zeros_like(z[:, 0]))
        out = []
        for x_t, z_t in zip(x.split(1, dim=1), z.unbind(1), strict=True):
            memory = self._step(state[:-1], z_t - state[-1])
            phi = self._decoded(memory[0][:, None])
            state = (*memory, self.encoder(self.mean(x_t, phi)[:, 0]))
            out.append(phi)
        return torch.cat(out, dim=1), state

    def roll(self, x: Tensor, state: Any, steps: int) -> tuple[Tensor, Any]:
        if self.predict is None or steps == 1:
            return super().roll(x, state, steps)
        y, state = self(x, state)
        memory, hidden = state[:-1], []
        none = torch.zeros_like(state[-1])
        for _ in range(steps - 1):
            memory = self._step(memory, none)
            hidden.append(memory[0])
        phi = self._decoded(torch.stack(hidden, dim=1))
        future = self.mean(y.expand(-1, steps - 1, *y.shape[2:]), phi)
        if self.residual:
            moved = self.predicted(future - y).cumsum(dim=1)
            future = self.with_covariates(self.predicted(y) + moved, future)
        return torch.cat([y, future], dim=1), (*memory, self.encoder(future[:, -1]))

    def _step(self, memory: State, error: Tensor) -> State:
        """Return h (and c) after a frame that departs by ``error`` (B, latent)."""
        assert self.predict is not None
        read = torch.cat([self.predict(memory[0]), error], dim=1)
        after: State = self.layer(read[:, None], memory)[1]
        return after

    def _decoded(self, h: Tensor) -> Tensor:
        """Return the maps (B, T, F, *space) of h (B, T, hidden)."""
        phi: Tensor = self.decoder(h.flatten(0, 1)).unflatten(0, h.shape[:2])
        return phi
