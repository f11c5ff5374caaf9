"""The spread of a deterministic core: measured on validation trajectories, not trained."""

import numpy as np
import torch
from torch import Tensor

from sirve import metrics
from sirve.cores import Core
from sirve.cores.spread import Constant, set_spread
from sirve.forecasting.forecaster import Forecaster
from sirve.forecasting.rollout import forced, rollout
from sirve.forecasting.sampling import futures
from sirve.metrics import ensemble as probabilistic

ROUNDS = 3  # in the linear regime one is exact
MEMBERS = 16


@torch.no_grad()
def calibrate(
    forecaster: Forecaster,
    seen: np.ndarray,
    clean: np.ndarray,
    context: int,
    seed: int = 0,
) -> float:
    """Give the core a constant spread, in place, and return its factor.

        s_c = factor * sqrt(mean of ((x_{t+1} - y_t) / scale_c)^2)

    over all states after the context, teacher-forced. The factor makes the spread of an ensemble
    match its error: the mean of log ``standardised_error`` over all steps up to the median valid
    time of the deterministic forecast is 0. The factor would be 1 if residuals were independent of
    each other and of the state, which those of a network are not. (With ``spread_over_error`` the
    one or two worst rollouts would decide: errors differ by orders of magnitude.)

    ``seen`` (n, T, C + covariates, *space) are the observed states and ``clean``
    (n, T, C, *space) the truth, in physical units; ``context`` states are read before a forecast.
    """
    core = forecaster.core
    x = forecaster.read(torch.as_tensor(seen).to(forecaster.device))
    truth = forecaster.normaliser(torch.as_tensor(clean).to(forecaster.device).double())
    std = _residual(core, x, truth, context)
    set_spread(core, "constant")
    assert isinstance(core.spread, Constant)
    core.spread.assign(std)
    read, future = x[:, :context], truth[:, context:].cpu().numpy()
    unit = np.ones(future.shape[2])
    y, _ = rollout(core, read, future.shape[1])
    prediction = core.predicted(y[:, context - 1 :]).cpu().numpy()
    error = metrics.normalised_error(future, prediction, unit)
    steps = max(1, int(np.median(metrics.valid_steps(error, metrics.THRESHOLD))))
    factor = 1.0
    for _ in range(ROUNDS):
        ensemble = futures(core, read, steps, MEMBERS, seed).cpu().numpy()
        mean, spread = ensemble.mean(0), probabilistic.standard_deviation(ensemble)
        found = probabilistic.standardised_error(mean, spread, future[:, :steps], MEMBERS)
        found = found[np.isfinite(found) & (found > 0)]
        factor *= float(np.exp(np.log(found).mean())) if len(found) else 1.0
        core.spread.assign(factor * std)
    return factor


def _residual(core: Core, x: Tensor, truth: Tensor, context: int) -> Tensor:
    """Return the root mean square residual (C,) after the context, in units of scale."""
    state, squares, count = None, torch.zeros(core.shape[0], dtype=torch.float64).to(x.device), 0
    for times, early in forced(x.shape[1] - 1, context):
        y, state = core(x[:, times], state)
        error = (truth[:, times.start + 1 : times.stop + 1] - core.predicted(y)) / core.scale
        kept = error[:, early:].movedim(2, 0).flatten(1)
        squares += (kept**2).sum(1)
        count += kept.shape[1]
    return (squares / count).sqrt()
