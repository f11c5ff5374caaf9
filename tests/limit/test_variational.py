"""Fits by gradients: exact where the system is linear, and refused where they cannot be."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from problems import problem

from simulators import Burgers, Distribution, KuramotoSivashinsky
from sirve.data.info import Info
from sirve.data.observe import Channels
from sirve.errors import UserError
from sirve.limit import compute, linear, variational
from sirve.limit.dense import is_linear
from sirve.limit.variational import coarse_step


@dataclass(frozen=True)
class Calm(Burgers):
    """Burgers' equation without its nonlinear term."""

    def nonlinear(self, v: np.ndarray) -> np.ndarray:
        return 0 * v


@dataclass(frozen=True, kw_only=True)
class Third(Channels):
    """Observation of every third point."""

    def clean(self, x: np.ndarray, info: Info) -> np.ndarray:
        return super().clean(x, info)[..., ::3]

    def info(self, info: Info) -> Info:
        found = super().info(info)
        return replace(found, shape=(found.shape[0], found.shape[1] // 3))


CALM = Calm(size=(24,), step=0.01, viscosity=0.1, waves=3)
KS = KuramotoSivashinsky(size=(33,), step=0.1, length=16.0)


@pytest.mark.parametrize("observe", [Channels(), Third()], ids=["whole", "coarse"])
def test_it_is_the_exact_estimate_of_a_linear_system(observe: Any) -> None:
    p = problem(CALM, 0.1, observe=observe)
    assert is_linear(p)
    exact, found = linear.fit(p, 5), variational.fit(p, 5, 0, 0)
    np.testing.assert_allclose(found.states, exact.states, atol=2e-3 * p.std[0])


def test_members_have_the_spread_of_the_posterior() -> None:
    p = problem(CALM, 0.1, starts=2, noise=0.3)
    model = variational.Variational(p, 2)
    states = model.solve(np.arange(2), 100, np.random.default_rng(0))
    dense = linear.Dense(p, 2)
    design = np.stack([dense.prior.columns.reshape(dense.prior.size, -1)])[0]
    sim, time = p.family.sim, p.times(2, 0)
    paths = sim.solve(dense.prior.columns, time).reshape(dense.prior.size, -1) / p.sigma.ravel()
    covariance = design.T @ np.linalg.inv(paths @ paths.T + np.eye(dense.prior.size)) @ design
    found = states[1:].var(0).mean()
    np.testing.assert_allclose(found, np.diag(covariance).mean(), rtol=0.2)


@pytest.mark.slow
def test_more_states_tell_more_of_a_chaotic_field() -> None:
    p = problem(KS, 1.0, noise=0.3, starts=4, observe=Third(), context=6, training=16)
    found = compute(p, [1, 6], members=2)
    assert found.nrmse[0, 0] > 1.5 * found.nrmse[1, 0]
    assert 0.6 < found.chi2[1] < 1.1


def test_the_step_of_a_fit_is_as_long_as_the_noise_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    p = problem(Burgers(size=(24,), step=0.01, waves=3), 0.1, starts=1, training=3)
    steps = []
    for share in (1e3, 1e-12):
        monkeypatch.setattr(variational, "SHARE", share)
        steps.append(coarse_step(p, 4))
    assert steps == [0.08, 0.01]


def test_a_hidden_parameter_is_refused() -> None:
    draws = {"viscosity": Distribution("uniform", (0.05, 0.2))}
    p = problem(Burgers(size=(24,), step=0.01, waves=3), 0.1, draws=draws)
    with pytest.raises(UserError, match="viscosity of this system cannot be fitted with its state"):
        variational.fit(p, 2, 0, 0)
