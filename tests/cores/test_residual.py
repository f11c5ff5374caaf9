"""Residual convolutional cores: equations step by step, memory, innovation, and output."""

import pytest
import torch
from torch.nn import functional as F

from sirve.cores import GRU, LSTM, Cell, Core, ResidualRecurrent, ResidualStacked
from sirve.forecasting.rollout import rollout

SHAPE = (2, 6, 5)
SMALL = {"width": 4, "depth": 3}


def filled(core: Core) -> Core:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in core.parameters():
            parameter.copy_(0.4 * torch.randn(parameter.shape, generator=generator))
        core.scale.copy_(torch.tensor([0.5, 2.0]).reshape(2, 1, 1))
    return core.double()


def fields(length: int, channels: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(3, length, channels, *SHAPE[1:], generator=generator, dtype=torch.float64)


def wrapped(x: torch.Tensor, lift: torch.nn.Module) -> torch.Tensor:
    """Compute a 3 x 3 convolution on the torus with the padding of torch.nn."""
    return F.conv2d(F.pad(x, [1] * 4, mode="circular"), lift.weight, lift.bias)


def body(core: Core, x: torch.Tensor) -> torch.Tensor:
    first, *rest = core.body.lifts
    a = F.gelu(wrapped(x, first))
    for lift in rest:
        a = a + F.gelu(wrapped(a, lift))
    return a


def pointwise(x: torch.Tensor, lift: torch.nn.Module) -> torch.Tensor:
    return F.conv2d(x, lift.weight, lift.bias)


@pytest.mark.parametrize("output", ["increment", "absolute"])
@pytest.mark.parametrize("innovation", [False, True])
@torch.no_grad()
def test_recurrent_equals_its_equations(innovation: bool, output: str) -> None:
    core = ResidualRecurrent(
        SHAPE, GRU(), "periodic", 3, innovation=innovation, output=output, **SMALL
    )
    filled(core)
    absolute = output == "absolute"
    x = fields(4)
    h, p = torch.zeros(3, 3, 6, 5, dtype=torch.float64), x[:, 0]
    for t in range(4):
        e = [(x[:, t] - p) / core.scale] if innovation else []
        a = body(core, torch.cat([x[:, t], h, *e], 1))
        w, u = pointwise(a, core.w), core.u.weight
        z, r = torch.sigmoid(w[:, :6] + F.conv2d(h, u[:6])).chunk(2, 1)
        h = (1 - z) * h + z * torch.tanh(w[:, 6:] + F.conv2d(r * h, u[6:]))
        frame = [x[:, t] / core.scale] if absolute else []
        phi = torch.cat([F.gelu(pointwise(a, core.last)), h, *frame, *e], 1)
        p = (0 if absolute else x[:, t]) + core.scale * pointwise(phi, core.readout)
        torch.testing.assert_close(core(x[:, : t + 1])[0][:, t], p, rtol=0, atol=1e-12)


@pytest.mark.parametrize("frames", [1, 2, 4])
@torch.no_grad()
def test_stacked_depends_on_its_frames_only(frames: int) -> None:
    core, x = filled(ResidualStacked(SHAPE, "neumann", frames, **SMALL)), fields(7)
    last = core(x)[0][:, -1]
    only = core(x[:, -frames:])[0][:, -1]
    torch.testing.assert_close(only, last, rtol=0, atol=1e-12)
    assert not torch.allclose(core(x[:, 1 - frames :])[0][:, -1], last) or frames == 1
    assert core.read(x)[0].shape[1] == frames - 1


@torch.no_grad()
def test_stacked_reads_increments_over_their_scale() -> None:
    core, x = filled(ResidualStacked(SHAPE, "periodic", 3, **SMALL)), fields(3)
    steps = [(x[:, k + 1] - x[:, k]) / core.scale for k in (0, 1)]
    a = body(core, torch.cat([x[:, 2], *steps], 1))
    y = x[:, 2] + core.scale * pointwise(F.gelu(pointwise(a, core.last)), core.readout)
    torch.testing.assert_close(core(x)[0][:, 2], y, rtol=0, atol=1e-12)


@torch.no_grad()
def test_an_absolute_output_of_stacked_reads_every_frame() -> None:
    core = ResidualStacked(SHAPE, "periodic", 3, output="absolute", covariates=1, **SMALL)
    filled(core)
    x = fields(3, 3)
    steps = [(x[:, k + 1, :2] - x[:, k, :2]) / core.scale for k in (1, 0)][::-1]
    a = body(core, torch.cat([x[:, 2], *steps], 1))
    phi = torch.cat([F.gelu(pointwise(a, core.last)), x[:, 2, :2] / core.scale, *steps], 1)
    y = core.scale * pointwise(phi, core.readout)
    torch.testing.assert_close(core(x)[0][:, 2, :2], y, rtol=0, atol=1e-12)


@pytest.mark.parametrize("covariates", [0, 1])
@torch.no_grad()
def test_an_untrained_absolute_output_is_persistence(covariates: int) -> None:
    options = {"output": "absolute", "covariates": covariates} | SMALL
    x = fields(4, 2 + covariates)
    for core in (
        ResidualStacked(SHAPE, "neumann", 3, **options),
        ResidualRecurrent(SHAPE, GRU(), "neumann", 3, **options),
    ):
        core.scale.copy_(torch.tensor([0.5, 2.0]).reshape(2, 1, 1))
        torch.testing.assert_close(core.double()(x)[0], x, rtol=0, atol=1e-12)


@pytest.mark.parametrize("output", ["increment", "absolute"])
@pytest.mark.parametrize("cell", [GRU(), LSTM()])
@torch.no_grad()
def test_an_untrained_innovation_keeps_its_prediction(cell: Cell, output: str) -> None:
    options = {"innovation": True, "output": output} | SMALL
    core = ResidualRecurrent(SHAPE, cell, "neumann", 3, **options).double()
    x = fields(4)
    y = core(x)[0]
    torch.testing.assert_close(y, x[:, :1].expand_as(y), rtol=0, atol=1e-12)


@pytest.mark.parametrize("covariates", [0, 1])
@torch.no_grad()
def test_pieces_and_rollouts_of_an_innovation(covariates: int) -> None:
    """The laws of the default, with this option; in a free rollout the innovation is zero."""
    core = ResidualRecurrent(
        SHAPE, LSTM(), "neumann", 3, innovation=True, covariates=covariates, **SMALL
    )
    filled(core)
    x = fields(5, 2 + covariates)
    whole, end = rollout(core, x, 6)
    first, state = rollout(core, x[:, :2], 1)
    second, state = rollout(core, x[:, 2:], 3, state)
    third, state = rollout(core, second[:, -1:], 3, state)
    torch.testing.assert_close(torch.cat([first, second, third], 1), whole, rtol=0, atol=1e-11)
    torch.testing.assert_close(state, end, rtol=0, atol=1e-11)
    phi, _ = core.features(third[:, -1:], state)
    assert phi[:, :, -2:].abs().max() < 1e-12


def test_reading_without_predictions_gives_the_same_state() -> None:
    for core in (ResidualStacked(SHAPE, "neumann", 3), ResidualRecurrent(SHAPE, GRU(), "neumann")):
        x = fields(5).float()
        torch.testing.assert_close(core.read(x), core.features(x)[1])


@pytest.mark.parametrize("cell", [GRU(), LSTM()])
def test_time_scales_spread_from_the_shortest_to_the_longest(cell: Cell) -> None:
    """A gate of 1 / n (of an LSTM 1 - 1 / n, kept) forgets over n frames."""
    core = ResidualRecurrent(SHAPE, cell, "neumann", 8, time_scale=[1.5, 21.0], **SMALL)
    share = torch.sigmoid(core.w.bias[:8].detach())
    frames = 1 / (share if isinstance(cell, GRU) else 1 - share)
    torch.testing.assert_close(frames[[0, -1]], torch.tensor([1.5, 21.0]))
    torch.testing.assert_close(
        torch.log(frames - 1).diff().std(), torch.tensor(0.0), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"output": "sum"}, 'output="sum" is unknown'),
        ({"frames": 0}, "frames=0"),
        ({"width": 0}, "width=0"),
        ({"depth": -1}, "depth=-1"),
        ({"kernel": 4}, "kernel=4 must be odd"),
        ({"kernel": 13}, "kernel=13 is wider"),
        ({"boundary": None}, "needs a boundary"),
    ],
)
def test_wrong_sizes_raise(wrong: dict[str, object], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        ResidualStacked(SHAPE, **({"boundary": "neumann"} | wrong))  # type: ignore[arg-type]
