"""How far a system can be predicted at all: its exponents, and its solver against itself."""

from typing import Any

import numpy as np

from simulators import SimulationError
from simulators.lyapunov import exponents
from sirve import metrics
from sirve.data.dataset import Dataset, Manifest
from sirve.data.moments import Moments
from sirve.data.shards import dtype_of
from sirve.data.simulated.generate import generators, owned
from sirve.data.simulated.recipe import Recipe
from sirve.errors import warn
from sirve.metrics.scores import THRESHOLDS

# A vector's whole spectrum costs little in one batch; of more numbers, only the largest.
WHOLE = 8
LONGER = 1.5  # times the test, so that a ceiling beyond its end is found too
EVERY = 10  # steps of dt between two orthonormalisations
# (intervals of that length, orbits) of what is small, of what is large, and of what is large and
# by its own account not chaotic
SMALL, LARGE, REGULAR = (150, 32), (40, 8), (10, 2)
PAIRS = 8  # of solutions that are compared


def measure(recipe: Recipe, dataset: Dataset) -> dict[str, Any]:
    """The limits of prediction, computed once and then kept in the manifest.

    ``exponents``: the largest Lyapunov exponents, 1/time, and half their 95 % intervals; ``twin``:
    the other solver; ``ceiling``: how long, in the unit of time, it stays within each error of the
    stored truth when it starts from its first states, as metrics.valid_time has it; None where
    the solution is exact. Errors are in deviations of the truth that is compared.

    No forecast can be judged beyond the ceiling: there the truth itself is unknown.
    """
    if not dataset.manifest.limits:
        with owned(dataset.folder):
            manifest = Manifest.load(dataset.folder) or dataset.manifest
            if not manifest.limits:  # else another process has measured them meanwhile
                manifest.limits = {**_exponents(recipe), **_ceiling(recipe)}
                manifest.save(dataset.folder)
            dataset.manifest = manifest
    return dataset.manifest.limits


def _exponents(recipe: Recipe) -> dict[str, Any]:
    sim = recipe.families["train"].sim
    small = sim.dimension <= WHOLE
    intervals, orbits = SMALL if small else REGULAR if sim.lyapunov is None else LARGE
    try:
        found = exponents(
            sim, None if small else 1, EVERY * recipe.dt, intervals, orbits, recipe.seed
        )
    except SimulationError as error:
        warn(f"the Lyapunov exponents of {recipe.name} cannot be computed: {error}")
        return {}
    return {"exponents": {"value": found.value.tolist(), "error": found.error.tolist()}}


def _ceiling(recipe: Recipe) -> dict[str, Any]:
    """The twin beside the first trajectories of the test, from their stored first states."""
    family, info = recipe.families["test"], recipe.infos["test"]
    rngs = generators(recipe, "test", 0, PAIRS)
    if family.sim.reference_solver() is None:
        return {"twin": None, "ceiling": None}
    longer = 1.0 if family.sim.lyapunov is None else LONGER
    states = round(longer * recipe.states["test"])
    time = family.sim.transient + recipe.dt * np.arange(states)
    try:
        truth, drawn = family.simulate(rngs, recipe.dt, states)
        stored = truth[:, 0].astype(dtype_of(info)).astype(np.float64)
        twin = family.sim.each(**drawn).reference_solver()
        assert twin is not None
        again = twin.trajectories(stored, time)
    except SimulationError as error:
        warn(f"the ceiling of {recipe.name} is unknown: its other solver failed ({error})")
        return {"twin": None, "ceiling": None}
    moments = Moments()
    moments.add(truth)
    apart = metrics.normalised_error(truth[:, 1:], again[:, 1:], moments.std)
    return {
        "twin": twin.solver,
        "ceiling": {
            str(level): metrics.valid_time(apart, level, info.dt, info.unit) for level in THRESHOLDS
        },
    }
