"""Gather the observed states that a model is given, and the clean states that score it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np
import torch

from sirve.data.dataset import Dataset
from sirve.data.info import dtype_of
from sirve.data.moments import Moments, StepMoments
from sirve.data.observe import Observe
from sirve.data.states import States, StatesInMemory, StatesOnDisk, with_covariates
from sirve.errors import UserError


@dataclass(frozen=True)
class Data:
    """Observed states with covariates and noise, and the clean states, in physical units."""

    train: States
    seen: dict[str, np.ndarray]  # observed, by split: valid and test
    clean: dict[str, np.ndarray]  # the truth, by split: valid and test
    std: np.ndarray  # (C,), standard deviation of the clean training states
    parameters: dict[str, np.ndarray]  # (n,) each, of the test trajectories

    @cached_property
    def moments(self) -> tuple[Moments, Moments]:
        """The moments of the observed training states and of their increments, from one pass."""
        moments = StepMoments()
        for x in self.train.blocks():
            moments.add(x)
        return moments.states, moments.increments


def gather(
    dataset: Dataset, observe: Observe, counts: Mapping[str, int], seed: int, memory: int
) -> Data:
    """Read the first ``counts`` trajectories of each split as the model observes them.

    Training states are held in memory if they take at most ``memory`` MiB, else they are read from
    the shards when needed. ``seed`` fixes the noise. Raises UserError for a constant channel.
    """
    info, moments = dataset.info, Moments()
    for x in dataset.blocks("train", counts["train"]):
        moments.add(observe.clean(x, info))
    for name, std in zip(observe.info(info).channels, moments.std, strict=True):
        if std == 0:
            raise UserError(
                f"channel '{name}' is constant in the training data, so errors have no unit; leave "
                "it out by observe.channels, or change sim.system"
            )
    train: States = StatesOnDisk(dataset, counts["train"], observe, moments.std, seed)
    if prod(train.shape) * np.dtype(dtype_of(observe.info(info))).itemsize <= memory * 2**20:
        whole = np.concatenate(list(train.blocks()))
        train = StatesInMemory(torch.as_tensor(whole), dataset.manifest.block)

    seen, clean = {}, {}
    for split in ("valid", "test"):
        count = counts[split]
        clean[split] = observe.clean(dataset.read(split, count), dataset.infos[split])
        noisy = observe.noisy(clean[split], moments.std, split, seed)
        covariates = observe.covariates(dataset.parameters(split, count), count)
        seen[split] = with_covariates(noisy, covariates)
    data = Data(train, seen, clean, moments.std, dataset.parameters("test", counts["test"]))
    for x in seen.values():
        _fill(x, data)
    return data


def _fill(x: np.ndarray, data: Data) -> None:
    """Set hidden cells of x (n, T, C, *space) to the mean of the seen training states, in place."""
    hidden = np.isnan(x)
    if hidden.any():
        mean = data.moments[0].mean.reshape(-1, *[1] * (x.ndim - 3))
        np.copyto(x, mean.astype(x.dtype), where=hidden)
