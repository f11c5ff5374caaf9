"""The limits of prediction: Lyapunov exponents, and how long two solvers agree."""

from typing import Any

import numpy as np

from simulators import SimulationError
from simulators.lyapunov import exponents
from sirve import metrics
from sirve.data.dataset import Dataset, Manifest, locked
from sirve.data.info import dtype_of
from sirve.data.moments import Moments
from sirve.data.simulated.generate import generators
from sirve.data.simulated.recipe import Recipe
from sirve.errors import warn
from sirve.metrics.scores import THRESHOLDS

WHOLE = 8  # most dimensions of a system whose exponents are all computed; else only the largest
LONGER = 1.5  # length compared, in units of the test's, to find a ceiling beyond the test's end
EVERY = 10  # steps of dt between two orthonormalisations
# (intervals, orbits) for small systems, for large ones, and for large ones that are not chaotic
SMALL, LARGE, REGULAR = (150, 32), (40, 8), (10, 2)
PAIRS = 8  # of solutions that are compared


def measure(recipe: Recipe, dataset: Dataset) -> dict[str, Any]:
    """Return the limits of prediction; they are computed once and kept in the manifest.

    ``exponents`` are the largest Lyapunov exponents, in 1/time, and half their 95 % intervals.
    ``twin`` is the second solver. ``ceiling`` is its valid time (metrics.valid_time) for each error
    threshold: how long it agrees with the stored truth when it starts from the same first states.
    It is None where the solution is exact. Errors are in standard deviations of the truth compared.

    No forecast can be judged beyond the ceiling, because the truth itself is unknown there.
    """
    if not dataset.manifest.limits:
        with locked(dataset.folder):
            manifest = Manifest.load(dataset.folder) or dataset.manifest
            if not manifest.limits:  # else another process has measured them in the meantime
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
    """Compare the second solver with the first test trajectories, from the same stored states."""
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
