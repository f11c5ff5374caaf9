"""Cores of films: their equations step by step, the latent rollout, and their ablation."""

import pytest
import torch
from torch.nn import functional as F

from sirve.cores import GRU, LSTM, RNN, Cell, Core, FilmRecurrent, FilmStacked
from sirve.cores.films.maps import Decoder, Encoder, sizes

SHAPE = (1, 6, 5)
SMALL = {"hidden": 3, "latent": 2, "width": 4, "levels": 2}


def filled(core: Core) -> Core:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in core.parameters():
            parameter.copy_(0.4 * torch.randn(parameter.shape, generator=generator))
        core.scale.fill_(0.5)
    return core.double()


def film(length: int, channels: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(3, length, channels, *SHAPE[1:], generator=generator, dtype=torch.float64)


def gru(core: FilmRecurrent, z: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
    w, u = F.linear(z, core.layer.w.weight, core.layer.w.bias), core.layer.u.weight
    gates, reset = torch.sigmoid(w[:, :6] + h @ u[:6].T).chunk(2, dim=1)
    return (1 - gates) * h + gates * torch.tanh(w[:, 6:] + (reset * h) @ u[6:].T)


@pytest.mark.parametrize("output", ["absolute", "increment"])
@pytest.mark.parametrize("latent_rollout", [False, True])
@torch.no_grad()
def test_recurrent_equals_its_equations(latent_rollout: bool, output: str) -> None:
    core = filled(
        FilmRecurrent(
            SHAPE, GRU(), "neumann", output=output, latent_rollout=latent_rollout, **SMALL
        )
    )
    x, h = film(4), torch.zeros(3, 3, dtype=torch.float64)
    expected = torch.zeros(3, 2, dtype=torch.float64)  # the code of the frame that was predicted
    for t in range(4):
        z = core.encoder(x[:, t])
        if latent_rollout:
            z = torch.cat([core.predict(h), z - expected], dim=1)
        h = gru(core, z, h)
        y = core.scale * core.readout(core.decoder(h)) + (x[:, t] if output == "increment" else 0)
        expected = core.encoder(y)
        torch.testing.assert_close(core(x[:, : t + 1])[0][:, t], y, rtol=0, atol=1e-12)


@pytest.mark.parametrize("covariates", [0, 1])
@pytest.mark.parametrize("output", ["absolute", "increment"])
@pytest.mark.parametrize("cell", [RNN(), LSTM(), GRU()])
@torch.no_grad()
def test_a_latent_rollout_equals_feeding_back_each_frame(
    cell: Cell, output: str, covariates: int
) -> None:
    core = filled(
        FilmRecurrent(SHAPE, cell, "neumann", output=output, covariates=covariates, **SMALL)
    )
    y, state = core(film(3, 1 + covariates))
    fast, end = core.roll(y[:, -1:], state, 6)
    slow, expected = Core.roll(core, y[:, -1:], state, 6)
    torch.testing.assert_close(fast, slow, rtol=0, atol=1e-12)
    torch.testing.assert_close(end, expected, rtol=0, atol=1e-12)


def test_a_latent_rollout_has_no_gradient_through_its_frames() -> None:
    """Beyond the context, the frames that are fed back add nothing to the gradient."""
    core = filled(FilmRecurrent(SHAPE, GRU(), "neumann", **SMALL))
    y, state = core(film(3))
    given = y[:, -1:].detach().requires_grad_()
    code = core.encoder(given[:, 0])
    future, _ = core.roll(given, (*state[:-1], code), 5)
    (gradient,) = torch.autograd.grad(future.square().sum(), given)
    assert gradient.abs().max() < 1e-12


@pytest.mark.parametrize("frames", [1, 3])
@torch.no_grad()
def test_stacked_depends_on_its_frames_only(frames: int) -> None:
    core, x = filled(FilmStacked(SHAPE, "neumann", frames, **SMALL)), film(6)
    last = core(x)[0][:, -1]
    torch.testing.assert_close(core(x[:, -frames:])[0][:, -1], last, rtol=0, atol=1e-12)
    assert not torch.allclose(core(x[:, 1 - frames :])[0][:, -1], last) or frames == 1


@pytest.mark.parametrize("space", [(7,), (16,), (6, 5), (16, 16), (9, 4)])
@pytest.mark.parametrize("levels", [1, 2])
@pytest.mark.parametrize("boundary", ["neumann", "periodic"])
def test_encoder_and_decoder_suit_each_other(
    space: tuple[int, ...], levels: int, boundary: str
) -> None:
    x = torch.randn(2, 3, *space)
    z = Encoder(3, space, 5, 4, levels, boundary)(x)
    assert z.shape == (2, 5)
    assert Decoder(5, space, 3, 4, levels, boundary)(z).shape == x.shape
    assert len(sizes(space, levels)) == levels + 1


@torch.no_grad()
def test_a_decoder_computes_each_new_cell_from_its_own_neighbourhood() -> None:
    """A change of one coarse cell reaches the two new cells of each neighbour within the kernel."""
    decoder = Decoder(8, (16,), 1, 1, 1, "neumann")
    for parameter in decoder.parameters():
        torch.nn.init.constant_(parameter, 0.1)
    torch.nn.init.eye_(decoder.first.weight)
    moved = decoder(torch.eye(8)[:1] * 0) - decoder(torch.eye(8)[3:4])
    assert moved[0, 0].nonzero().flatten().tolist() == [4, 5, 6, 7, 8, 9]


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"levels": 4}, "levels=4 halves"),
        ({"levels": 0}, "levels=0"),
        ({"latent": 0}, "latent=0"),
        ({"output": "both"}, 'output="both" is unknown'),
        ({"boundary": None}, "needs a boundary"),
        ({"shape": (3,)}, "needs frames"),
        ({"time_scale": [1.0, 3.0]}, "above 1"),
    ],
)
def test_wrong_settings_raise(wrong: dict[str, object], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        FilmRecurrent(**({"shape": SHAPE, "cell": GRU(), "boundary": "neumann"} | wrong))  # type: ignore[arg-type]
