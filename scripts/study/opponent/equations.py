"""The true equations as an opponent: from the last states a model was shown, as they were seen."""

from dataclasses import replace
from typing import Any

import numpy as np

from simulators import Balls, DoublePendulum, Pendulum, SimulationError, Simulator, Wave
from sirve import metrics
from sirve.data.observe import Channels
from sirve.errors import UserError
from sirve.report.load import Run

from .system import System

# Channels that are the time derivative of others: of a position, or of an angle's sine and cosine.
VELOCITIES: dict[type[Simulator], dict[str, tuple[str, ...]]] = {
    Wave: {"velocity": ("displacement",)},
    Pendulum: {"omega": ("sin", "cos")},
    DoublePendulum: {"omega1": ("sin1", "cos1"), "omega2": ("sin2", "cos2")},
}


def of_equations(run: Run, states: int = 1) -> np.ndarray:
    """Errors (starts, steps) of the simulator from the end of each context, noise and all.

    What is not observed is at its mean over the first block of training. With ``states=2`` a
    velocity that is not observed, of a position that is, is the difference of the last two states
    over their distance in time. A parameter that is drawn for each trajectory and that the model is
    not told is at the middle of the distribution it is drawn from in training. A start that the
    equations cannot go on from errs without bound.

    Raises UserError for an observation that cannot be turned back, for data that were not
    simulated, and where two states tell no more than one.
    """
    system = System.of(run)
    if not isinstance(system.observe, Channels):
        kind = type(system.observe).__name__.lower()
        raise UserError(f"{run.path} sees a {kind}, from which no state can be computed back")
    start = allowed(_start(system, states), system.recipe.families["test"].sim)
    future = futures(_known(system), start, system.time)
    with np.errstate(all="ignore"):
        seen = system.seen(future[:, 1:])
        return metrics.normalised_error(system.rollouts["truth"], seen, system.rollouts["std"])


def _start(system: System, states: int) -> np.ndarray:
    """Physical states (n, *shape) of what was seen, the rest at its mean or by differences."""
    info, shown = system.info, system.observe.info(system.info).channels
    context = system.rollouts["context"]
    index = [info.channels.index(name) for name in shown]
    start = np.empty((len(context), *info.shape))
    if len(index) < len(info.channels):
        training, _ = system.trajectories("train", system.recipe.block)
        axes = tuple(i for i in range(training.ndim) if i != 2)
        mean = training.mean(axes, dtype=np.float64)
        start[:] = mean.reshape(-1, *[1] * (len(info.shape) - 1))
    start[:, index] = context[:, -1]
    if states == 2:
        _differ(system, start, shown)
    return start


def _differ(system: System, start: np.ndarray, shown: tuple[str, ...]) -> None:
    """Put backward differences, in place, for the velocities that are not observed."""
    run, sim, names = system.run, system.recipe.families["test"].sim, system.info.channels
    velocities = _velocities(sim)
    found = {v: x for v, x in velocities.items() if v not in shown and set(x) <= set(shown)}
    if not found or run.context < 2:
        raise UserError(f"{run.path}: two states tell no velocity that is not observed")
    last = system.rollouts["context"][:, -2:]
    dt = system.recipe.dt * system.observe.stride
    for velocity, position in found.items():
        x = [last[:, :, shown.index(name)] for name in position]
        if len(position) == 1:
            moved = np.diff(x[0], axis=1)[:, 0]
        else:  # an angle, the shorter way round
            moved = np.diff(np.arctan2(*x), axis=1)[:, 0]
            moved = (moved + np.pi) % (2 * np.pi) - np.pi
        start[:, names.index(velocity)] = moved / dt


def _velocities(sim: Simulator) -> dict[str, tuple[str, ...]]:
    if isinstance(sim, Balls):
        return {f"v{x}{k}": (f"{x}{k}",) for k in range(1, len(sim.radii) + 1) for x in "xy"}
    return VELOCITIES.get(type(sim), {})


def _known(system: System) -> Simulator:
    """The test's systems as one knows them."""
    family, training = system.recipe.families["test"], system.recipe.families["train"]
    told: dict[str, Any] = {}
    middle: dict[str, Any] = {}
    for name, draw in family.draws.items():
        if name in system.observe.parameters:
            told[name] = system.rollouts[f"parameters/{name}"]
        else:
            middle[name] = training.draws.get(name, draw).middle
    return replace(family.sim, **middle).each(**told)


def allowed(start: np.ndarray, sim: Simulator) -> np.ndarray:
    """The nearest states that there can be: noise puts balls outside of their box."""
    if not isinstance(sim, Balls):
        return start
    balls = start.reshape(len(start), -1, 4)
    radii = np.array(sim.radii)[:, None]
    balls[..., :2] = np.clip(balls[..., :2], radii, sim.side - radii)
    return balls.reshape(start.shape)


def futures(sim: Simulator, start: np.ndarray, time: np.ndarray) -> np.ndarray:
    """(n, steps + 1, *shape); where the batch fails each start is alone, infinite if it fails."""
    try:
        return sim.trajectories(start, time)
    except SimulationError:
        future = np.full((len(start), len(time), *sim.shape), np.inf)
        for i, x0 in enumerate(start):
            try:
                future[i] = sim.rows(slice(i, i + 1)).trajectories(x0[None], time)[0]
            except SimulationError:
                continue
        return future
