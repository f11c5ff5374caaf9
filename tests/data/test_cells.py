"""The coarse view and the moving bar: means, shifts, what is hidden, and how learning treats it."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support import recipe

from simulators import Burgers, Heat, Lorenz
from sirve.cores import Climatology, Linear
from sirve.data.cells import behind_bar, coarse
from sirve.data.gather import gather
from sirve.data.moments import Moments
from sirve.data.observe import Channels
from sirve.data.simulated.generate import generate
from sirve.data.simulated.recipe import describe
from sirve.errors import UserError
from sirve.training.least_squares import IncrementalQR, solve_readout
from sirve.training.objectives.log_likelihood import LogLikelihood
from sirve.training.objectives.squared_error import SquaredError

LINE = describe("burgers", recipe(Burgers()).families["train"], 0.05)
FRAME = describe("heat", recipe(Heat()).families["train"], 1.0)
VECTOR = describe("lorenz", recipe(Lorenz()).families["train"], 0.02)
RNG = np.random.default_rng(0)
X = {1: RNG.normal(size=(2, 3, 1, 128)), 2: RNG.normal(size=(2, 3, 1, 32, 32))}
STD = np.ones(1)

each_size = pytest.mark.parametrize(("dims", "info"), [(1, LINE), (2, FRAME)])
each_way = pytest.mark.parametrize("by", ["mean", "subsample"])


@each_size
@each_way
@pytest.mark.parametrize("cells", [2, 4, 8])
def test_a_coarse_view_is_described_as_it_is_seen(
    dims: int, info: object, by: str, cells: int
) -> None:
    observe = Channels(coarsen=cells, coarsen_by=by)
    seen = observe.info(info)  # type: ignore[arg-type]
    found = observe.clean(X[dims], info)  # type: ignore[arg-type]
    assert found.shape[2:] == seen.shape
    assert seen.boundary == info.boundary  # type: ignore[attr-defined]
    assert found.dtype == X[dims].dtype
    float32 = observe.clean(X[dims].astype(np.float32), info)  # type: ignore[arg-type]
    assert float32.dtype == np.float32
    np.testing.assert_allclose(float32, found, atol=1e-6)


@pytest.mark.parametrize("dims", [1, 2])
@each_way
def test_coarse_by_two_twice_is_coarse_by_four(dims: int, by: str) -> None:
    twice, once = coarse(coarse(X[dims], 2, by), 2, by), coarse(X[dims], 4, by)
    np.testing.assert_allclose(twice, once, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("dims", [1, 2])
@each_way
def test_a_shift_by_a_coarse_cell_is_a_shift_of_the_coarse_field(dims: int, by: str) -> None:
    shifted = coarse(np.roll(X[dims], 4, -1), 4, by)
    np.testing.assert_allclose(shifted, np.roll(coarse(X[dims], 4, by), 1, -1), atol=1e-15)


def test_means_keep_the_mean_and_subsamples_are_values_of_the_field() -> None:
    means, picks = coarse(X[2], 4, "mean"), coarse(X[2], 4, "subsample")
    np.testing.assert_allclose(means.mean((-2, -1)), X[2].mean((-2, -1)), atol=1e-15)
    np.testing.assert_array_equal(picks[..., 1, 2], X[2][..., 4, 8])


def test_noise_is_in_standard_deviations_of_the_coarse_field() -> None:
    observe, x = Channels(coarsen=8, noise=0.5), np.tile(X[1], (40, 4, 1, 1))
    clean, moments = observe.clean(x, LINE), Moments()
    moments.add(clean)
    noise = observe.noisy(clean, moments.std, "train", 0) - clean
    assert noise.std() == pytest.approx(0.5 * clean.std(), rel=0.03)


@settings(derandomize=True, database=None, deadline=None, max_examples=50)
@given(
    share=st.floats(0.01, 0.9),
    width=st.integers(8, 64),
    speed=st.integers(1, 9),
    row=st.integers(0),
)
def test_a_bar_hides_its_share_and_moves(share: float, width: int, speed: int, row: int) -> None:
    first = row % width + speed * np.arange(50)
    hidden = behind_bar(first, share, width)
    assert set(hidden.sum(-1)) == {max(1, round(share * width))}
    np.testing.assert_array_equal(hidden[1:], np.roll(hidden[:-1], speed, axis=1))


@each_size
def test_the_bar_hides_and_nothing_else_changes(dims: int, info: object) -> None:
    """Hidden cells are those of one bar in each row of cells; a part of a film is that part."""
    bare, observe = Channels(noise=0.2), Channels(noise=0.2, bar=0.25, bar_speed=3)
    x = X[dims]
    seen, whole = (o.noisy(x, STD, "test", 0) for o in (observe, bare))
    hidden = np.isnan(seen)
    np.testing.assert_array_equal(seen[~hidden], whole[~hidden])
    assert hidden.mean() == 0.25
    assert (hidden == hidden[..., :1, :]).all() if dims == 2 else True
    rows, starts = np.array([1]), np.array([1])
    part = observe.seen(x[1:, 1:], STD, rows, starts, 3, "test", 0)
    np.testing.assert_array_equal(part, seen[1:, 1:])
    assert not np.array_equal(np.isnan(observe.noisy(x, STD, "test", 1)), hidden)
    np.testing.assert_array_equal(observe.clean(x, info), x)  # type: ignore[arg-type]


@pytest.mark.parametrize("states", [1, 2, 5, 9, 20])
@pytest.mark.parametrize("bar", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("speed", [1, 4, 13])
def test_a_bar_is_refused_exactly_where_a_cell_is_never_seen(
    states: int, bar: float, speed: int
) -> None:
    observe = Channels(bar=bar, bar_speed=speed)
    seen = observe.noisy(np.zeros((1, states, 1, 128)), STD, "test", 0)
    if np.isnan(seen).all(1).any():
        with pytest.raises(UserError, match=rf"bar={bar} hides a cell in all {states} states"):
            observe.require_opens(states, LINE, lambda _: None)
    else:
        observe.require_opens(states, LINE, lambda _: None)


def windows(hidden: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Windows of an autoregression on a line, and which cells are hidden."""
    rng = np.random.default_rng(3)
    x = np.zeros((8, 20, 1, 16))
    for t in range(1, 20):
        x[:, t] = 0.8 * x[:, t - 1] + rng.normal(size=(8, 1, 16))
    observe = Channels(bar=0.25 if hidden else 0.0, bar_speed=2)
    x = observe.noisy(x, STD, "train", 0)
    return torch.as_tensor(x), torch.as_tensor(np.isnan(x))


def test_hidden_cells_have_no_loss() -> None:
    """Whatever they are, the loss and its gradient are those of the seen cells."""
    whole, hidden = windows(False)[0], windows(True)[1]
    core = Linear((1, 16), "periodic").double()
    torch.nn.init.normal_(next(core.parameters()), std=0.1, generator=torch.manual_seed(0))
    objective = SquaredError(context=12, horizon=8)
    core.zero_grad()
    x = whole.masked_fill(hidden, float("nan"))
    loss = objective(core, x)
    loss.backward()
    y, _ = core(torch.where(hidden, 0.0, whole)[:, :12])
    future, _ = core.roll(y[:, -1:], None, 7)
    apart = (torch.cat([y, future], 1) - whole[:, 1:]).masked_fill(hidden[:, 1:], 0.0)
    expected = float(apart.detach().square().mean())
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-12)
    assert all(bool(p.grad.isfinite().all()) for p in core.parameters() if p.grad is not None)


def test_hidden_cells_have_no_likelihood() -> None:
    from sirve.cores.spread import set_spread

    x, _ = windows(True)
    core = Linear((1, 16), "periodic").double()
    set_spread(core, "learned")
    core.double()
    loss = LogLikelihood(context=12, horizon=8)(core, x)
    loss.backward()
    assert bool(loss.detach().isfinite())
    assert all(bool(p.grad.isfinite().all()) for p in core.parameters() if p.grad is not None)


def test_least_squares_leaves_hidden_targets_out() -> None:
    rows = torch.as_tensor(np.random.default_rng(0).normal(size=(50, 4)))
    targets = rows[:, :1] * 2.0 + 0.5 * rows[:, 1:2]
    behind = torch.arange(50) % 3 == 0
    found, expected = IncrementalQR(1), IncrementalQR(1)
    found.add(rows, targets.masked_fill(behind[:, None], float("nan")))
    expected.add(rows[~behind], targets[~behind])
    torch.testing.assert_close(found.solve([0.0]), expected.solve([0.0]))
    core = Linear((1, 16), "periodic", kernel=1)
    solve_readout(core, [windows(True)[0]])
    assert bool(core.readout.weight.isfinite().all())


def test_moments_leave_hidden_cells_out() -> None:
    x, hidden = (a.numpy() for a in windows(True))
    moments = Moments()
    moments.add(x[:3])
    moments.add(x[3:])
    np.testing.assert_allclose(moments.mean, x[~hidden].mean(), atol=1e-14)
    np.testing.assert_allclose(moments.std, x[~hidden].std(), rtol=1e-13)


def test_contexts_read_the_mean_where_hidden_and_the_truth_is_whole(tmp_path: object) -> None:
    counts = dict.fromkeys(("train", "valid", "test"), 2)
    dataset = generate(recipe(Heat(size=(8, 8)), "heat", 1.0), counts, tmp_path)  # type: ignore[arg-type]
    observe = Channels(bar=0.5, bar_speed=3, coarsen=2)
    data = gather(dataset, observe, counts, 0, 2048)
    hidden = np.isnan(observe.noisy(data.clean["test"], data.std, "test", 0))
    assert hidden.any()
    mean = np.float32(data.moments[0].mean[0])
    assert (data.seen["test"][hidden] == mean).all()
    assert np.isfinite(data.clean["test"]).all()
    np.testing.assert_array_equal(data.seen["test"][~hidden], data.clean["test"][~hidden])
    assert Climatology((1, 4, 4)).accepts_shape(data.clean["test"].shape[2:])


def test_what_does_not_fit_a_field_is_refused() -> None:
    for observe, info, words in (
        (
            Channels(coarsen=3),
            LINE,
            r"does not divide 128 cells into 4 or more .*1, 2, 4, 8, 16, 32",
        ),
        (Channels(coarsen=64), LINE, "coarsen=64"),
        (Channels(coarsen=16), FRAME, "32 x 32 cells"),
        (Channels(coarsen=2), VECTOR, "lorenz is a vector; take observe.coarsen=1"),
        (Channels(bar=0.5), VECTOR, "lorenz is a vector; take observe.bar=0"),
    ):
        with pytest.raises(UserError, match=words):
            observe.info(info)
    for name, value in (
        *(("coarsen", 0), ("coarsen", 2.0), ("coarsen_by", "median")),
        *(("bar", 1.0), ("bar", -0.1), ("bar_speed", 0), ("bar_speed", 0.5)),
    ):
        with pytest.raises(ValueError, match=f"{name}="):
            Channels(**{name: value})  # type: ignore[arg-type]
