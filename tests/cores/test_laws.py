"""Laws of cores and rollouts, tested for every model in conf/, also for a new one."""

import warnings

import pytest
import torch
from support import VECTORS, configure, members, model_node, on_frames

from sirve.cores import Core, Persistence, Polynomial
from sirve.errors import UserError
from sirve.forecasting.rollout import rollout
from sirve.io.instantiate import build

SHAPES = {
    "vector": ((3,), None),
    "line": ((2, 9), "periodic"),
    "neumann": ((2, 6, 5), "neumann"),
    "dirichlet": ((1, 6, 5), "dirichlet"),
    "periodic": ((1, 6, 5), "periodic"),
}
COPYING = ("analogue", "parrot")
STATISTICS = ("mean_state", "analogue")  # all that is fitted of them
CASES = [(model, space) for model in members("model") for space in SHAPES]


def make(model: str, space: str, layers: int = 1, covariates: int = 0) -> Core:
    """Make a small core in float64 whose parameters are all random, also those of the readout."""
    shape, boundary = SHAPES[space]
    node = model_node(model)
    small = {"hidden": 4, "layers": layers, "width": 4, "depth": 2, "latent": 4}
    node |= {key: value for key, value in small.items() if key in node}
    with warnings.catch_warnings():
        try:
            core = build(
                node, Core, place="model", shape=shape, boundary=boundary, covariates=covariates
            ).double()
        except UserError as error:
            assert on_frames(model) if space == "vector" else model in VECTORS
            pytest.skip(str(error))
    generator = torch.Generator().manual_seed(1)
    size = 0.005 if isinstance(core, Polynomial) else 0.5  # larger ones overflow in seven steps
    with torch.no_grad():
        for parameter in core.parameters():
            parameter.copy_(size * torch.randn(parameter.shape, generator=generator))
        core.scale.copy_(torch.rand(core.scale.shape, generator=generator) + 0.5)
    if model in STATISTICS:
        seen = torch.randn(6, 7, shape[0] + covariates, *shape[1:], generator=generator)
        core.fit_statistics([seen[:2].double(), seen[2:].double()])
    return core


def sequence(space: str, batch: int = 3, length: int = 8, covariates: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    channels, *cells = SHAPES[space][0]
    shape = (batch, length, channels + covariates, *cells)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(("model", "space"), CASES)
@torch.no_grad()
def test_covariates_are_read_and_repeated(model: str, space: str) -> None:
    core, x = make(model, space, covariates=2), sequence(space, covariates=2)
    own = SHAPES[space][0][0]
    y, _ = rollout(core, x, 3)
    assert y.shape[2] == own + 2
    assert torch.equal(y[:, : x.shape[1], own:], x[:, :, own:])
    assert torch.equal(y[:, -1, own:], x[:, -1, own:])
    changed = x.clone()
    changed[:, :, own:] += 1.0
    ignores = ("persistence", "climatology", "mean_state", "context_mean", *COPYING)
    given, without = core.predicted(core(changed)[0]), core.predicted(core(x)[0])
    assert torch.equal(given, without) == (model in ignores)


@pytest.mark.parametrize(("model", "space"), CASES)
@torch.no_grad()
def test_a_core_reads_the_shapes_that_it_accepts(model: str, space: str) -> None:
    """Fields of another size if it reads neighbours only, but never other channels."""
    core, (shape, _) = make(model, space), SHAPES[space]
    assert core.accepts_shape(shape)
    assert not core.accepts_shape((shape[0] + 1, *shape[1:]))
    if len(shape) > 1:
        larger = (shape[0], *(2 * n for n in shape[1:]))
        x = torch.zeros(1, 2, *larger, dtype=torch.float64)
        if core.accepts_shape(larger):
            assert core(x)[0].shape == x.shape
        else:
            with pytest.raises(RuntimeError):
                core(x)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize(("model", "space"), CASES)
@torch.no_grad()
def test_pieces_with_the_state_passed_on_equal_the_whole(
    model: str, space: str, layers: int
) -> None:
    core, x = make(model, space, layers), sequence(space)
    whole, end = core(x)
    state, parts = None, []
    for piece in x.split([1, 3, 4], dim=1):
        y, state = core(piece, state)
        parts.append(y)
    torch.testing.assert_close(torch.cat(parts, 1), whole, rtol=0, atol=1e-12)
    torch.testing.assert_close(state, end, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("model", "space"), CASES)
@torch.no_grad()
def test_causal(model: str, space: str) -> None:
    core, x = make(model, space), sequence(space)
    changed = x.clone()
    changed[:, 5:] += 1
    before, after = core(x)[0], core(changed)[0]
    assert torch.equal(before[:, :5], after[:, :5])
    if model not in ("climatology", "mean_state", *COPYING):  # a copy may stay the same
        assert not torch.equal(before[:, 5], after[:, 5])


@pytest.mark.parametrize(("model", "space"), CASES)
@torch.no_grad()
def test_batch_members_are_independent(model: str, space: str) -> None:
    core, x = make(model, space), sequence(space)
    alone = torch.cat([core(member[None])[0] for member in x])
    torch.testing.assert_close(core(x)[0], alone, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(("model", "space"), CASES)
def test_prediction_is_base_plus_scaled_readout(model: str, space: str) -> None:
    core, x = make(model, space), sequence(space)
    phi, _ = core.features(x)
    assert phi.shape[:2] == x.shape[:2]
    increment = core.readout(phi.flatten(0, 1)).reshape(x.shape)
    base = x if core.residual else torch.zeros_like(x)
    assert torch.equal(core(x)[0], base + core.scale * increment)


@pytest.mark.parametrize(("model", "space"), CASES)
def test_every_parameter_has_a_gradient(model: str, space: str) -> None:
    core, x = make(model, space), sequence(space)
    (y, _) = rollout(core, x, 2)
    if not list(core.parameters()):
        pytest.skip("nothing to learn")
    (y**2).sum().backward()
    for name, parameter in core.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize(("model", "space"), CASES)
@torch.no_grad()
def test_rollout_of_one_step_equals_the_core(model: str, space: str) -> None:
    core, x = make(model, space), sequence(space)
    assert torch.equal(rollout(core, x, 1)[0], core(x)[0])


@pytest.mark.parametrize(("model", "space"), CASES)
@torch.no_grad()
def test_rollout_of_n_then_m_equals_n_plus_m(model: str, space: str) -> None:
    core, x = make(model, space), sequence(space)
    whole, _ = rollout(core, x, 7)
    first, state = rollout(core, x, 3)
    second, _ = rollout(core, first[:, -1:], 4, state)
    torch.testing.assert_close(torch.cat([first, second], 1), whole, rtol=1e-12, atol=1e-12)


FILMS = ("film_gru", "film_lstm", "film_rnn", "film_stacked")
WHOLE = ("climatology", "mean_state", "context_mean", "dmd", *COPYING, *FILMS)  # no residual


@pytest.mark.parametrize("model", [m for m in members("model") if m not in WHOLE])
@torch.no_grad()
def test_untrained_residual_core_is_persistence(model: str) -> None:
    space = "vector" if model in VECTORS else "neumann"
    shape, boundary = SHAPES[space]
    node = model_node(model)
    core = build(node, Core, place="model", shape=shape, boundary=boundary)
    x = sequence(space).float()
    if core.feedback:  # it goes on from its own prediction
        torch.testing.assert_close(core(x)[0], x[:, :1].expand_as(x))
    else:
        assert torch.equal(core(x)[0], Persistence(shape)(x)[0])


SHIFTED = ["convgru", "convlstm", "linear", "resgru", "stacked", "fno"]


@pytest.mark.parametrize("model", [model for model in SHIFTED if model in members("model")])
@torch.no_grad()
def test_convolutional_cores_commute_with_shifts_of_a_periodic_domain(model: str) -> None:
    core, x = make(model, "periodic"), sequence("periodic")
    shifted = core(x.roll((2, 1), (-2, -1)))[0]
    torch.testing.assert_close(shifted, core(x)[0].roll((2, 1), (-2, -1)), rtol=0, atol=1e-12)


def test_a_vector_core_warns_that_it_flattens_frames(caplog: pytest.LogCaptureFixture) -> None:
    make("gru", "neumann")
    assert "flattened" in caplog.text
    assert "convgru" in caplog.text


@pytest.mark.parametrize(
    ("override", "word"),
    [
        ("model.hidden=0", "hidden=0"),
        ("model.layers=-1", "layers=-1"),
        ("model.cell.reset=never", "before"),
    ],
)
def test_wrong_sizes_raise(override: str, word: str) -> None:
    node = configure("model=gru", override)["model"]
    with pytest.raises(UserError, match=word):
        build(node, Core, place="model", shape=(3,))


def test_an_even_kernel_raises() -> None:
    node = configure("model=convgru", "model.kernel=4")["model"]
    with pytest.raises(UserError, match="kernel=4 must be odd"):
        build(node, Core, place="model", shape=(1, 6, 5), boundary="neumann")
