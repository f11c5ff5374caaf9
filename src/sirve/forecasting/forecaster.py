"""The forecaster that a user calls: a core with its normaliser inside, physical units outside."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from sirve import metrics
from sirve.cores import Core
from sirve.data.shards import Info
from sirve.errors import UserError
from sirve.forecasting.normaliser import Normaliser
from sirve.forecasting.rollout import pieces
from sirve.forecasting.sampling import futures
from sirve.metrics import ensemble as ensemble_scores

Array = TypeVar("Array", np.ndarray, Tensor)


class Forecaster(nn.Module):
    """Forecasts in physical units: a core between a normaliser and its inverse.

    Three modules share the work: this one is what a user calls, sirve.training.module trains it
    with Lightning, and sirve.forecasting.checkpoint saves and loads it.

    Laws: a core that calls the simulator scores the solver's own error; a forecaster that is saved
    and loaded gives the same forecast bit for bit.

    Args:
        core: predicts the next state from normalised states.
        normaliser: maps physical units to those that the core reads.
        model: the plain configuration that ``core`` was built from.
        info: describes the data: shape, channels, units, dt, covariates.
        std: the standard deviation (C,) of each clean training channel, the unit of errors.
    """

    def __init__(
        self,
        core: Core,
        normaliser: Normaliser,
        model: dict[str, Any],
        info: Info,
        std: Sequence[float],
    ) -> None:
        super().__init__()
        self.core, self.normaliser, self.model_config = core, normaliser, model
        self.info, self.std = info, [float(s) for s in std]
        self.run: Path | None = None  # the folder it was trained in, where there is one

    @property
    def device(self) -> torch.device:
        return self.core.scale.device

    def forecast(
        self, context: Array, steps: int, covariates: Mapping[str, Any] | None = None
    ) -> Array:
        """Return the ``steps`` states after ``context``, in physical units.

        Args:
            context: observed states (c, *shape) or (B, c, *shape), NumPy or torch, c >= 1.
            steps: number of states to forecast.
            covariates: values of the parameters that the model was given in training, such as
                ``{"rho": 28.0}``: numbers, or arrays (B,).

        Returns:
            An array (steps, *shape) or (B, steps, *shape) of the kind and type of ``context``.

        Raises:
            UserError: for another shape, a value that is not finite, a missing or unexpected
                covariate, or ``steps`` < 1.
        """
        return self._like(context, self._roll(self._taken(context, steps, covariates), steps))

    def ensemble(
        self,
        context: Array,
        steps: int,
        members: int = 16,
        seed: int = 0,
        covariates: Mapping[str, Any] | None = None,
    ) -> Array:
        """Return ``members`` futures of each context, sampled state by state from p(x_t | past).

        The result is (members, [B,] steps, *shape); the other arguments are those of ``forecast``.
        It is a function of ``seed``: asking for more members does not change the first ones.
        Raises UserError also for a model that has no standard deviation to sample from.
        """
        if members < 1:
            raise UserError(f"members={members} must be at least 1")
        if self.core.spread is None:
            raise UserError(
                "this model has no standard deviation to sample from: train it with "
                "ensemble.members=16, or with objective=log_likelihood"
            )
        x = self.read(self._taken(context, steps, covariates))
        with torch.inference_mode():
            y = futures(self.core, x, steps, members, seed)
            return self._like(context, self.normaliser.back(y))

    def trusted_steps(self, ensemble: Array, threshold: float = metrics.THRESHOLD) -> np.ndarray:
        """Return how many leading steps of an ``ensemble`` can be trusted: integers ([B]).

        These are the steps before its spread exceeds ``threshold`` standard deviations.
        """
        states = torch.as_tensor(ensemble).cpu().numpy()
        single = states.ndim == len(self.info.shape) + 2
        states = states[:, None] if single else states
        spread = ensemble_scores.spread(states, np.asarray(self.std))
        steps = metrics.valid_steps(spread, threshold)
        return steps[0] if single else steps

    def errors(self, context: Tensor, truth: np.ndarray, state: Any = None) -> np.ndarray:
        """Return e_k (B, steps) of the forecasts after ``context``.

        ``context`` (B, c, C + covariates, *space) and ``truth`` (B, steps, *shape) are in physical
        units; ``state`` is the core's memory before the context.
        """
        prediction = self._roll(context, truth.shape[1], state).cpu().numpy()
        return metrics.normalised_error(truth, prediction, np.asarray(self.std))

    def states(self, x: np.ndarray, covariates: Mapping[str, Any]) -> Tensor:
        """Return x (B, T, *shape), in physical units, as the core reads it."""
        return self.read(self.with_covariates(torch.as_tensor(x), covariates).to(self.device))

    def read(self, x: Tensor) -> Tensor:
        """Normalise x in float64, then cast it to the core's type."""
        return self.normaliser(x.double()).to(self.core.scale.dtype)

    def with_covariates(self, x: Tensor, covariates: Mapping[str, Any]) -> Tensor:
        """Return x (B, c, *shape) with the covariates appended as constant channels.

        Raises UserError for names that differ from those given in training.
        """
        names = self.info.covariates
        if set(covariates) != set(names):
            given = ", ".join(covariates) or "none"
            raise UserError(
                f"covariates has {given}; this model was given {', '.join(names) or 'none'}"
            )
        if not names:
            return x
        columns = torch.empty(len(x), len(names), dtype=torch.float64)
        for i, name in enumerate(names):
            columns[:, i] = torch.as_tensor(covariates[name], dtype=torch.float64)
        if not torch.isfinite(columns).all():
            raise UserError(
                f"covariates={covariates} holds a value that is not finite; give numbers"
            )
        columns = columns.reshape(len(x), 1, len(names), *[1] * (x.ndim - 3))
        shape = (len(x), x.shape[1], len(names), *x.shape[3:])
        return torch.cat([x, columns.expand(shape).to(x)], dim=2)

    def _taken(self, context: Array, steps: int, covariates: Mapping[str, Any] | None) -> Tensor:
        """Return ``context`` as (B, c, C + covariates, *space) on the core's device."""
        x = torch.as_tensor(context)
        x = x if x.ndim == len(self.info.shape) + 2 else x[None]
        self._check(x, tuple(context.shape), steps)
        return self.with_covariates(x, covariates or {}).to(self.device)

    def _like(self, context: Array, future: Tensor) -> Array:
        """Give ``future`` (..., B, steps, *shape) the kind, type and batch of ``context``."""
        x = torch.as_tensor(context)
        future = future.to(x.device, x.dtype if x.is_floating_point() else torch.float64)
        if x.ndim == len(self.info.shape) + 1:
            future = future.squeeze(-len(self.info.shape) - 2)
        return future.numpy() if isinstance(context, np.ndarray) else future

    @torch.inference_mode()
    def _roll(self, context: Tensor, steps: int, state: Any = None) -> Tensor:
        read, first = self.read(context), 0
        shape = (len(read), steps, self.core.shape[0], *read.shape[3:])
        future = torch.empty(shape, dtype=torch.float64, device=read.device)
        for y in pieces(self.core, read, steps, state=state):
            future[:, first : first + y.shape[1]] = self.core.predicted(self.normaliser.back(y))
            first += y.shape[1]
        return future

    def _check(self, x: Tensor, given: tuple[int, ...], steps: int) -> None:
        shape = tuple(self.info.shape)
        fits = x.ndim == len(shape) + 2 and self.core.accepts_shape(tuple(x.shape[2:]))
        if not fits or x.shape[1] < 1:
            channels = ", ".join(self.info.channels)
            raise UserError(
                f"context has shape {given}; give (c, {', '.join(map(str, shape))}) or a batch of "
                f"it, c >= 1, channels {channels}"
            )
        if not torch.isfinite(x).all():
            raise UserError("context holds a value that is not finite; remove or fill it first")
        if steps < 1:
            raise UserError(f"steps={steps} must be at least 1")
