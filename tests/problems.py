"""Problems of the limit: simulated contexts with noise, and the truth after them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from simulators import Distribution, Family, Simulator
from sirve.data.moments import Moments
from sirve.data.observe import Channels, Observe
from sirve.data.simulated.recipe import describe
from sirve.limit import Problem


def problem(
    sim: Simulator,
    dt: float,
    *,
    noise: float = 0.1,
    context: int = 8,
    steps: int = 4,
    starts: int = 6,
    training: int = 48,
    draws: Mapping[str, Distribution] | None = None,
    observe: Observe | None = None,
) -> Problem:
    """Simulate training and test trajectories of a system, and observe them with noise."""
    family = Family(sim, draws or {})
    observe = replace(observe or Channels(), noise=noise)
    info = describe("system", family, dt)

    def simulate(seed: int, count: int, states: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        rngs = [np.random.default_rng([seed, i]) for i in range(count)]
        return family.simulate(rngs, dt, states)

    x, drawn = simulate(1, training, context + steps)
    test, told = simulate(2, starts, context + steps)
    clean = np.asarray(observe.clean(test, info), np.float64)
    moments = Moments()
    moments.add(observe.clean(x, info))
    rng = np.random.default_rng(0)
    std = moments.std.reshape(-1, *[1] * (clean.ndim - 3))
    seen = clean[:, :context] + noise * std * rng.normal(size=clean[:, :context].shape)
    names: Any = observe.parameters
    return Problem(
        family,
        observe,
        info,
        dt,
        seen,
        clean[:, context:],
        moments.std,
        x,
        drawn,
        {name: told[name] for name in names},
    )
