"""From a dataset to what a model sees of it, and to the truth that scores."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np
import torch

from sirve.data.dataset import Dataset
from sirve.data.moments import Moments
from sirve.data.observe import Observe
from sirve.data.shards import dtype_of
from sirve.data.states import Held, States, Stored, with_covariates
from sirve.errors import UserError


@dataclass(frozen=True)
class Data:
    """What the model sees of each split, known parameters and noise included, and the clean truth

    that scores, in physical units.
    """

    train: States
    seen: dict[str, np.ndarray]  # valid and test
    clean: dict[str, np.ndarray]
    std: np.ndarray  # (C,), of the clean training states
    parameters: dict[str, np.ndarray]  # of the test trajectories, (n,)

    @cached_property
    def moments(self) -> tuple[Moments, Moments]:
        """Of the training states as they are seen, and of their increments: one pass for all."""
        states, increments = Moments(), Moments()
        for x in self.train.blocks():
            states.add(x)
            increments.add(np.diff(x, axis=1))
        return states, increments


def gather(
    dataset: Dataset, observe: Observe, counts: Mapping[str, int], seed: int, memory: int
) -> Data:
    """Training states are held if they take at most ``memory`` MiB, else read from their shards.

    Raises UserError for a channel without any variation.
    """
    info, moments = dataset.info, Moments()
    for x in dataset.blocks("train", counts["train"]):
        moments.add(observe.clean(x, info))
    for name, deviation in zip(observe.info(info).channels, moments.std, strict=True):
        if deviation == 0:
            raise UserError(
                f"channel '{name}' is constant in the training data, so errors have no unit; leave "
                "it out by observe.channels, or change sim.system"
            )
    train: States = Stored(dataset, counts["train"], observe, moments.std, seed)
    if prod(train.shape) * np.dtype(dtype_of(observe.info(info))).itemsize <= memory * 2**20:
        whole = np.concatenate(list(train.blocks()))
        train = Held(torch.as_tensor(whole), dataset.manifest.block)

    seen, clean = {}, {}
    for split in ("valid", "test"):
        count = counts[split]
        clean[split] = observe.clean(dataset.read(split, count), dataset.infos[split])
        noisy = observe.noisy(clean[split], moments.std, split, seed)
        covariates = observe.covariates(dataset.parameters(split, count), count)
        seen[split] = with_covariates(noisy, covariates)
    return Data(train, seen, clean, moments.std, dataset.parameters("test", counts["test"]))
