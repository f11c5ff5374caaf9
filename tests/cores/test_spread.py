"""Generative cores: density by the chain rule, samples, and learned standard deviations."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal, norm
from support import VECTORS, members, model_node

from sirve.cores import GRU, Core, Linear, Recurrent
from sirve.cores.spread import SPREADS, Constant, Learned, set_spread, spread_kind
from sirve.errors import UserError
from sirve.forecasting import sampling
from sirve.forecasting.rollout import rollout
from sirve.forecasting.sampling import futures, normals, sample
from sirve.io.instantiate import build
from sirve.training.fits import Gradient, Ridge
from sirve.training.objectives.log_likelihood import LogLikelihood

A, S = 0.8, 0.3  # x_{t+1} = A x_t + S normal


def autoregressive() -> Core:
    """Make the core of a first-order autoregressive process in one normalised channel."""
    core = Linear((1,)).double()
    core.scale.fill_(0.5)
    with torch.no_grad():
        core.readout.weight.fill_((A - 1) / 0.5)  # type: ignore[operator, union-attr]
    set_spread(core, "constant")
    assert isinstance(core.spread, Constant)
    core.spread.assign(torch.tensor([S / 0.5]))
    return core


def with_spread(model: str, kind: str, covariates: int = 0) -> tuple[Core, torch.Tensor]:
    """Make a small core with random weights in float64, and a sequence for it."""
    node = model_node(model)
    node |= {key: 4 for key in ("hidden",) if key in node}
    shape = (2,) if model in VECTORS else (2, 6, 5)
    core = build(
        node, Core, place="model", shape=shape, boundary="periodic", covariates=covariates
    ).double()
    set_spread(core, kind)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in core.parameters():
            parameter.copy_(0.1 * torch.randn(parameter.shape, generator=generator))
    size = (3, 8, 2 + covariates, *shape[1:])
    return core, torch.randn(size, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("kind", SPREADS)
@pytest.mark.parametrize("model", members("model"))
@torch.no_grad()
def test_a_distribution_obeys_the_laws_of_cores(model: str, kind: str) -> None:
    """Its mean is that of the core; pieces equal the whole; causal; independent in the batch."""
    core, x = with_spread(model, kind)
    assert spread_kind(core) == kind
    y, log_std, _ = core.distribution(x)
    assert torch.equal(y, core(x)[0])
    assert log_std.shape == x.shape
    state, parts = None, []
    for piece in x.split([1, 3, 4], dim=1):
        _, part, state = core.distribution(piece, state)
        parts.append(part)
    torch.testing.assert_close(torch.cat(parts, 1), log_std, rtol=0, atol=1e-12)
    changed = x.clone()
    changed[:, 5:] += 1
    after = core.distribution(changed)[1]
    torch.testing.assert_close(after[:, :5], log_std[:, :5], rtol=0, atol=1e-12)
    alone = torch.cat([core.distribution(one[None])[1] for one in x])
    torch.testing.assert_close(alone, log_std, rtol=0, atol=1e-12)


@pytest.mark.parametrize("model", ["gru", "convlstm", "linear"])
def test_mean_and_standard_deviation_learn_by_likelihood(model: str) -> None:
    core, x = with_spread(model, "learned")
    LogLikelihood(context=7, horizon=1)(core, x).backward()
    for name, parameter in core.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


@torch.no_grad()
def test_the_chain_rule_gives_the_joint_density_of_a_trajectory() -> None:
    """log p(x_2 ... x_T | x_1) of an autoregressive process is a multivariate Gaussian's."""
    x = np.random.default_rng(0).normal(size=(4, 6, 1))
    window = torch.as_tensor(x)
    lags = np.arange(1, 6)
    shared = np.minimum(lags[:, None], lags)  # Cov(x_i, x_j), from a given first state
    power = np.abs(lags[:, None] - lags)
    covariance = S**2 * A**power * (1 - A ** (2 * shared)) / (1 - A**2)
    expected = [multivariate_normal.logpdf(w[1:, 0], w[0] * A**lags, covariance) for w in x]
    total = LogLikelihood(context=5, horizon=1, reduction="sum")(autoregressive(), window)
    assert total.item() == pytest.approx(-np.mean(expected))
    mean = LogLikelihood(context=2, horizon=4)(autoregressive(), window)
    assert mean.item() == pytest.approx(-np.mean(expected) / 5)


def test_loss_is_least_at_the_standard_deviation_of_the_residuals() -> None:
    core = Recurrent((3,), GRU(), hidden=4).double()
    core.scale.copy_(torch.tensor([0.5, 1.0, 2.0]))
    set_spread(core, "learned")
    assert isinstance(core.spread, Learned)
    window = torch.randn(50, 9, 3, dtype=torch.float64)
    residual = (window[:, 1:] - core(window[:, :-1])[0]) / core.scale
    bias = core.spread.readout.bias
    with torch.no_grad():
        bias.copy_((residual**2).mean((0, 1)).sqrt().log())  # type: ignore[operator, union-attr]
    LogLikelihood(context=8)(core, window).backward()
    assert bias.grad.abs().max() < 1e-12  # type: ignore[union-attr]
    sigma = residual.detach().numpy() * core.scale.numpy()
    expected = norm.logpdf(sigma, scale=(core.scale * bias.exp()).detach().numpy()).mean()  # type: ignore[operator]
    assert LogLikelihood(context=8)(core, window).item() == pytest.approx(-expected)


def test_noise_is_added_to_inputs_and_not_to_targets() -> None:
    core, x = autoregressive(), torch.randn(3, 5, 1, dtype=torch.float64)
    quiet = LogLikelihood(4, 1)(core, x)
    assert torch.equal(LogLikelihood(4, 1, noise=0.5)(core, x, torch.zeros_like), quiet)
    noisy = LogLikelihood(4, 1, noise=0.5)(core, x, torch.ones_like)
    z = (x[:, 1:] - A * (x[:, :-1] + 0.5)) / S
    assert noisy.item() == pytest.approx(-norm.logpdf(z.numpy()).mean() + np.log(S))


@pytest.mark.parametrize("covariates", [0, 1])
@pytest.mark.parametrize("model", ["gru", "convlstm", "linear"])
@torch.no_grad()
def test_without_noise_a_sample_equals_the_rollout(model: str, covariates: int) -> None:
    core, x = with_spread(model, "learned", covariates)
    found = sample(core, x, 5, lambda: torch.zeros(3, 1, 2, 6, 5, dtype=torch.float64))
    expected = core.predicted(rollout(core, x, 5)[0][:, -5:])
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@torch.no_grad()
def test_samples_have_the_moments_of_the_process() -> None:
    """Mean A^k x and variance S^2 (1 - A^2k) / (1 - A^2) of an autoregressive process."""
    context = torch.tensor([2.0, -1.0], dtype=torch.float64).repeat(5000).reshape(-1, 1, 1)
    found = futures(autoregressive(), context, 8, 4, seed=0).numpy()
    assert found.shape == (4, 10_000, 8, 1)
    x, k = found.reshape(20_000, 2, 8), np.arange(1, 9)
    np.testing.assert_allclose(x.mean(0), np.outer([2, -1], A**k), atol=0.015)
    variance = S**2 * (1 - A ** (2 * k)) / (1 - A**2)
    np.testing.assert_allclose(x.var(0), np.stack([variance] * 2), rtol=0.04)
    assert abs(np.corrcoef(x[:, 0, 0], x[:, 1, 0])[0, 1]) < 0.03


@torch.no_grad()
def test_a_member_depends_on_seed_and_number_only(monkeypatch: pytest.MonkeyPatch) -> None:
    core, context = autoregressive(), torch.ones(2, 3, 1, dtype=torch.float64)
    five = futures(core, context, 4, 5, seed=7)
    assert torch.equal(futures(core, context, 4, 3, seed=7), five[:3])
    assert not torch.equal(futures(core, context, 4, 3, seed=8), five[:3])
    monkeypatch.setattr(sampling, "ROOM", 2 * 256 * 2)  # two members at once
    torch.testing.assert_close(futures(core, context, 4, 5, seed=7), five, rtol=0, atol=1e-14)
    single = normals(7, [1], torch.Size((2, 1, 1)), torch.ones(1))()
    double = normals(7, [0, 1], torch.Size((2, 1, 1)), torch.ones(1).double())()
    assert torch.equal(single, double[2:].float())


def test_the_standard_deviation_has_a_lower_bound() -> None:
    core, x = with_spread("gru", "learned")
    with torch.no_grad():
        core.spread.readout.bias.fill_(-1e3)  # type: ignore[operator, union-attr]
    assert torch.isfinite(LogLikelihood(context=7)(core, x))


def test_a_core_without_gradients_cannot_learn_a_likelihood() -> None:
    from sirve.pipeline import checks

    with pytest.raises(UserError, match="needs fit=gradient, but this model is fitted by ridge"):
        checks.spread(LogLikelihood(), Ridge())
    checks.spread(LogLikelihood(), Gradient())
