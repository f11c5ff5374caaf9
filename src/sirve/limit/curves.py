"""The curve of the limit over the number of states that a forecast may know."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from sirve import metrics
from sirve.data.observe import Observe
from sirve.errors import UserError
from sirve.io.hdf5 import create, reading
from sirve.io.progress import track
from sirve.limit import least_squares, linear, variational
from sirve.limit.dense import is_linear
from sirve.limit.fit import Fit
from sirve.limit.prior import Prior
from sirve.limit.problem import Problem
from sirve.limit.tensors import has_tensors
from sirve.runs.provenance import code_of

MEMBERS = 8
_ARRAYS = ("frames", "error", "mean_error", "chi2")
_MODULES = (linear.Modal, variational.Variational, least_squares.Unknowns, Prior, Fit, Problem)

Method = Callable[[Problem, int], Fit]


@dataclass(frozen=True)
class Limit:
    """The errors of the true equations, fitted to the last k states of each context.

    Args:
        frames: the numbers k of states, (K,), ascending.
        error: normalised errors (K, n, steps) of the most likely forecast.
        mean_error: those of the mean forecast, over the fits of perturbed observations or, for a
            linear system, over the posterior of its hidden parameter.
        chi2: mean square (K,) of the fitted states minus the seen ones, in units of the noise: near
            1 minus the coordinates of the state per observation; nan where nothing was fitted.
    """

    frames: np.ndarray
    error: np.ndarray
    mean_error: np.ndarray
    chi2: np.ndarray

    @property
    def nrmse(self) -> np.ndarray:
        """The nRMSE (K, steps) of the better of both forecasts, never worse with more states.

        Who knows k states can leave out the oldest, so that an increase over k is scatter.
        """
        both = np.minimum(
            np.stack([metrics.nrmse(e) for e in self.error]),
            np.stack([metrics.nrmse(e) for e in self.mean_error]),
        )
        return np.minimum.accumulate(both, axis=0)

    def write(self, path: Path, **attributes: Any) -> None:
        """Write an HDF5 file with the four arrays."""
        with create(path) as file:
            file.attrs.update(attributes)
            for name in _ARRAYS:
                file[name] = getattr(self, name)

    @staticmethod
    def read(path: Path) -> "Limit":
        """Read what ``write`` wrote; raises UserError."""
        with reading(path, "delete it and run the command again") as file:
            return Limit(*(np.asarray(file[name]) for name in _ARRAYS))


def frame_counts(context: int) -> list[int]:
    """Return 1, 2, 4, 8, ... below the context, and the context."""
    return [*(2**i for i in range(context.bit_length()) if 2**i < context), context]


def compute(
    problem: Problem,
    frames: Sequence[int] | None = None,
    members: int = MEMBERS,
    seed: int = 0,
    cache: Path | None = None,
) -> Limit:
    """Fit the true equations to the last k seen states of each context, and score their forecasts.

    Args:
        problem: contexts, truth and equations.
        frames: the numbers k; None for 1, 2, 4, 8, ... up to the context.
        members: fits of perturbed observations beside the most likely one.
        seed: of the perturbations.
        cache: folder in which the result is kept, under a name made of all that determines it.

    Raises:
        UserError: a k is longer than the context, or the system has no method here.
    """
    counts = sorted(set(frames or frame_counts(problem.context)))
    for k in counts:
        if not 1 <= k <= problem.context:
            raise UserError(
                f"limit: {k} states are not within the context of {problem.context}; take from 1 "
                "to that, or a longer sim.context"
            )
    path = cache / f"{content(problem, counts, members, seed)}.h5" if cache else None
    if path is not None and path.is_file():
        return Limit.read(path)
    fit = method(problem, members, seed)
    results = [_scored(problem, k, fit) for k in track(counts, "limit", len(counts))]
    error, mean_error, chi2 = (np.stack(part) for part in zip(*results, strict=True))
    found = Limit(np.array(counts), error, mean_error, chi2)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        found.write(path)
    return found


def method(problem: Problem, members: int, seed: int) -> Method:
    """Return the function that fits a system to its last k states; raises UserError for none."""
    sim = problem.family.sim
    if problem.whole:
        return lambda p, k: Fit.of(p.seen[:, p.context - k], 0, {})
    if is_linear(problem):
        return linear.fit
    if has_tensors(sim) and not problem.hidden:
        return lambda p, k: variational.fit(p, k, members, seed)
    sample = problem.training.reshape(-1, *problem.training.shape[2:]).astype(np.float64)
    size = Prior.of(sample[:: max(1, len(sample) // 1000)], problem.info.boundary).size
    if size + len(problem.hidden) > least_squares.MOST:
        hidden = f" and {', '.join(problem.hidden)}" if problem.hidden else ""
        raise UserError(
            f"limit: the {size} coordinates of {problem.info.name}{hidden} cannot be fitted: there "
            "is a method for linear systems with one hidden parameter, for spectral ones without, "
            f"and for up to {least_squares.MOST} numbers; take a smaller sim.system.size, or give "
            "hidden parameters by observe.parameters"
        )
    return lambda p, k: least_squares.fit(p, k, members, seed)


def _scored(problem: Problem, k: int, fit: Method) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the errors of both forecasts, (n, steps) each, and chi^2 per observation."""
    window = 1 if problem.whole else k
    found = fit(problem, window)
    best, mean = found.forecast(problem, window)
    y = problem.seen[:, problem.context - window :]
    with np.errstate(all="ignore"):
        chi2 = float(np.nanmean(((best[:, :window] - y) / problem.sigma) ** 2))
    errors = (
        metrics.normalised_error(problem.truth, x, problem.std) for x in (best[:, window:], mean)
    )
    error, mean_error = errors
    return error, mean_error, np.nan if problem.whole else chi2


def content(problem: Problem, counts: Sequence[int], members: int, seed: int) -> str:
    """Return a hash of everything that determines the limit."""
    sim = problem.family.sim
    plain = {
        "system": [code_of(type(sim)), repr(sim), repr(dict(problem.family.draws))],
        "observe": [type(problem.observe).__name__, *_plain(problem.observe)],
        "dt": problem.dt,
        "frames": list(counts),
        "members": members,
        "seed": seed,
        "code": [code_of(part) for part in _MODULES],
    }
    found = hashlib.sha256(json.dumps(plain, sort_keys=True).encode())
    arrays = {"seen": problem.seen, "truth": problem.truth, "training": problem.training}
    for name, x in {**arrays, **problem.parameters, "std": problem.std}.items():
        found.update(f"{name}{x.shape}{x.dtype}".encode())
        found.update(np.ascontiguousarray(x).tobytes())
    return found.hexdigest()[:16]


def _plain(observe: Observe) -> list[str]:
    """Return the settings of an observation; the text of a view differs between processes."""
    return [f"{f.name}={getattr(observe, f.name)}" for f in fields(observe) if f.name != "scene"]
