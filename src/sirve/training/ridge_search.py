"""Fitting in closed form: random recurrent weights, a readout by least squares, chosen by rollouts.

The error of one step does not tell how far a forecast holds: a readout of 9e-8 may run away after
two Lyapunov times. So everything is chosen by forecasts of the validation set.
"""

import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, product
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sirve.cores import Core
from sirve.cores.lift import Lift
from sirve.data.states import States, first
from sirve.errors import UserError, nearest, one_line
from sirve.forecasting.forecaster import Forecaster, log_error
from sirve.forecasting.rollout import pieces
from sirve.io.progress import track
from sirve.training.least_squares import PATH, spare, triangle

log = logging.getLogger(__name__)

SHARE = 8  # of the validation's steps are enough to leave out what is hopeless
NEAR = 2  # ridges on either side of the best are tried again on all data
BOUND = 1.5  # times the largest state of the training set: a forecast beyond it has run away
STARTS = 4  # of the test of stability


@dataclass(frozen=True)
class Ridge:
    """A small search: every combination of ``grid``, ``noise`` and ``path``.

    ``grid``: values to try of each number by which a core draws its random weights. ``noise``:
    deviations, in normalised units, of Gaussian noise on the states that are read, the targets
    staying clean. Of both None is what the core finds worth trying. ``path``: ridges, on the
    squared singular values of columns of length 1. All are fitted on the ``few`` first trajectories
    and forecast the beginning of the validation set; the best ``keep`` pairs of setting and noise
    are fitted again on all trajectories and forecast the whole of it. Of these the best is taken
    that stays bounded over twice the steps of a test after a ``perturbation`` of its context, in
    normalised units.
    """

    grid: Mapping[str, Sequence[Any]] | None = None
    path: Sequence[float] = PATH
    noise: Sequence[float] | None = None
    few: int = 16
    keep: int = 4
    perturbation: float = 0.01

    def __post_init__(self) -> None:
        for name, values in {"path": self.path, "noise": self.noise}.items():
            if values is None:
                continue
            if not values or not all(0 <= value < float("inf") for value in values):
                raise ValueError(f"{name}={list(values)} must be numbers, none of them negative")
        for name, least in {"few": 1, "keep": 1}.items():
            if not isinstance(getattr(self, name), int) or getattr(self, name) < least:
                raise ValueError(f"{name}={getattr(self, name)} must be a positive whole number")
        for name, values in (self.grid or {}).items():
            if not isinstance(values, list | tuple) or not values:
                raise ValueError(f"grid.{name}={values} must be a list of values to try")

    def settings(self, core: Any) -> list[dict[str, Any]]:
        """Every combination for this core; raises UserError for what it does not take."""
        for name in self.grid or {}:
            if name not in core.search_grid:
                raise UserError(
                    f"ridge.grid.{name}: {type(core).__name__} draws nothing by that; "
                    + nearest(name, core.search_grid)
                )
        grid = {**core.search_grid, **(self.grid or {})}
        settings = [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
        for setting in settings:
            try:
                core.init_weights(0, **setting)
            except (TypeError, ValueError) as error:
                raise UserError(f"ridge.grid: {one_line(str(error))}") from error
        return settings


@dataclass
class Candidate:
    """A readout, and how well it forecasts: ``score`` is ``log_error``, lower is better."""

    setting: dict[str, Any]
    noise: float
    ridge: float
    score: float = float("inf")
    table: Tensor = field(default_factory=lambda: torch.empty(0), repr=False)


@dataclass(frozen=True)
class Search:
    """One fit of one forecaster; ``valid`` is contexts as seen and the clean truth after them."""

    plan: Ridge
    forecaster: Forecaster
    train: States
    valid: tuple[np.ndarray, np.ndarray]
    steps: int  # of a test
    seed: int
    rank: int = 0  # of ``ranks`` that share the trajectories, in one process group
    ranks: int = 1

    def run(self, settings: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Fit in place; what was tried and taken, in plain types."""
        self.forecaster.core.double()
        start = time.process_time()
        self.forecaster.core.fit_statistics(self._read(self.train.blocks()))
        noises = self.forecaster.core.search_noises if self.plan.noise is None else self.plan.noise
        pairs = list(product(settings, noises))
        steps = self.valid[1].shape[1]
        few, short = self.plan.few, max(1, steps // SHARE)
        tried = [
            min(self.candidates(setting, noise, self.plan.path, few, short), key=_score)
            for setting, noise in track(pairs, "try settings", len(pairs))
        ]
        best = sorted(tried, key=_score)[: self.plan.keep]
        found = [
            candidate
            for c in track(best, "fit", len(best))
            for candidate in self.candidates(c.setting, c.noise, self._near(c.ridge), None, steps)
        ]
        found.sort(key=_score)
        chosen, stable = self._first_stable(found)
        self._take(chosen)
        return {
            "settings": len(pairs),
            "readouts": len(pairs) * len(self.plan.path),
            "features": chosen.table.shape[1],
            "seconds": time.process_time() - start,
            "setting": chosen.setting,
            "noise": chosen.noise,
            "ridge": chosen.ridge,
            "valid_log_error": chosen.score,
            "stable": stable,
        }

    def candidates(
        self,
        setting: dict[str, Any],
        noise: float,
        path: Sequence[float],
        few: int | None,
        steps: int,
    ) -> list[Candidate]:
        """One for each ridge, fitted on a few trajectories or on all, scored over ``steps``."""
        core: Core = self.forecaster.core
        if setting:
            core.init_weights(self.seed, **setting)
        source = torch.Generator().manual_seed(self.seed)

        def normal(x: Tensor) -> Tensor:
            return noise * torch.randn(x.shape, generator=source, dtype=x.dtype)

        context, truth = torch.as_tensor(self.valid[0]), self.valid[1]
        skip = min(context.shape[1] - 1, self.train.shape[1] - 2)
        count = min(few or self.train.shape[0], self.train.shape[0])
        every = spare(core, count * (self.train.shape[1] - 1 - skip))
        # Few are read by every rank: there may be fewer blocks than ranks.
        blocks = self._mine() if few is None else iter([first(self.train.blocks(), few)])
        factor = triangle(core, self._read(blocks), skip, normal if noise else None, every)
        if self.ranks > 1 and few is None:
            factor.merge()
        tables = factor.solve(path)
        with torch.inference_mode():  # the same for all readouts
            before = self.forecaster.read(context[:, :-1])
            memory = core.read(before) if before.shape[1] else None
        found = []
        for ridge, table in zip(path, tables, strict=True):
            candidate = Candidate(setting, noise, ridge, table=table)
            self._assign(table)
            error = self.forecaster.errors(context[:, -1:], truth[:, :steps], memory)
            candidate.score = log_error(error)
            found.append(candidate)
        return found

    def _mine(self) -> Iterator[np.ndarray]:
        return islice(self.train.blocks(), self.rank, None, self.ranks)

    def _read(self, blocks: Iterable[np.ndarray]) -> Iterator[Tensor]:
        return (self.forecaster.read(torch.as_tensor(x)) for x in blocks)

    def _near(self, ridge: float) -> list[float]:
        index = list(self.plan.path).index(ridge)
        return list(self.plan.path[max(0, index - NEAR) : index + NEAR + 1])

    def _first_stable(self, found: Sequence[Candidate]) -> tuple[Candidate, bool]:
        """The best of those that a small push does not make run away, else the best."""
        bound = max(float(self._size(x).max()) for x in self._read(self.train.blocks()))
        context = self.forecaster.read(torch.as_tensor(self.valid[0][:STARTS]))
        source = torch.Generator().manual_seed(self.seed)
        push = torch.randn(context.shape, generator=source, dtype=context.dtype)
        push[:, :, self.forecaster.core.shape[0] :] = 0
        pushed = context + self.plan.perturbation * push
        for candidate in found:
            self._take(candidate)
            if self._stays(pushed, BOUND * bound):
                return candidate, True
        log.warning(
            "none of the %d best readouts stays bounded over %d steps after a push of %g: the best "
            "forecaster is taken all the same; try ridge.noise=[1e-4,1e-3,1e-2]",
            len(found),
            2 * self.steps,
            self.plan.perturbation,
        )
        return found[0], False

    @torch.inference_mode()
    def _stays(self, context: Tensor, bound: float) -> bool:
        """Whether the forecast after ``context`` stays below ``bound``."""
        future = pieces(self.forecaster.core, context, 2 * self.steps)
        return all(bool((self._size(y) < bound).all()) for y in future)

    def _size(self, x: Tensor) -> Tensor:
        """Root mean square of each state of x (B, T, *shape); what is not finite is infinite."""
        size = self.forecaster.core.predicted(x).flatten(2).pow(2).mean(2).sqrt()
        return torch.nan_to_num(size, nan=float("inf"))

    def _take(self, candidate: Candidate) -> None:
        if candidate.setting:
            self.forecaster.core.init_weights(self.seed, **candidate.setting)
        self._assign(candidate.table)

    def _assign(self, table: Tensor) -> None:
        lift = self.forecaster.core.readout
        assert isinstance(lift, Lift)
        lift.assign(table)


def _score(candidate: Candidate) -> float:
    return candidate.score
