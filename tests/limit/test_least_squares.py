"""Nonlinear least squares: exact where it must be, and better with more states."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from problems import problem

from simulators import Balls, Diffusion, Distribution, Lorenz, Pendulum, Simulator
from sirve.data.film import Film
from sirve.data.observe import Channels
from sirve.limit import compute, least_squares, linear
from sirve.limit.prior import Prior

FILMED = Pendulum(release=2.5)


def test_it_is_the_exact_estimate_of_a_linear_system(monkeypatch: pytest.MonkeyPatch) -> None:
    p = problem(Diffusion(size=(16,), waves=4, diffusivity=2e-3), 1.0)
    prior = Prior.of(p.near(5), p.info.boundary)
    monkeypatch.setattr(Prior, "of", lambda *_: prior)
    exact, found = linear.fit(p, 5), least_squares.fit(p, 5, 0, 0)
    np.testing.assert_allclose(found.states, exact.states, atol=1e-4 * p.std[0])


CASES: dict[str, tuple[Simulator, float, dict[str, Any]]] = {
    "lorenz": (Lorenz(), 0.02, {"noise": 0.1}),
    "lorenz-x": (Lorenz(), 0.02, {"noise": 0.1, "channels": ["x"]}),
    "pendulum": (FILMED, 0.1, {"noise": 0.2}),
    "balls": (Balls(radii=(0.1, 0.1), masses=(1.0, 1.0)), 0.02, {"noise": 0.2}),
}


@pytest.mark.parametrize("name", CASES)
def test_more_states_tell_more_and_chi2_is_near_one(name: str) -> None:
    sim, dt, options = CASES[name]
    observe = Channels(channels=options.get("channels"))
    p = problem(sim, dt, noise=options["noise"], context=12, steps=2, starts=8, observe=observe)
    found = compute(p, [1, 12], members=0)
    errors = [np.median(e[:, 0]) for e in found.error]
    assert errors[1] < 0.8 * errors[0]
    if name == "balls":
        return  # a collision changes the future abruptly, and a fit may stay on its wrong side
    seen = p.seen.size
    free = seen - len(p.seen) * sim.dimension
    assert abs(found.chi2[1] * seen - free) < 4 * np.sqrt(2 * free)


def test_a_film_is_fitted_by_its_camera() -> None:
    film = Film(size=12).of(FILMED.scene)
    p = problem(FILMED, 0.1, noise=0.3, context=8, starts=6, observe=film)
    found = compute(p, [2, 8], members=0)
    first = [np.median(e[:, 0]) for e in found.error]
    assert first[1] < 0.7 * first[0] and first[1] < 0.1
    assert 0.9 < found.chi2[1] < 1.1


def test_a_hidden_parameter_is_fitted_with_the_state() -> None:
    draws = {"rho": Distribution("uniform", (26.0, 30.0))}
    p = problem(Lorenz(), 0.02, noise=1e-2, context=16, starts=2, draws=draws)
    told = replace(p.observe, parameters=["rho"])
    same = problem(Lorenz(), 0.02, context=16, starts=2, training=2, draws=draws, observe=told)
    found = least_squares.fit(p, 16, 0, 0)
    assert np.abs(found.hidden["rho"][found.best] - same.parameters["rho"]).max() < 0.5
