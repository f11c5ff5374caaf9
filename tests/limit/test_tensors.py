"""The equations on tensors are those of the simulator, and their forecasts have gradients."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import simulators
from simulators.etdrk import Spectral
from sirve.limit.tensors import SpectralTensors, has_tensors

SMALL = {"NavierStokes": {"size": (12, 12)}, "GrayScott": {"size": (12, 12), "length": 0.2}}
SHORTEST = {"GrayScott": {"shortest_wave": True}}
SYSTEMS = [
    kind
    for kind in vars(simulators).values()
    if isinstance(kind, type) and issubclass(kind, Spectral) and has_tensors(kind())  # type: ignore[call-arg]
]


@pytest.mark.parametrize("kind", SYSTEMS, ids=lambda kind: kind.__name__)
def test_tensors_agree_with_the_simulator(kind: type[Spectral]) -> None:
    sim = kind(**SMALL.get(kind.__name__, {}))  # type: ignore[arg-type]
    name = sim.varying[0]
    each = sim.each(**{name: getattr(sim, name) * np.array([1.0, 1.1])})
    for system in (sim, each, replace(sim, **SHORTEST.get(kind.__name__, {}))):
        x = np.stack([sim.initial(np.random.default_rng(i)) for i in range(2)])
        time = np.array([0.0, 10 * sim.step])
        expected = system.trajectories(x, time)[:, 1]
        equations = SpectralTensors(system)
        count, c = equations.steps(time[1])
        found = equations.field(equations.march(equations.modes(torch.as_tensor(x)), count, c))
        assert count == 10
        np.testing.assert_allclose(found.numpy(), expected, atol=1e-13 * np.abs(expected).max())


@pytest.mark.parametrize("kind", SYSTEMS, ids=lambda kind: kind.__name__)
def test_gradients_are_those_of_small_changes(kind: type[Spectral]) -> None:
    sim = kind(**SMALL.get(kind.__name__, {}))  # type: ignore[arg-type]
    equations = SpectralTensors(sim)
    count, c = equations.steps(3 * sim.step)
    x = torch.as_tensor(sim.initial(np.random.default_rng(0))[None]).requires_grad_(True)
    weight = torch.as_tensor(np.random.default_rng(1).normal(size=x.shape))

    def value(x: torch.Tensor) -> torch.Tensor:
        return (weight * equations.field(equations.march(equations.modes(x), count, c))).sum()

    (slope,) = torch.autograd.grad(value(x), x)
    way = equations.field(equations.modes(torch.as_tensor(sim.initial(np.random.default_rng(2)))))
    with torch.no_grad():
        change = (value(x + 1e-5 * way) - value(x - 1e-5 * way)) / 2e-5
    np.testing.assert_allclose(float((slope * way).sum()), float(change), rtol=1e-6)
