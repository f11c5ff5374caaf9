"""The task that NG-RC was published on: 400 states of Lorenz, then one Lyapunov time, twice.

python scripts/study/ngrc.py [--into docs/yardsticks.md]

Ten stretches of one orbit from the published start, dt 0.025: 400 states to fit to, then 43 free
steps, scored by sqrt(mean over steps and coordinates of (x - x^)^2 / sum of the variances), the
start counted with its error of 0. Once with the published data, SciPy's RK23 at its default
tolerances, whose error is 1e-3 a step; once with data accurate to 1e-12. Nothing but the 400 states
is used: a setting is chosen by forecasts of the last 100 from a fit to the others.

Source: D. Gauthier et al., Nature Communications 12, 5564 (2021); quantinfo/ng-rc-paper-code,
LorenzConstLinQuadraticNVARtimedelayNRMSE-RK23.py: 2.1e-3 in the mean when it is run as it is.
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

from scripts.study.tables import write_into
from simulators import Lorenz
from sirve import metrics
from sirve.cores import GRU, NGRC, Core, Recurrent
from sirve.cores.lift import Lift
from sirve.forecasting.rollout import rollout
from sirve.metrics.validation import log_error
from sirve.report.style import digits
from sirve.training.least_squares import PATH, factorise

START = (17.67715816276679, 12.931379185960404, 43.91404334248268)
DT, STRETCHES, WARM, STATES, STEPS = 0.025, 10, 200, 400, 43
RIDGE = 2.5e-6  # the published one, on the Gram matrix of features in physical units
CONTEXT, LEFT_OUT, FORECASTS = 40, 100, 3  # of the choice of a setting
DATA = {"RK23, 1e-3": ("RK23", 1e-3, 1e-6), "DOP853, 1e-12": ("DOP853", 1e-12, 1e-12)}

Model = Callable[[np.ndarray], np.ndarray]  # (states before, 3) -> (STEPS, 3) after them


def orbit(method: str, rtol: float, atol: float) -> np.ndarray:
    """The whole orbit, (n, 3)."""
    count = WARM + STRETCHES * STATES + STEPS + 1
    t = np.linspace(0, (count - 1) * DT, count)
    tolerances = {"rtol": rtol, "atol": atol}
    found = solve_ivp(Lorenz().rhs, (0, t[-1]), START, method, t_eval=t, **tolerances)
    return np.asarray(found.y.T)


def published(past: np.ndarray) -> np.ndarray:
    """NG-RC as published: two states, monomials to degree 2, the normal equations."""
    core, x = NGRC((3,), degree=2, delays=2).double(), torch.from_numpy(past)[None]
    phi = core.features(x)[0][0, 1:-1].numpy()  # the first state has none before it
    phi = np.concatenate([phi, np.ones((len(phi), 1))], axis=1)
    gram = phi.T @ phi + RIDGE * np.eye(phi.shape[1])
    table = np.diff(past[1:], axis=0).T @ phi @ np.linalg.pinv(gram)
    _assign(core, torch.from_numpy(table))
    return _free(core, x)[0]


def _assign(core: Core, table: Tensor) -> None:
    assert isinstance(core.readout, Lift)
    core.readout.assign(table)


def _free(core: Core, context: Tensor) -> np.ndarray:
    """(B, STEPS, 3) after contexts (B, c, 3)."""
    with torch.inference_mode():
        return rollout(core, context, STEPS)[0][:, -STEPS:].numpy()


def chosen(core: Core, settings: Sequence[dict[str, Any]], seed: int = 0) -> Model:
    """A core whose readout is found by QR; its setting and its ridge by forecasts of its past."""

    def forecast(past: np.ndarray) -> np.ndarray:
        mean, std = past.mean(0), past.std(0)
        x = torch.from_numpy((past - mean) / std)
        core.double().scale = x.diff(dim=0).std(0)
        best, _ = min(_tried(core, settings, seed, x), key=lambda pair: pair[1])
        core.init_weights(seed, **best[0])
        _assign(core, factorise(core, [x[None]], CONTEXT).solve([best[1]])[0])
        return _free(core, x[None, -CONTEXT:])[0] * std + mean

    return forecast


def _tried(
    core: Core, settings: Sequence[dict[str, Any]], seed: int, x: Tensor
) -> Iterator[tuple[tuple[dict[str, Any], float], float]]:
    """Each setting with each ridge, and the mean log error of what was left out."""
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
    """Over the start, whose error is 0, and STEPS states (STEPS, 3); infinite if not finite."""
    with np.errstate(all="ignore"):
        total = ((truth - prediction) ** 2).sum() / (3 * (STEPS + 1)) / variance
    return float(np.sqrt(total)) if np.isfinite(total) else float("inf")


def errors(model: Model, states: np.ndarray) -> np.ndarray:
    """Of each stretch."""
    found = []
    for end in range(WARM + STATES, WARM + STRETCHES * STATES + 1, STATES):
        truth, variance = states[end : end + STEPS], states[: end + STEPS + 1].var(0).sum()
        found.append(nrmse(truth, model(states[end - STATES - 2 : end]), variance))
    return np.array(found)


def table() -> str:
    drawn = product([0.03, 0.1, 0.3], [0.1, 0.5])
    settings = [
        {"input_scaling": g, "spectral_radius": r, "time_scale": (1.1, 1.1)} for g, r in drawn
    ]
    gru = Recurrent((3,), GRU(), hidden=100)
    models: dict[str, list[Model]] = {
        "NG-RC, as published": [published],
        "NG-RC, by QR": [chosen(NGRC((3,), degree=2, delays=2), [{}])],
        "NG-RC of degree 4, by QR": [chosen(NGRC((3,), degree=4, delays=2), [{}])],
        "a GRU of 100, by QR, 3 seeds": [chosen(gru, settings, seed) for seed in range(3)],
    }
    lines = [["", *(f"{name}: {what}" for name in DATA for what in ("mean", "median", "lost"))]]
    lines.append(["---", *["--:"] * (3 * len(DATA))])
    orbits = [orbit(*solver) for solver in DATA.values()]
    for name, some in models.items():
        cells = [name]
        for states in orbits:
            error = np.stack([errors(model, states) for model in some])
            for statistic in (np.mean, np.median):
                middle, low, high = metrics.bootstrap(error, statistic)
                cells.append(f"{digits(middle)} [{digits(low)}, {digits(high)}]")
            cells.append(f"{(~(error < 1)).sum()} of {error.size}")
        lines.append(cells)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def main() -> int:
    parser = argparse.ArgumentParser(description="NG-RC's task on data of two accuracies.")
    parser.add_argument("--into", type=Path, help="page to write the table into")
    options = parser.parse_args()
    text = table()
    if options.into:
        write_into(options.into, "ngrc", text)
    print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
