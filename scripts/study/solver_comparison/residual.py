"""Residuals: the difference between each forecast step and one step of the simulator."""

import numpy as np

from simulators import Simulator
from sirve import metrics
from sirve.data.observe import Channels
from sirve.errors import UserError
from sirve.evaluation.score import flat
from sirve.limit.problem import clip_to_box, trajectories
from sirve.metrics import scores
from sirve.report.load import Run

from .system import System


def residual(run: Run) -> dict[str, float | None]:
    """Return the residuals of forecast and truth by horizon, such as residual/prediction/100.

        r_k = sqrt(mean over channels and points of ((x^_{k+1} - F(x^_k, t_k)) / std_c)^2)

    F is one step of the simulator from the time t_k, with the parameters of that trajectory. The
    value at k is sqrt(mean over rollouts of r_k^2), infinite where a state is not finite or the
    simulator fails. The residual of the truth is the error of solver and storage. In a chaotic
    system a forecast may obey the equations and still be far from the truth.

    Raises UserError where the model forecasts only a part of the state, or the data were not
    simulated. Source: the map error of hybrid_RC_NGRC, prediction_analysis.py (Chepuri et al.,
    Chaos 34 (2024)), which is in units of the mean step.
    """
    system = System.of(run)
    observe = system.observe
    if not isinstance(observe, Channels) or observe.info(system.info).shape != system.info.shape:
        raise UserError("it needs whole states, and this model observes a part")
    names = system.recipe.families["test"].draws
    sim = system.recipe.families["test"].sim
    sim = sim.each(**{name: system.rollouts[f"parameters/{name}"] for name in names})
    both = ("prediction", "truth")
    found = {name: _steps(sim, system.rollouts[name], system) for name in both}
    nested = {name: scores.at_horizons(metrics.nrmse(error)) for name, error in found.items()}
    return flat({"residual": nested})


def _steps(sim: Simulator, x: np.ndarray, system: System) -> np.ndarray:
    """Return r_k, (n, steps - 1), of states x (n, steps, *shape)."""
    made = np.full_like(x[:, 1:], np.inf)
    finite = np.isfinite(x).reshape(*x.shape[:2], -1).all(2)
    for k in range(x.shape[1] - 1):
        rows = np.flatnonzero(finite[:, k])
        if len(rows):
            start = clip_to_box(x[rows, k], sim)
            step = trajectories(sim.rows(rows), start, system.time[k + 1 : k + 3])
            made[rows, k] = step[:, 1]
    return metrics.normalised_error(made, x[:, 1:], system.rollouts["std"])
