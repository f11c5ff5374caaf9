"""The search for a readout by least squares, every candidate judged by its forecasts.

The one-step error does not say how long a forecast stays valid: a readout with an error of 9e-8
may run away after two Lyapunov times. So every choice is made by forecasts of the validation set.
"""

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, product
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sirve.cores import Core
from sirve.cores.lift import Lift
from sirve.data.states import States, first
from sirve.forecasting.forecaster import Forecaster
from sirve.forecasting.normaliser import filled
from sirve.forecasting.rollout import pieces
from sirve.io.progress import track
from sirve.metrics.validation import log_error
from sirve.training.fits import ReadoutSearch
from sirve.training.least_squares import factorise, spare

log = logging.getLogger(__name__)

SHARE = 8  # the first round forecasts 1 / SHARE of the validation steps
NEAR = 2  # ridges on either side of the best that the second round tries again
BOUND = 1.5  # times the largest training state: a forecast beyond it has run away
STARTS = 4  # contexts used to test stability


@dataclass
class Candidate:
    """A fitted readout and the ``log_error`` of its forecasts: lower is better."""

    setting: dict[str, Any]
    noise: float
    ridge: float
    score: float = float("inf")
    table: Tensor = field(default_factory=lambda: torch.empty(0), repr=False)


@dataclass(frozen=True)
class Search:
    """The search for the readout of one forecaster.

    Args:
        plan: what to try.
        forecaster: is fitted in place.
        train: training states, as observed.
        valid: contexts (n, c, *shape + covariates) as observed, and the clean truth after them.
        steps: length of a test forecast, for the test of stability.
        seed: of the random weights and the noise.
        rank, ranks: this process, and how many share the trajectories in one process group.
    """

    plan: ReadoutSearch
    forecaster: Forecaster
    train: States
    valid: tuple[np.ndarray, np.ndarray]
    steps: int
    seed: int
    rank: int = 0
    ranks: int = 1

    def run(self, settings: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Fit in place and return, in plain types, how many settings were tried and the best one.

        ``settings`` are those of the random weights; [{}] leaves the weights as they are.
        """
        self.forecaster.core.double()
        start = time.process_time()
        self.forecaster.core.fit_statistics(filled(x) for x in self._read(self.train.blocks()))
        noises = self.forecaster.core.search_noises if self.plan.noise is None else self.plan.noise
        pairs = list(product(settings, noises))
        steps = self.valid[1].shape[1]
        few, short = self.plan.screening_size, max(1, steps // SHARE)
        tried = [
            min(self.candidates(setting, noise, self.plan.path, few, short), key=_score)
            for setting, noise in track(pairs, "try settings", len(pairs))
        ]
        best = sorted(tried, key=_score)[: self.plan.finalists]
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
        """Return a candidate for each ridge, scored over ``steps`` steps.

        They are fitted to the first ``few`` trajectories, or to all of them.
        """
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
        # Every rank reads the few: there may be fewer blocks than ranks.
        blocks = self._mine() if few is None else iter([first(self.train.blocks(), few)])
        factor = factorise(core, self._read(blocks), skip, normal if noise else None, every)
        if self.ranks > 1 and few is None:
            factor.merge()
        tables = factor.solve(path)
        with torch.inference_mode():  # the same for all readouts
            before = self.forecaster.read(context[:, :-1])
            state = core.read(before) if before.shape[1] else None
        found = []
        for ridge, table in zip(path, tables, strict=True):
            candidate = Candidate(setting, noise, ridge, table=table)
            self._assign(table)
            error = self.forecaster.errors(context[:, -1:], truth[:, :steps], state)
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
        """Return the best candidate that stays bounded when perturbed, else the best."""
        bound = max(float(self._size(filled(x)).max()) for x in self._read(self.train.blocks()))
        context = self.forecaster.read(torch.as_tensor(self.valid[0][:STARTS]))
        source = torch.Generator().manual_seed(self.seed)
        noise = torch.randn(context.shape, generator=source, dtype=context.dtype)
        noise[:, :, self.forecaster.core.shape[0] :] = 0
        perturbed = context + self.plan.perturbation * noise
        for candidate in found:
            self._take(candidate)
            if self._stays(perturbed, BOUND * bound):
                return candidate, True
        log.warning(
            "none of the %d best readouts stays bounded over %d steps after a perturbation of %g: "
            "the best one is used; try fit.noise=[1e-4,1e-3,1e-2]",
            len(found),
            2 * self.steps,
            self.plan.perturbation,
        )
        return found[0], False

    @torch.inference_mode()
    def _stays(self, context: Tensor, bound: float) -> bool:
        """Return whether the forecast after ``context`` stays below ``bound``."""
        future = pieces(self.forecaster.core, context, 2 * self.steps)
        return all(bool((self._size(y) < bound).all()) for y in future)

    def _size(self, x: Tensor) -> Tensor:
        """Return the root mean square (B, T) of each state of x; not finite counts as infinite."""
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
