"""The task of the NG-RC paper: forecast one Lyapunov time of Lorenz from 400 states.

python scripts/study/ngrc.py [--into docs/yardsticks.md]

One orbit from the published start, dt 0.025, is cut into ten stretches: a model is fitted to 400
states, then forecasts 43 free steps. The score is sqrt(mean over steps and coordinates of
(x - x^)^2 / sum of the variances), counting the start with its error of 0. The task is run twice:
with the published data (SciPy's RK23 at its default tolerances, an error of 1e-3 a step), and with
data accurate to 1e-12. Only the 400 states are used: settings are chosen by forecasts of the last
100 states after a fit to the others.

Source: D. Gauthier et al., Nature Communications 12, 5564 (2021); quantinfo/ng-rc-paper-code,
LorenzConstLinQuadraticNVARtimedelayNRMSE-RK23.py, whose mean score is 2.1e-3.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.integrate import solve_ivp
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from scripts.study.markdown import markdown_table, with_interval, write_into
from simulators import Lorenz
from sirve import metrics
from sirve.cores import GRU, NGRC, Core, Recurrent
from sirve.cores.lift import Lift
from sirve.forecasting.rollout import rollout
from sirve.metrics.validation import log_error
from sirve.training.least_squares import PATH, factorise

START = (17.67715816276679, 12.931379185960404, 43.91404334248268)
DT, STRETCHES, WARM, STATES, STEPS = 0.025, 10, 200, 400, 43
RIDGE = 2.5e-6  # the published one, on the Gram matrix of features in physical units
CONTEXT, LEFT_OUT, FORECASTS = 40, 100, 3  # for the choice of a setting
DATA = {"RK23, 1e-3": ("RK23", 1e-3, 1e-6), "DOP853, 1e-12": ("DOP853", 1e-12, 1e-12)}

Model = Callable[[np.ndarray], np.ndarray]  # past states (n, 3) -> next states (STEPS, 3)


def orbit(method: str, rtol: float, atol: float) -> np.ndarray:
    """Return the whole orbit, (n, 3)."""
    count = WARM + STRETCHES * STATES + STEPS + 1
    t = np.linspace(0, (count - 1) * DT, count)
    tolerances = {"rtol": rtol, "atol": atol}
    found = solve_ivp(Lorenz().rhs, (0, t[-1]), START, method, t_eval=t, **tolerances)
    return np.asarray(found.y.T)


def published(past: np.ndarray) -> np.ndarray:
    """Forecast by NG-RC as published: two states, degree 2, solved by the normal equations."""
    core, x = NGRC((3,), degree=2, delays=2).double(), torch.from_numpy(past)[None]
    phi = core.features(x)[0][0, 1:-1].numpy()  # the first state has no past
    phi = np.concatenate([phi, np.ones((len(phi), 1))], axis=1)
    gram = phi.T @ phi + RIDGE * np.eye(phi.shape[1])
    table = np.diff(past[1:], axis=0).T @ phi @ np.linalg.pinv(gram)
    _assign(core, torch.from_numpy(table))
    return _free(core, x)[0]


def _assign(core: Core, table: Tensor) -> None:
    assert isinstance(core.readout, Lift)
    core.readout.assign(table)


def _free(core: Core, context: Tensor) -> np.ndarray:
    """Return STEPS free steps (B, STEPS, 3) after contexts (B, c, 3)."""
    with torch.inference_mode():
        return rollout(core, context, STEPS)[0][:, -STEPS:].numpy()


def qr_model(core: Core, settings: Sequence[dict[str, Any]], seed: int = 0) -> Model:
    """Return a model whose readout is solved by QR; setting and ridge are chosen on its past."""

    def forecast(past: np.ndarray) -> np.ndarray:
        mean, std = past.mean(0), past.std(0)
        x = torch.from_numpy((past - mean) / std)
        core.double().scale = x.diff(dim=0).std(0)
        best, _ = min(_try(core, settings, seed, x), key=lambda pair: pair[1])
        core.init_weights(seed, **best[0])
        _assign(core, factorise(core, [x[None]], CONTEXT).solve([best[1]])[0])
        return _free(core, x[None, -CONTEXT:])[0] * std + mean

    return forecast


def _try(
    core: Core, settings: Sequence[dict[str, Any]], seed: int, x: Tensor
) -> Iterator[tuple[tuple[dict[str, Any], float], float]]:
    """Yield each setting and ridge with the mean log error on the states that were left out."""
    fitted, last = x[: len(x) - LEFT_OUT], len(x) - STEPS
    starts = np.linspace(len(fitted), last, FORECASTS).round().astype(int)
    contexts = torch.stack([x[i - CONTEXT : i] for i in starts])
    truth = np.stack([x[i : i + STEPS].numpy() for i in starts])
    for setting in settings:
        core.init_weights(seed, **setting)
        tables = factorise(core, [fitted[None]], CONTEXT).solve(PATH)
        for ridge, table in zip(PATH, tables, strict=True):
            _assign(core, table)
            error = metrics.normalised_error(truth, _free(core, contexts), np.ones(3))
            yield (setting, ridge), log_error(error)


def nrmse(truth: np.ndarray, prediction: np.ndarray, variance: float) -> float:
    """Return the score of STEPS states (STEPS, 3), with the start counted as exact.

    It is infinite where the prediction is not finite.
    """
    with np.errstate(all="ignore"):
        total = ((truth - prediction) ** 2).sum() / (3 * (STEPS + 1)) / variance
    return float(np.sqrt(total)) if np.isfinite(total) else float("inf")


def errors(model: Model, states: np.ndarray) -> np.ndarray:
    """Return the score of each stretch."""
    found = []
    for end in range(WARM + STATES, WARM + STRETCHES * STATES + 1, STATES):
        truth, variance = states[end : end + STEPS], states[: end + STEPS + 1].var(0).sum()
        found.append(nrmse(truth, model(states[end - STATES - 2 : end]), variance))
    return np.array(found)


def table() -> str:
    settings = [
        {"input_scaling": scaling, "spectral_radius": radius, "time_scale": (1.1, 1.1)}
        for scaling, radius in product([0.03, 0.1, 0.3], [0.1, 0.5])
    ]
    gru = Recurrent((3,), GRU(), hidden=100)
    models: dict[str, list[Model]] = {
        "NG-RC, as published": [published],
        "NG-RC, by QR": [qr_model(NGRC((3,), degree=2, delays=2), [{}])],
        "NG-RC of degree 4, by QR": [qr_model(NGRC((3,), degree=4, delays=2), [{}])],
        "a GRU of 100, by QR, 3 seeds": [qr_model(gru, settings, seed) for seed in range(3)],
    }
    head = ["", *(f"{name}: {what}" for name in DATA for what in ("mean", "median", "lost"))]
    lines = []
    orbits = [orbit(*solver) for solver in DATA.values()]
    for name, some in models.items():
        cells = [name]
        for states in orbits:
            error = np.stack([errors(model, states) for model in some])
            for statistic in (metrics.mean, metrics.median):
                cells.append(with_interval(metrics.bootstrap(error, statistic)))
            cells.append(f"{(~(error < 1)).sum()} of {error.size}")
        lines.append(cells)
    return markdown_table(head, lines)


def main() -> int:
    parser = argparse.ArgumentParser(description="The NG-RC task on data of two accuracies.")
    parser.add_argument("--into", type=Path, help="page to write the table into")
    options = parser.parse_args()
    text = table()
    if options.into:
        write_into(options.into, "ngrc", text)
    print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
