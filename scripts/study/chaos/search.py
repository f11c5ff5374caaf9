"""Chooses settings of a random recurrent network on one series and forecasts another."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from scripts.study.chaos.leave_block_out import BlockLeftOut
from sirve.cores import Core
from sirve.metrics import smape

from .bank import Bank

RIDGES = (1e-22, 1e-18, 1e-15, 1e-12, 1e-9, 1e-6, 1e-3)  # on squared singular values
WASHOUT = 40  # first states, which only warm up the memory
SHORTEST = 60  # states between the washout and the first block that is left out
SETTINGS = 24
BLOCKS = 9
FIRST = [1, 4, 7]  # the blocks on which every setting is scored
BEST = 8  # settings that are scored on the other blocks too
KEPT = 3  # settings whose forecasts are combined by a pointwise median


@dataclass(frozen=True)
class Family:
    """A core, and a function that samples the arguments of its ``init_weights``."""

    core: Core
    setting: Callable[[np.random.Generator], dict[str, Any]]


@dataclass(frozen=True)
class Choice:
    """A network: its seed and setting, the ridge of its readout, and its mean sMAPE on blocks."""

    seed: int
    setting: dict[str, Any]
    ridge: float
    error: float


class FittedBank:
    """A bank with the states and the factored features of one series (T,)."""

    def __init__(self, bank: Bank, series: np.ndarray) -> None:
        self.bank, self.series = bank, series
        self.mean, self.std = series.mean(), series.std()
        self.x = torch.from_numpy((series - self.mean) / self.std)
        phi, self.states = bank.features(self.x)
        increments = self.x.diff()[WASHOUT:].expand(len(bank), -1)
        self.fit = BlockLeftOut(phi[:, WASHOUT:-1], increments)

    def forecast(
        self, start: int, steps: int, ridges: Sequence[float], left_out: int = 0
    ) -> np.ndarray:
        """Forecast from the state ``start``: (S, ridges, steps), in the units of the series.

        The ``left_out`` steps after it are left out of the fit of the readouts.
        """
        first = start - WASHOUT
        weights = self.fit.solve(ridges, first, first + left_out)
        x = self.x[start].expand(weights.shape[:2])
        states = self.states[:, :, start, None].expand(-1, -1, len(ridges), -1)
        found = self.bank.rollout(x, states, weights, steps)
        return np.asarray(found.permute(1, 2, 0)) * self.std + self.mean

    def errors(self, starts: np.ndarray, steps: int) -> np.ndarray:
        """Return the sMAPE (blocks, S, ridges) of the left-out steps after each start."""
        raw = self.series
        found = [
            smape(raw[start + 1 :][:steps], self.forecast(start, steps, RIDGES, left_out=steps))
            for start in starts.tolist()
        ]
        return np.stack(found)


def choose(
    family: Family,
    series: np.ndarray,
    horizon: int,
    rng: np.random.Generator,
    count: int = SETTINGS,
) -> list[Choice]:
    """Return the KEPT settings, with their ridges, that forecast blocks of ``series`` best.

    Each block is left out of the fit that forecasts it. All ``count`` settings are scored on the
    FIRST blocks, the BEST of them on all BLOCKS. The result is sorted, best first.
    """
    seed = int(rng.integers(2**31))
    settings = [family.setting(rng) for _ in range(count)]
    last = len(series) - 1 - horizon
    starts = np.linspace(last, WASHOUT + SHORTEST, BLOCKS).round().astype(int)
    rest = np.delete(starts, FIRST)
    first = FittedBank(Bank(family.core, seed, settings), series).errors(starts[FIRST], horizon)
    best = np.argsort(first.mean(0).min(1))[:BEST]
    second = FittedBank(Bank(family.core, seed, [settings[i] for i in best]), series)
    errors = np.concatenate([first[:, best], second.errors(rest, horizon)]).mean(0)
    ridge = errors.argmin(1)
    return [
        Choice(seed, settings[best[i]], RIDGES[ridge[i]], float(errors[i, ridge[i]]))
        for i in np.argsort(errors.min(1))[:KEPT]
    ]


def forecast(family: Family, choices: Sequence[Choice], past: np.ndarray, steps: int) -> np.ndarray:
    """Fit each readout to all of ``past`` and forecast (choices, steps) from its end."""
    bank = Bank(family.core, choices[0].seed, [choice.setting for choice in choices])
    ridges = [choice.ridge for choice in choices]
    found = FittedBank(bank, past).forecast(len(past) - 1, steps, ridges)
    return found[range(len(choices)), range(len(choices))]
