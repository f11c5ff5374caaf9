"""Forecasts by the true equations, started from the last states that a model observed."""

from dataclasses import replace
from typing import Any

import numpy as np

from simulators import Balls, DoublePendulum, Pendulum, Simulator, Wave
from sirve import metrics
from sirve.data.observe import Channels
from sirve.errors import UserError
from sirve.limit.problem import clip_to_box, trajectories
from sirve.report.load import Run

from .system import System

# Channels that are the time derivative of a position, or of an angle given by sine and cosine.
VELOCITIES: dict[type[Simulator], dict[str, tuple[str, ...]]] = {
    Wave: {"velocity": ("displacement",)},
    Pendulum: {"omega": ("sin", "cos")},
    DoublePendulum: {"omega1": ("sin1", "cos1"), "omega2": ("sin2", "cos2")},
}


def equation_errors(run: Run, states: int = 1) -> np.ndarray:
    """Return the errors (starts, steps) of the simulator started at the end of each context.

    The start is the last observed state, noise included. A channel that is not observed is set to
    its mean over the first block of the training set. With ``states=2`` the velocity of an observed
    position is the difference of the last two states divided by their distance in time. A parameter
    that differs between trajectories and is not a covariate of the model is set to the middle of
    its distribution in training. Where the simulator fails, the error is infinite.

    Raises UserError for an observation from which no state can be computed, for data that were not
    simulated, and where two states give no velocity.
    """
    system = System.of(run)
    if not isinstance(system.observe, Channels):
        kind = type(system.observe).__name__.lower()
        raise UserError(f"{run.path} observes a {kind}, from which no state can be computed")
    if system.observe.coarsen > 1 or system.observe.bar:
        raise UserError(
            f"{run.path} sees a field coarsely or behind a bar, from which no state can be computed"
        )
    start = clip_to_box(_start(system, states), system.recipe.families["test"].sim)
    future = trajectories(_assumed(system), start, system.time)
    with np.errstate(all="ignore"):
        observed = system.observed(future[:, 1:])
        return metrics.normalised_error(system.rollouts["truth"], observed, system.rollouts["std"])


def _start(system: System, states: int) -> np.ndarray:
    """Return physical states (n, *shape): observed channels, and estimates of the others."""
    info, visible = system.info, system.observe.info(system.info).channels
    context = system.rollouts["context"]
    index = [info.channels.index(name) for name in visible]
    start = np.empty((len(context), *info.shape))
    if len(index) < len(info.channels):
        training, _ = system.trajectories("train", system.recipe.block)
        axes = tuple(i for i in range(training.ndim) if i != 2)
        mean = training.mean(axes, dtype=np.float64)
        start[:] = mean.reshape(-1, *[1] * (len(info.shape) - 1))
    start[:, index] = context[:, -1]
    if states == 2:
        _set_velocities(system, start, visible)
    return start


def _set_velocities(system: System, start: np.ndarray, visible: tuple[str, ...]) -> None:
    """Set the velocities that are not observed, in place, to backward differences."""
    run, sim, names = system.run, system.recipe.families["test"].sim, system.info.channels
    velocities = _velocities(sim)
    found = {v: x for v, x in velocities.items() if v not in visible and set(x) <= set(visible)}
    if not found or run.context < 2:
        raise UserError(f"{run.path}: two states give no velocity that is not observed")
    last = system.rollouts["context"][:, -2:]
    dt = system.recipe.dt * system.observe.stride
    for velocity, position in found.items():
        x = [last[:, :, visible.index(name)] for name in position]
        if len(position) == 1:
            moved = np.diff(x[0], axis=1)[:, 0]
        else:  # an angle: take the shorter way round
            moved = np.diff(np.arctan2(*x), axis=1)[:, 0]
            moved = (moved + np.pi) % (2 * np.pi) - np.pi
        start[:, names.index(velocity)] = moved / dt


def _velocities(sim: Simulator) -> dict[str, tuple[str, ...]]:
    if isinstance(sim, Balls):
        return {f"v{x}{k}": (f"{x}{k}",) for k in range(1, len(sim.radii) + 1) for x in "xy"}
    return VELOCITIES.get(type(sim), {})


def _assumed(system: System) -> Simulator:
    """Return the test systems with the parameters that a model can know."""
    family, training = system.recipe.families["test"], system.recipe.families["train"]
    known: dict[str, Any] = {}
    middle: dict[str, Any] = {}
    for name, draw in family.draws.items():
        if name in system.observe.parameters:
            known[name] = system.rollouts[f"parameters/{name}"]
        else:
            middle[name] = training.draws.get(name, draw).middle
    return replace(family.sim, **middle).each(**known)
