"""The source of trajectories: equations that are solved, or files that exist already."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from sirve.data.dataset import Dataset
from sirve.data.info import Info
from sirve.data.observe import View

Invariants = Callable[[np.ndarray], dict[str, np.ndarray]]


@dataclass(frozen=True)
class Wanted:
    """The data that a run needs: states and trajectories by split, and how they are stored."""

    states: Mapping[str, int]
    counts: Mapping[str, int]
    root: Path  # folder of all datasets
    block: int
    workers: int


class Source(Protocol):
    """A source of trajectories, which can be inspected before it is made a dataset on disk."""

    @property
    def infos(self) -> Mapping[str, Info]:
        """The description of each split."""

    @property
    def code(self) -> type:
        """The class whose module computes the numbers."""

    def digest(self, wanted: Wanted) -> str | None:
        """Return the content hash of user data, which must match on resume; None if simulated."""

    def inspect(self, wanted: Wanted) -> list[str]:
        """Check the data and return lines that describe them.

        Raises UserError for data that no model can learn from.
        """

    def dataset(self, wanted: Wanted) -> Dataset:
        """Return the dataset, made first if it does not exist yet."""

    @property
    def scene(self) -> View | None:
        """The function that draws states for a camera; None for a system without a picture."""

    def sample(self, states: int) -> np.ndarray | None:
        """Return a few test trajectories (n, states, *shape) from their start, None if unknown."""

    def limits(self, dataset: Dataset) -> dict[str, Any]:
        """Return the limits of prediction, as far as they are known."""

    def invariants(self, parameters: Mapping[str, np.ndarray]) -> Invariants | None:
        """Return the invariants as a function of test states x (n, T, *shape), None if unknown.

        ``parameters`` are those of the test trajectories, (n,) each.
        """
