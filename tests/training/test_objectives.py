"""The note's two losses, literally; and what is teacher-forced and what runs free."""

import numpy as np
import pytest
import torch
from support import FEW, SMALL, Command

from sirve.cores import GRU, Core, Recurrent, ResidualStacked
from sirve.cores.lift import images
from sirve.training.objectives.squared_error import SquaredError, turned

pytestmark = pytest.mark.usefixtures("blank_reports_in_module")


def core_and_window(length: int) -> tuple[Core, torch.Tensor]:
    torch.manual_seed(0)
    core = Recurrent((3,), GRU(), hidden=4).double()
    with torch.no_grad():
        for parameter in core.parameters():
            parameter.normal_(std=0.5)
        core.scale.copy_(torch.tensor([0.5, 1.0, 2.0]))
    return core, torch.randn(5, length, 3, dtype=torch.float64)


@torch.no_grad()
def predictions(core: Core, window: torch.Tensor, context: int, horizon: int) -> np.ndarray:
    """Step by step: states of the window inside the context, then the core's own output."""
    state, out = None, []
    for k in range(context + horizon - 1):
        x = window[:, k : k + 1] if k < context else out[-1]
        y, state = core(x, state)
        out.append(y)
    return torch.cat(out, 1).numpy()


@pytest.mark.parametrize(("context", "horizon"), [(1, 1), (6, 1), (1, 6), (4, 3)])
def test_both_losses_are_the_notes(context: int, horizon: int) -> None:
    core, window = core_and_window(context + horizon)
    y = predictions(core, window, context, horizon)
    x = window[:, 1:].numpy()
    terms = ((x - y) / core.scale.numpy()) ** 2
    total = SquaredError(context, horizon, reduction="sum")(core, window).item()
    assert total == pytest.approx(np.mean([terms[i].sum() for i in range(5)]))  # sum over t
    mean = SquaredError(context, horizon, reduction="mean")(core, window).item()
    assert mean == pytest.approx(total / terms[0].size)  # (1/N) of it


def test_free_steps_send_their_gradient_back_through_the_forecast() -> None:
    core, window = core_and_window(5)
    window.requires_grad_()
    SquaredError(2, 3)(core, window).backward()
    forced = window.grad.clone() if window.grad is not None else torch.zeros(1)
    assert forced[:, 0].abs().sum() > 0
    window.grad = None
    # the last state is only a target, whatever the horizon; the third is not read at all
    loss = SquaredError(2, 3)(core, window)
    y = window[:, 2].detach()
    (gradient,) = torch.autograd.grad(loss, window)
    assert y.shape == gradient[:, 2].shape
    size = gradient[:, 2] * core.scale**2  # 2 (x - y) / N and nothing else, so linear in x
    moved = window.detach().clone()
    moved[:, 2] += 1
    moved.requires_grad_()
    (other,) = torch.autograd.grad(SquaredError(2, 3)(core, moved), moved)
    torch.testing.assert_close(
        other[:, 2] * core.scale**2 - size, torch.full((5, 3), 2 / 60, dtype=torch.float64)
    )


def test_noise_is_on_what_is_read_and_never_on_targets() -> None:
    core, window = core_and_window(5)
    quiet = SquaredError(4, 1)(core, window)
    assert torch.equal(SquaredError(4, 1, noise=0.5)(core, window, torch.zeros_like), quiet)
    shifted = window.clone()
    shifted[:, :4] += 0.5
    y = predictions(core, shifted, 4, 1)
    terms = ((window[:, 1:].numpy() - y) / core.scale.numpy()) ** 2
    noisy = SquaredError(4, 1, noise=0.5)(core, window, torch.ones_like)
    assert noisy.item() == pytest.approx(terms.mean())


def test_warmup_is_read_without_a_loss_or_a_gradient() -> None:
    core, window = core_and_window(9)
    y = predictions(core, window, 6, 3)[:, 4:]
    terms = ((window[:, 5:].numpy() - y) / core.scale.numpy()) ** 2
    objective = SquaredError(2, 3, warmup=4)
    assert objective.length == 9
    window.requires_grad_()
    loss = objective(core, window)
    assert loss.item() == pytest.approx(terms.mean())
    loss.backward()
    assert window.grad is not None
    assert not window.grad[:, :4].any()
    assert window.grad[:, 4].any()


def test_warmup_costs_no_gradient_in_mixed_precision() -> None:
    """Weights that autocast has cast where nothing is recorded must be cast again."""
    core, window = core_and_window(5)
    with torch.autocast("cpu", torch.bfloat16):
        SquaredError(1, 1, warmup=3)(core.float(), window.float()).backward()
    assert all(p.grad is not None and p.grad.any() for p in core.parameters())


def test_each_window_is_turned_as_a_whole() -> None:
    x = torch.randn(8, 3, 2, 4, 4)
    draws = torch.tensor([[a, b, c] for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)])
    for one, image, (a, b, c) in zip(x, turned(x, draws), draws.tolist(), strict=True):
        expected = np.flip(one.numpy(), [2] * (a > 0) + [3] * (b > 0))
        assert np.array_equal(image, expected.swapaxes(2, 3) if c > 0 else expected)
    assert turned(torch.randn(8, 3, 2, 4, 5), draws).shape == (8, 3, 2, 4, 5)
    line = torch.randn(8, 3, 2, 7)
    assert torch.equal(turned(line, draws)[7], line[7].flip(-1))
    vector = torch.randn(8, 3, 2)
    assert torch.equal(turned(vector, draws), vector)


def test_an_isotropic_core_has_the_same_loss_under_every_symmetry() -> None:
    core = ResidualStacked((1, 5, 5), "neumann", 2, 4, 2).double()
    with torch.no_grad():
        for parameter in core.parameters():
            parameter.normal_(std=0.5)
        for lift in core.body.lifts:
            lift.weight.copy_(torch.stack(images(lift.weight, 2)).mean(0))
    window = torch.randn(6, 5, 1, 5, 5, dtype=torch.float64)
    plain = SquaredError(3, 2)(core, window)
    turning = SquaredError(3, 2, symmetry=True)
    torch.testing.assert_close(turning(core, window), plain)
    with torch.no_grad():
        core.body.lifts[0].weight[0, 0, 0, 1] += 1
    assert not torch.allclose(turning(core, window), SquaredError(3, 2)(core, window))


@pytest.mark.parametrize("one_step", [0.0, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("curriculum", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("horizon", [1, 4, 8])
def test_the_horizon_grows_after_the_one_step_share(
    one_step: float, curriculum: float, horizon: int
) -> None:
    objective = SquaredError(1, horizon, one_step=one_step, horizon_curriculum=curriculum)
    passed = np.arange(800) / 800
    found = np.array([objective.free_steps(share) for share in passed])
    assert np.all(found[passed < one_step] == 1)
    assert np.all(np.diff(found) >= 0)
    growing = (passed >= one_step) & (passed < curriculum)
    counts = np.bincount(found[growing], minlength=horizon + 1)[1:]
    assert np.ptp(counts) <= 2  # each length as often as the others
    assert np.all(found[(passed >= one_step) & ~growing] == horizon)


@pytest.mark.parametrize(
    "wrong",
    [
        {"context": 0},
        {"horizon": 0},
        {"reduction": "max"},
        {"noise": -1.0},
        {"warmup": -1},
        {"one_step": 1.5},
        {"horizon_curriculum": -0.1},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SquaredError(**wrong)  # type: ignore[arg-type]


def test_patience_stops_early_by_rollouts(command: Command) -> None:
    """At a rate of nothing no validation is better than the first: two more, and it stops."""
    arguments = ["trainer.patience=2", "optimizer.lr=1e-30", "optimizer=adamw", "logger=none"]
    done = command(
        *arguments, *SMALL["lorenz"], *FEW, "trainer.updates=40", "trainer.validations=10"
    )
    assert done.returncode == 0, done.stderr
    assert "12/40" in done.stdout
